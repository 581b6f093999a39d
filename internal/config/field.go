package config

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
)

// kind is what a setting holds.
type kind uint8

const (
	kindText kind = iota + 1
	kindBool
	kindInt
	kindFloat
	kindDuration
	kindBytes
	kindTexts   // []string
	kindMap     // map[string]string
	kindAccess  // *playback.Access
	kindSection // struct
	kindChoice  // *struct: one of several
	kindList    // []struct
)

// field describes one setting, or a section of settings with all below it.
type field struct {
	key     string // within the section
	path    string // dotted; elements of lists are "playbacks[].id"
	doc     string // the comment in config.go, on one line
	kind    kind
	typ     reflect.Type
	index   int // within the struct
	tag     reflect.StructTag
	pattern *regexp.Regexp // nil without the tag
	// multiline text may hold tabs and line breaks.
	multiline bool
	children  []*field
}

// describe returns the field for the whole configuration.
func describe() (*field, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read the comments of the configuration: %w", err)
	}
	root := &field{kind: kindSection, typ: reflect.TypeFor[Config]()}
	if err := root.describeChildren(docs(file)); err != nil {
		return nil, err
	}
	return root, nil
}

// docs maps "Type.Field" to the comment of the field.
func docs(file *ast.File) map[string]string {
	out := make(map[string]string)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					out[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
				}
			}
		}
		return false
	})
	return out
}

func (f *field) describeChildren(docs map[string]string) error {
	t := f.typ
	if f.kind == kindList || f.kind == kindChoice {
		t = t.Elem()
	}
	for i := range t.NumField() {
		sf := t.Field(i)
		key := sf.Tag.Get("koanf")
		if key == "-" {
			continue
		}
		c := &field{key: key, path: f.below(key), doc: docs[t.Name()+"."+sf.Name], typ: sf.Type, index: i, tag: sf.Tag}
		if c.kind = kindOf(sf.Type); c.kind == 0 || key == "" || c.doc == "" {
			return fmt.Errorf("field %s.%s has no kind, key or comment", t.Name(), sf.Name)
		}
		if p := sf.Tag.Get("pattern"); p != "" {
			var err error
			if c.pattern, err = regexp.Compile(p); err != nil {
				return fmt.Errorf("field %s.%s: %w", t.Name(), sf.Name, err)
			}
		}
		f.children = append(f.children, c)
		if c.kind >= kindSection {
			if err := c.describeChildren(docs); err != nil {
				return err
			}
		}
	}
	return nil
}

// below returns the path of a key of this section or list.
func (f *field) below(key string) string {
	switch {
	case f.path == "":
		return key
	case f.kind == kindList:
		return f.path + "[]." + key
	default:
		return f.path + "." + key
	}
}

func kindOf(t reflect.Type) kind {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return kindDuration
	case reflect.TypeFor[Bytes]():
		return kindBytes
	case reflect.TypeFor[*playback.Access]():
		return kindAccess
	case reflect.TypeFor[[]string]():
		return kindTexts
	case reflect.TypeFor[map[string]string]():
		return kindMap
	}
	switch t.Kind() {
	case reflect.String:
		return kindText
	case reflect.Bool:
		return kindBool
	case reflect.Int:
		return kindInt
	case reflect.Float64:
		return kindFloat
	case reflect.Struct:
		return kindSection
	case reflect.Pointer:
		return kindChoice
	case reflect.Slice:
		return kindList
	default:
		return 0
	}
}

// child returns the setting of a key, or nil.
func (f *field) child(key string) *field {
	for _, c := range f.children {
		if c.key == key {
			return c
		}
	}
	return nil
}

// scalars calls yield for every setting outside lists that holds one value.
func (f *field) scalars(yield func(*field)) {
	for _, c := range f.children {
		switch {
		case c.kind < kindTexts:
			yield(c)
		case c.kind == kindSection:
			c.scalars(yield)
		}
	}
}

// all calls yield for every setting and section, in the order of config.go.
func (f *field) all(yield func(*field)) {
	for _, c := range f.children {
		yield(c)
		c.all(yield)
	}
}

// variable is the environment variable of a setting: listen.grpc is TOKENSVC_LISTEN_GRPC. Several
// paths could read the same; a test holds that none do.
func (f *field) variable() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(f.path, ".", "_"))
}

// flagName is the flag of a setting, or "": listen.grpc is --listen-grpc.
func (f *field) flagName() string {
	if f.tag.Get("flag") != "true" {
		return ""
	}
	return strings.NewReplacer(".", "-", "_", "-").Replace(f.path)
}

// usage is the first sentence of the comment, and the values allowed, as flags show it.
func (f *field) usage() string {
	first, _, _ := strings.Cut(f.doc, ". ")
	first = strings.TrimSuffix(strings.ToLower(first[:1])+first[1:], ".")
	if allowed := f.enum(); allowed != nil {
		first += ": " + strings.Join(allowed, ", ")
	}
	return first
}

// enum returns the values allowed, or nil for any.
func (f *field) enum() []string {
	if e, ok := f.tag.Lookup("enum"); ok {
		return strings.Split(e, ",")
	}
	return nil
}
