package qencode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// member is one member of a JSON object, its value in compact JSON.
type member struct{ name, value string }

// text returns the value when it is a string.
func (m *member) text() (string, bool) {
	if m.value[0] != '"' {
		return "", false
	}
	var s string
	if err := json.Unmarshal([]byte(m.value), &s); err != nil {
		return "", false
	}
	return s, true
}

// find returns the member of that name, or nil.
func find(members []member, name string) *member {
	for i := range members {
		if members[i].name == name {
			return &members[i]
		}
	}
	return nil
}

// limits bound a JSON object.
type limits struct {
	size    int // bytes
	members int // of all objects and arrays together
	depth   int // of objects and arrays in each other
}

var (
	errNotJSON   = errors.New("is not a JSON object")
	errDamaged   = errors.New("holds damaged text")
	errTooDeep   = errors.New("is nested too deeply")
	errTooMany   = errors.New("has too many members")
	errDuplicate = errors.New("has a member twice")
)

// readObject reads a JSON object. It keeps the order of members and every number as it is written,
// and refuses what two parsers could read in two ways: repeated members, at any depth, and damaged
// text.
func readObject(data []byte, bounds limits) ([]member, error) {
	if len(data) > bounds.size {
		return nil, fmt.Errorf("has %d bytes; at most %d", len(data), bounds.size)
	}
	if !json.Valid(data) {
		return nil, errNotJSON
	}
	r := objectReader{decoder: json.NewDecoder(bytes.NewReader(data)), left: bounds.members}
	r.decoder.UseNumber()
	if open, err := r.decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, errNotJSON
	}
	if !isText(string(data)) {
		return nil, errDamaged
	}
	return r.object(bounds.depth)
}

type objectReader struct {
	decoder *json.Decoder
	left    int // members that may still come
}

// object reads the members of the object whose brace has been read, and the closing brace.
func (r *objectReader) object(depth int) ([]member, error) {
	if depth == 0 {
		return nil, errTooDeep
	}
	var out []member
	for r.decoder.More() {
		token, err := r.decoder.Token()
		if err != nil {
			return nil, errNotJSON
		}
		name, ok := token.(string)
		if !ok {
			return nil, errNotJSON
		}
		if !isText(name) {
			return nil, errDamaged
		}
		if find(out, name) != nil {
			return nil, errDuplicate
		}
		value, err := r.appendValue(nil, depth-1)
		if err != nil {
			return nil, err
		}
		out = append(out, member{name: name, value: string(value)})
	}
	if _, err := r.decoder.Token(); err != nil {
		return nil, errNotJSON
	}
	return out, nil
}

// appendValue reads the next value and appends it in compact form.
func (r *objectReader) appendValue(dst []byte, depth int) ([]byte, error) {
	r.left--
	if r.left < 0 {
		return nil, errTooMany
	}
	token, err := r.decoder.Token()
	if err != nil {
		return nil, errNotJSON
	}
	switch v := token.(type) {
	case json.Delim:
		if v == '[' {
			return r.appendArray(dst, depth)
		}
		members, err := r.object(depth)
		if err != nil {
			return nil, err
		}
		return append(appendMembers(append(dst, '{'), members), '}'), nil
	case string:
		if !isText(v) {
			return nil, errDamaged
		}
		return appendString(dst, v), nil
	case json.Number:
		return append(dst, v...), nil
	case bool:
		return fmt.Append(dst, v), nil
	default:
		return append(dst, "null"...), nil
	}
}

func (r *objectReader) appendArray(dst []byte, depth int) ([]byte, error) {
	if depth == 0 {
		return nil, errTooDeep
	}
	dst = append(dst, '[')
	for first := true; r.decoder.More(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = r.appendValue(dst, depth-1); err != nil {
			return nil, err
		}
	}
	if _, err := r.decoder.Token(); err != nil {
		return nil, errNotJSON
	}
	return append(dst, ']'), nil
}

func appendMembers(dst []byte, members []member) []byte {
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(appendString(dst, m.name), ':'), m.value...)
	}
	return dst
}
