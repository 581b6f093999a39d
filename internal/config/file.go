package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileSize is far above what a hundred thousand playbacks need.
const maxFileSize = 64 << 20

// file is a koanf provider: the settings of a YAML file, each of its own Go type.
type file map[string]any

// Read implements koanf.Provider.
func (f file) Read() (map[string]any, error) { return f, nil }

// ReadBytes implements koanf.Provider. The text has been read already.
func (file) ReadBytes() ([]byte, error) {
	return nil, errors.New("the file is given as settings, not as text")
}

// reader turns YAML nodes into settings and collects every fault with its line.
type reader struct {
	name   string
	root   *field
	faults *faults
}

// read parses a file. What is at fault is left out of the result.
func (r *reader) read(text []byte) file {
	if len(text) > maxFileSize {
		r.faults.add("", r.name, "the file is over %s", Bytes(maxFileSize))
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		r.faults.add("", r.name, "not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return nil
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		r.faults.add("", r.name, "more than one YAML document; only one is read")
	}
	return r.section(r.root, "", doc.Content[0])
}

func (r *reader) fault(path string, n *yaml.Node, format string, args ...any) {
	r.faults.add(path, r.at(n), format, args...)
}

func (r *reader) at(n *yaml.Node) string { return r.name + ":" + strconv.Itoa(n.Line) }

// section reads the settings of a struct.
func (r *reader) section(f *field, path string, n *yaml.Node) map[string]any {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.fault(path, n, "%s; it is a section: write its keys below it", found(n))
		return nil
	}
	out := make(map[string]any, len(n.Content)/2)
	for key, value := range r.pairs(path, n) {
		p := join(path, key.Value)
		c := f.child(key.Value)
		if c == nil {
			r.unknown(f, path, key)
			continue
		}
		r.faults.origin[p] = r.at(key)
		if v := r.value(c, p, value); v != nil {
			out[c.key] = v
		}
	}
	return out
}

// pairs yields the keys and values of a mapping, each key once.
func (r *reader) pairs(path string, n *yaml.Node) func(func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		seen := make(map[string]int, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
				r.fault(path, key, "%s as a key; keys are plain words, and anchors are not read", found(key))
				continue
			}
			if line, twice := seen[key.Value]; twice {
				r.fault(join(path, key.Value), key, "is set twice; the first stands on line %d", line)
				continue
			}
			seen[key.Value] = key.Line
			if !yield(key, value) {
				return
			}
		}
	}
}

// unknown reports a key that does not exist, with the one that was probably meant. The value is not
// shown: it may be a secret in the wrong place.
func (r *reader) unknown(f *field, path string, key *yaml.Node) {
	hint := ""
	var siblings, elsewhere []string
	for _, c := range f.children {
		siblings = append(siblings, c.key)
	}
	r.root.all(func(c *field) {
		if c.key == key.Value || c.path == key.Value {
			elsewhere = append(elsewhere, c.path)
		}
	})
	if near := nearest(key.Value, siblings); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	} else if len(elsewhere) > 0 {
		hint = fmt.Sprintf("; there is %s, as a section and its key on lines of their own", strings.Join(elsewhere, " and "))
	}
	r.fault(join(path, key.Value), key, "unknown key%s", hint)
}

// value reads one setting, or returns nil when it is absent or at fault.
func (r *reader) value(f *field, path string, n *yaml.Node) any {
	switch f.kind {
	case kindSection:
		if m := r.section(f, path, n); m != nil {
			return m
		}
	case kindChoice:
		if isNull(n) {
			r.fault(path, n, "has no value; write {} where there is nothing to set")
			return nil
		}
		if m := r.section(f, path, n); m != nil {
			return m
		}
	case kindList:
		return r.list(f, path, n)
	case kindTexts:
		return r.texts(path, n)
	case kindMap:
		return r.named(path, n)
	case kindAccess:
		if a, ok := r.access(path, n, 1); ok {
			return &a
		}
		return nil
	default:
		return r.scalar(f, path, n)
	}
	return nil
}

// list reads the elements of a list and gives them their defaults.
func (r *reader) list(f *field, path string, n *yaml.Node) any {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.fault(path, n, "%s; it is a list: begin each element with \"- \"", found(n))
		return nil
	}
	if isEmpty(n) {
		return nil
	}
	out := make([]map[string]any, 0, len(n.Content))
	for i, element := range n.Content {
		p := fmt.Sprintf("%s[%d]", path, i)
		r.faults.origin[p] = r.at(element)
		m := r.section(f, p, element)
		if m == nil {
			if isNull(element) {
				r.fault(p, element, "has no value")
			}
			m = make(map[string]any)
		}
		for _, c := range f.children {
			if _, set := m[c.key]; set {
				continue
			}
			if v, err := c.parse(c.tag.Get("default")); err == nil && c.tag.Get("default") != "" {
				m[c.key] = v
			}
		}
		out = append(out, m)
	}
	return out
}

func (r *reader) texts(path string, n *yaml.Node) any {
	if n.Kind != yaml.SequenceNode {
		r.fault(path, n, "%s; it is a list of texts: [\"a\", \"b\"]", found(n))
		return nil
	}
	if isEmpty(n) {
		return nil
	}
	out := make([]string, 0, len(n.Content))
	for i, element := range n.Content {
		if s, ok := r.scalar(&field{kind: kindText}, fmt.Sprintf("%s[%d]", path, i), element).(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func (r *reader) named(path string, n *yaml.Node) any {
	if n.Kind != yaml.MappingNode {
		r.fault(path, n, "%s; it is a list of names with a text each: {name: \"text\"}", found(n))
		return nil
	}
	if isEmpty(n) {
		return nil
	}
	out := make(map[string]string, len(n.Content)/2)
	for key, value := range r.pairs(path, n) {
		if s, ok := r.scalar(&field{kind: kindText}, join(path, key.Value), value).(string); ok {
			out[key.Value] = s
		}
	}
	return out
}

// scalar reads one value and insists on its kind: a number is not taken for text, nor text for a
// number.
func (r *reader) scalar(f *field, path string, n *yaml.Node) any {
	if n.Kind != yaml.ScalarNode {
		r.fault(path, n, "%s; it takes one value", found(n))
		return nil
	}
	if isNull(n) {
		r.fault(path, n, "has no value; give one, or leave the key out")
		return nil
	}
	var fits bool
	switch tag := n.ShortTag(); f.kind {
	case kindText:
		fits = tag == "!!str"
	case kindBool:
		fits = tag == "!!bool"
	case kindInt:
		fits = tag == "!!int"
	case kindFloat:
		fits = tag == "!!int" || tag == "!!float"
	default:
		fits = tag == "!!str" || tag == "!!int"
	}
	v, err := f.parse(n.Value)
	switch {
	case err != nil:
		r.fault(path, n, "%s", err)
	case fits:
		return v
	case f.kind == kindText:
		r.fault(path, n, "%s is not text; put it in quotes", quote(n.Value))
	default:
		r.fault(path, n, "%s is text; take the quotes away", quote(n.Value))
	}
	return nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// isEmpty reports an empty list or mapping, which is the same as none.
func isEmpty(n *yaml.Node) bool {
	return (n.Kind == yaml.SequenceNode || n.Kind == yaml.MappingNode) && len(n.Content) == 0
}

// found names what stands in the file where something else should.
func found(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "found a section"
	case yaml.SequenceNode:
		return "found a list"
	case yaml.AliasNode:
		return "found an alias"
	default:
		return "found a value"
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
