package offline

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tokensvc/tokensvc/tokens"
)

// object is a JSON object whose members are read by name and type. The first fault sticks, so that a
// scheme reads all it knows and asks once. Names are met exactly, letters' case included.
type object struct {
	path    string // in front of member names in messages
	members map[string]json.RawMessage
	twice   map[string]bool
	asked   map[string]bool
	fault   *error // shared with the objects inside
}

// readObject reads a JSON object in UTF-8 with nothing behind it.
func readObject(text []byte) (*object, bool) {
	o := &object{fault: new(error)}
	ok := o.read(text)
	return o, ok
}

func (o *object) read(text []byte) bool {
	o.members, o.twice, o.asked = map[string]json.RawMessage{}, map[string]bool{}, map[string]bool{}
	if !utf8.Valid(text) || !json.Valid(text) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return false
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return false
		}
		name, ok := token.(string)
		if !ok {
			return false
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return false
		}
		if _, there := o.members[name]; there {
			o.twice[name] = true
		}
		o.members[name] = value
	}
	return true
}

// err returns the first fault found in reading.
func (o *object) err() error { return *o.fault }

func (o *object) fail(name, format string, args ...any) {
	if *o.fault == nil {
		*o.fault = tokens.ParamError(tokens.InvalidArgument, o.path+name, format, args...)
	}
}

// value returns the JSON text of a member. Every getter goes through it.
func (o *object) value(name string) (json.RawMessage, bool) {
	o.asked[name] = true
	if o.twice[name] {
		o.fail(name, "stands twice; readers differ in which one counts")
		return nil, false
	}
	value, ok := o.members[name]
	return value, ok
}

// has reports whether a member is there, of whatever type.
func (o *object) has(name string) bool {
	_, ok := o.members[name]
	return ok
}

// only refuses members that nobody asked for.
func (o *object) only() {
	var unknown []string
	for name := range o.members {
		if !o.asked[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		o.fail(tokens.Clip(slices.Min(unknown)), "unknown; there are %s", strings.Join(slices.Sorted(maps.Keys(o.asked)), ", "))
	}
}

// label returns the JSON text of the line's name, which is its id where it has no name, or nil.
func (o *object) label() json.RawMessage {
	for _, member := range []string{"name", "id"} {
		value, ok := o.value(member)
		switch {
		case !ok || value[0] == 'n':
			continue
		case value[0] == '"' || isNumber(value):
			return value
		default:
			o.fail(member, "want text or a number")
		}
	}
	return nil
}

// text returns a text, or "" when it is absent.
func (o *object) text(name string) string {
	value, ok := o.value(name)
	if !ok {
		return ""
	}
	text, ok := o.textOf(name, value)
	if !ok {
		return ""
	}
	return text
}

func (o *object) textOf(name string, value json.RawMessage) (string, bool) {
	var text string
	if value[0] != '"' || json.Unmarshal(value, &text) != nil {
		o.fail(name, "want text")
		return "", false
	}
	// What decoding leaves where an escape is half of a pair.
	if strings.ContainsRune(text, utf8.RuneError) {
		o.fail(name, "holds damaged text")
		return "", false
	}
	return text, true
}

// secret returns a text that is not shown again.
func (o *object) secret(name string) tokens.Secret { return tokens.NewSecret([]byte(o.text(name))) }

// texts returns a text or a list of texts, and whether it is a list.
func (o *object) texts(name string) (values []string, isList bool) {
	value, ok := o.value(name)
	switch {
	case !ok:
		return nil, false
	case value[0] != '[':
		text, _ := o.textOf(name, value)
		return []string{text}, false
	}
	var elements []json.RawMessage
	if json.Unmarshal(value, &elements) != nil {
		o.fail(name, "want text or a list of texts")
	}
	values = make([]string, 0, len(elements))
	for _, element := range elements {
		text, _ := o.textOf(name, element)
		values = append(values, text)
	}
	return values, true
}

// truth returns a boolean, false when it is absent.
func (o *object) truth(name string) bool {
	value, ok := o.value(name)
	if !ok {
		return false
	}
	switch string(value) {
	case "true":
		return true
	case "false":
	default:
		o.fail(name, "want true or false")
	}
	return false
}

// seconds returns a time or a lifetime: a whole number, or the same in digits as text. Nil is absent,
// and so is empty text.
func (o *object) seconds(name string) *int64 {
	value, ok := o.value(name)
	if !ok {
		return nil
	}
	if value[0] != '"' {
		return o.whole(name, string(value))
	}
	text, ok := o.textOf(name, value)
	switch {
	case !ok || text == "":
		return nil
	case strings.Trim(text, "0123456789") != "":
		o.fail(name, "want a whole number of seconds, or the same in digits")
		return nil
	}
	return o.whole(name, text)
}

// clockSeconds is seconds, but that the word now stands for the clock's time.
func (o *object) clockSeconds(name string, now int64) *int64 {
	if value, ok := o.value(name); ok && strings.EqualFold(string(value), `"now"`) {
		return &now
	}
	return o.seconds(name)
}

// whole reads a number written without fraction and exponent, which some writers give to times that
// they have rounded.
func (o *object) whole(name, text string) *int64 {
	const most = 999_999_999_999_999_999 // sums of two do not overflow
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > most || n < -most {
		o.fail(name, "want a whole number of seconds, without fraction or exponent, of at most 18 digits")
		return nil
	}
	return &n
}

// duration returns a span of whole seconds, a number of at least least, and whether it is there.
func (o *object) duration(name string, least int64) (time.Duration, bool) {
	value, ok := o.value(name)
	if !ok {
		return 0, false
	}
	n := o.whole(name, string(value))
	if n == nil {
		return 0, false
	}
	if *n < least {
		o.fail(name, "%d is less than %d", *n, least)
		return 0, false
	}
	return time.Duration(min(*n, math.MaxInt64/int64(time.Second))) * time.Second, true
}

// fields returns the object inside the member of this name, which is required.
func (o *object) fields() *object {
	const name = "fields"
	inner := &object{path: o.path + name + ".", fault: o.fault}
	if value, _ := o.value(name); !inner.read(value) {
		o.fail(name, "required: an object with what to sign")
	}
	return inner
}

func isNumber(value json.RawMessage) bool {
	return value[0] == '-' || value[0] >= '0' && value[0] <= '9'
}
