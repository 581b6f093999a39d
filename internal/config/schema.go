package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
)

// Patterns of values that stand as text in the file.
const (
	durationPattern = `^(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+$`
	bytesPattern    = `^[0-9]+ *(KiB|MiB|GiB)?$`
)

// Schema returns the JSON schema (draft 2020-12) of the file, indented. An editor that knows it
// completes keys and shows their descriptions. Rules between settings are left to Validate.
func Schema() ([]byte, error) {
	root, err := describe()
	if err != nil {
		return nil, err
	}
	s := object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "Configuration of tokensvc"},
	}
	s = append(s, root.objectSchema(render(root, reflect.ValueOf(Defaults())))...)
	s = append(s, member{"$defs", object{{"access", accessSchema()}}})
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// schema describes one setting. defaults are those of the section it stands in; nil in a list.
func (f *field) schema(defaults object) object {
	s := object{{"description", f.description()}}
	switch f.kind {
	case kindSection, kindChoice:
		inner, _ := defaults.at(f.key).(object)
		return append(s, f.objectSchema(inner)...)
	case kindList:
		return append(s, member{"type", []string{"array", "null"}}, member{"items", f.objectSchema(nil)})
	case kindAccess:
		return append(s, member{"$ref", "#/$defs/access"})
	case kindTexts:
		return append(s, member{"type", "array"}, member{"items", object{{"type", "string"}}})
	case kindMap:
		return append(s, member{"type", "object"}, member{"additionalProperties", object{{"type", "string"}}})
	default:
		s = append(s, f.scalarSchema()...)
	}
	if d, ok := f.tag.Lookup("default"); ok {
		s = append(s, member{"default", d})
	} else if d := defaults.at(f.key); d != nil {
		s = append(s, member{"default", d})
	}
	return s
}

// objectSchema describes the keys of a section or of a list's element.
func (f *field) objectSchema(defaults object) object {
	properties, required, choices := object{}, []string{}, []object{}
	for _, c := range f.children {
		properties = append(properties, member{c.key, c.schema(defaults)})
		if c.tag.Get("required") == "true" {
			required = append(required, c.key)
		}
		if c.kind == kindChoice {
			choices = append(choices, object{{"required", []string{c.key}}})
		}
	}
	s := object{{"type", "object"}}
	if f.kind == kindSection {
		s = object{{"type", []string{"object", "null"}}}
	}
	s = append(s, member{"additionalProperties", false}, member{"properties", properties})
	if len(required) > 0 {
		s = append(s, member{"required", required})
	}
	if len(choices) > 0 {
		s = append(s, member{"oneOf", choices})
	}
	return s
}

func (f *field) scalarSchema() object {
	switch f.kind {
	case kindBool:
		return object{{"type", "boolean"}}
	case kindInt:
		return append(object{{"type", "integer"}}, f.numbers()...)
	case kindFloat:
		return append(object{{"type", "number"}}, f.numbers()...)
	case kindDuration:
		return object{{"type", []string{"string", "integer"}}, {"pattern", durationPattern}, {"maximum", 0}, {"minimum", 0}}
	case kindBytes:
		return append(object{{"type", []string{"string", "integer"}}, {"pattern", bytesPattern}}, f.numbers()...)
	default:
		return append(object{{"type", "string"}}, f.textSchema()...)
	}
}

// numbers returns the bounds of a number.
func (f *field) numbers() object {
	var out object
	for _, b := range []struct{ tag, keyword string }{{"min", "minimum"}, {"max", "maximum"}} {
		switch v, _ := f.parse(f.tag.Get(b.tag)); v := v.(type) {
		case int, float64:
			out = append(out, member{b.keyword, v})
		case Bytes:
			out = append(out, member{b.keyword, int64(v)})
		}
	}
	return out
}

func (f *field) textSchema() object {
	var out object
	if e := f.enum(); e != nil {
		out = append(out, member{"enum", e})
	}
	if p := f.tag.Get("pattern"); p != "" {
		out = append(out, member{"pattern", p})
	}
	for _, b := range []struct{ tag, keyword string }{{"min", "minLength"}, {"max", "maxLength"}} {
		if n, err := strconv.Atoi(f.tag.Get(b.tag)); err == nil {
			out = append(out, member{b.keyword, n})
		}
	}
	return out
}

// description is the comment, with the bounds that JSON schema cannot say.
func (f *field) description() string {
	low, high := f.tag.Get("min"), f.tag.Get("max")
	if (f.kind == kindDuration || f.kind == kindBytes) && low != "" {
		return f.doc + " From " + low + " to " + high + "."
	}
	return f.doc
}
