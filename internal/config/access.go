package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tokensvc/tokensvc/internal/playback"
)

// Keys of an access policy that hold something, and the words for those that do not.
const (
	accessOpen       = "open"
	accessGrant      = "grant"
	accessExpression = "expression"
	accessWebhook    = "webhook"
	accessAllOf      = "all_of"
	accessAnyOf      = "any_of"
)

// accessForms says what an access policy looks like, for errors.
const accessForms = "write open, grant, {expression: \"...\"}, {webhook: id}, {all_of: [...]} or {any_of: [...]}"

// ParseAccess reads an access policy as it stands in the file: one of the words open and grant, or a mapping
// with one of the keys expression, webhook, all_of and any_of. Errors say on which line something is wrong
// and what would be right.
func ParseAccess(text []byte) (*playback.Access, error) {
	if len(text) > maxFileSize {
		return nil, fmt.Errorf("the policy is over %s", Bytes(maxFileSize))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the policy is empty; " + accessForms)
	case err != nil:
		return nil, fmt.Errorf("not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document; only one is read")
	}
	return AccessFromNode("policy", "", doc.Content[0])
}

// AccessFromNode is ParseAccess for a part of a larger YAML file. Errors name the file and the path of the
// policy within it.
func AccessFromNode(file, path string, n *yaml.Node) (*playback.Access, error) {
	found := faults{origin: make(map[string]string)}
	r := &reader{name: file, faults: &found}
	a, ok := r.access(path, n, 1)
	if err := found.err(); err != nil {
		return nil, err
	}
	if !ok {
		return nil, errors.New(accessForms)
	}
	if err := playback.CheckAccess(&a); err != nil {
		return nil, err
	}
	return &a, nil
}

// access reads a policy that stands depth deep.
func (r *reader) access(path string, n *yaml.Node, depth int) (a playback.Access, ok bool) {
	if depth > playback.MaxAccessDepth {
		r.fault(path, n, "is more than %d policies deep", playback.MaxAccessDepth)
		return a, false
	}
	switch {
	case n.Kind == yaml.ScalarNode && n.Value == accessOpen:
		return playback.Access{Open: true}, true
	case n.Kind == yaml.ScalarNode && n.Value == accessGrant:
		return playback.Access{Grant: true}, true
	case n.Kind == yaml.ScalarNode:
		r.fault(path, n, "%s is no policy; %s", quote(n.Value), accessForms)
		return a, false
	case n.Kind != yaml.MappingNode:
		r.fault(path, n, "%s; %s", found(n), accessForms)
		return a, false
	case len(n.Content) != 2:
		r.fault(path, n, "has %d rules; one policy has one, and all_of or any_of join several", len(n.Content)/2)
		return a, false
	}
	key, value := n.Content[0], n.Content[1]
	switch p := join(path, key.Value); key.Value {
	case accessExpression:
		a.Expression, ok = r.scalar(&field{kind: kindText, multiline: true}, p, value).(string)
	case accessWebhook:
		a.Webhook, ok = r.scalar(&field{kind: kindText}, p, value).(string)
	case accessAllOf:
		a.AllOf, ok = r.policies(p, value, depth)
	case accessAnyOf:
		a.AnyOf, ok = r.policies(p, value, depth)
	default:
		r.fault(p, key, "unknown rule; %s", accessForms)
	}
	return a, ok
}

func (r *reader) policies(path string, n *yaml.Node, depth int) ([]playback.Access, bool) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		r.fault(path, n, "wants a list of policies")
		return nil, false
	}
	out, sound := make([]playback.Access, 0, len(n.Content)), true
	for i, element := range n.Content {
		a, ok := r.access(fmt.Sprintf("%s[%d]", path, i), element, depth+1)
		out, sound = append(out, a), sound && ok
	}
	return out, sound
}

// printAccess is how a policy stands in the file.
func printAccess(a *playback.Access) any {
	all := func(policies []playback.Access) []any {
		out := make([]any, len(policies))
		for i := range policies {
			out[i] = printAccess(&policies[i])
		}
		return out
	}
	switch {
	case a.Grant:
		return accessGrant
	case a.Expression != "":
		return object{{accessExpression, a.Expression}}
	case a.Webhook != "":
		return object{{accessWebhook, a.Webhook}}
	case len(a.AllOf) > 0:
		return object{{accessAllOf, all(a.AllOf)}}
	case len(a.AnyOf) > 0:
		return object{{accessAnyOf, all(a.AnyOf)}}
	default:
		return accessOpen
	}
}

// accessSchema is the schema of a policy, which holds policies itself.
func accessSchema() object {
	const self = "#/$defs/access"
	rule := func(key, description string, value object) object {
		return object{
			{"type", "object"},
			{"additionalProperties", false},
			{"required", []string{key}},
			{"properties", object{{key, append(object{{"description", description}}, value...)}}},
		}
	}
	list := object{{"type", "array"}, {"minItems", 1}, {"maxItems", playback.MaxAccessRules}, {"items", object{{"$ref", self}}}}
	return object{{"oneOf", []object{
		{{"enum", []string{accessOpen, accessGrant}}},
		rule(accessExpression, "Whoever a CEL condition lets in.", object{{"type", "string"}, {"minLength", 1}, {"maxLength", playback.MaxExpression}}),
		rule(accessWebhook, "Whoever the web hook of this id lets in.", object{{"type", "string"}, {"minLength", 1}}),
		rule(accessAllOf, "Whoever every policy lets in.", slices.Clone(list)),
		rule(accessAnyOf, "Whoever one policy lets in; the first that does counts.", list),
	}}}
}
