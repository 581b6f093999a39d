package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tokensvc/tokensvc/internal/playback"
)

// object is a mapping that keeps the order of its keys in JSON and YAML.
type object []member

type member struct {
	key   string
	value any
}

// at returns the value of a dotted path, or nil.
func (o object) at(path string) any {
	key, rest, deeper := strings.Cut(path, ".")
	for _, m := range o {
		if m.key != key {
			continue
		}
		if inner, ok := m.value.(object); ok && deeper {
			return inner.at(rest)
		}
		return m.value
	}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(m.key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.key, err)
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// MarshalYAML implements yaml.Marshaler.
func (o object) MarshalYAML() (any, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, m := range o {
		var key, value yaml.Node
		key.SetString(m.key)
		if err := value.Encode(m.value); err != nil {
			return nil, fmt.Errorf("%s: %w", m.key, err)
		}
		n.Content = append(n.Content, &key, &value)
	}
	return n, nil
}

// render turns the settings of a section into an object: durations and sizes as text, choices that
// are not taken left out.
func render(f *field, v reflect.Value) object {
	out := make(object, 0, len(f.children))
	for _, c := range f.children {
		value := v.Field(c.index)
		switch c.kind {
		case kindSection:
			out = append(out, member{c.key, render(c, value)})
		case kindChoice:
			if !value.IsNil() {
				out = append(out, member{c.key, render(c, value.Elem())})
			}
		case kindList:
			elements := make([]object, value.Len())
			for i := range elements {
				elements[i] = render(c, value.Index(i))
			}
			out = append(out, member{c.key, elements})
		case kindAccess:
			if a, _ := reflect.TypeAssert[*playback.Access](value); a != nil {
				out = append(out, member{c.key, printAccess(a)})
			}
		default:
			out = append(out, member{c.key, plain(value.Interface())})
		}
	}
	return out
}

// plain is how a setting stands in the file.
func plain(v any) any {
	switch v := v.(type) {
	case time.Duration:
		return formatDuration(v)
	case Bytes:
		return v.String()
	case []string:
		return append([]string{}, v...)
	case map[string]string:
		o := make(object, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			o = append(o, member{name, v[name]})
		}
		return o
	default:
		return v
	}
}
