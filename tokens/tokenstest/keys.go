package tokenstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/tokensvc/tokensvc/tokens"
)

func (s *suite) badKeys(t *testing.T) {
	empty := s.Material
	empty.Secret = tokens.Secret{}
	hollow := s.Material
	hollow.Secret = tokens.NewSecret(nil)
	huge := s.Material
	huge.Secret = tokens.NewSecret(bytes.Repeat([]byte("a"), 1<<20))
	cases := append([]BadMaterial{{"empty", empty}, {"hollow", hollow}, {"a megabyte", huge}}, s.BadMaterials...)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			err := s.Scheme.CheckKey(c.Material)
			s.checkReason(t, err, tokens.ErrInvalidKey, tokens.InvalidKey)
			if secret := c.Material.Secret.Reveal(); err != nil && len(secret) >= minLeak && bytes.Contains([]byte(err.Error()), secret) {
				t.Error("the error shows the key that it refuses")
			}
			key, err := s.Scheme.Prepare(c.Material)
			s.checkReason(t, err, tokens.ErrInvalidKey, tokens.InvalidKey)
			if key != nil {
				t.Error("a refused key was prepared")
			}
		})
	}
	if err := s.Scheme.CheckKey(s.Material); err != nil {
		t.Errorf("the sound key is refused: %v", err)
	}
}

func (s *suite) fingerprints(t *testing.T) {
	other, err := s.Scheme.Prepare(s.OtherMaterial)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Scheme.Prepare(s.Material)
	if err != nil {
		t.Fatal(err)
	}
	if s.key.Fingerprint() == "" {
		t.Error("the fingerprint is empty")
	}
	if s.key.Fingerprint() != again.Fingerprint() {
		t.Error("the same key has two fingerprints")
	}
	if s.key.Fingerprint() == other.Fingerprint() {
		t.Error("two keys have the same fingerprint")
	}
	s.checkText(t, "the fingerprint", s.key.Fingerprint())
	if s.key.ID() != "" && s.key.ID() != s.Material.ID {
		t.Errorf("the key calls itself %q, not %q", s.key.ID(), s.Material.ID)
	}
}

func (s *suite) keyPrintsNothing(t *testing.T) {
	type holder struct {
		key   tokens.Key
		inner struct{ material tokens.Material }
	}
	h := holder{key: s.key}
	h.inner.material = s.Material
	values := map[string]any{
		"key":                s.key,
		"pointer to key":     &s.key,
		"slice":              []tokens.Key{s.key},
		"map":                map[string]tokens.Key{"k": s.key},
		"unexported field":   h,
		"pointer to a field": &h,
		"material":           s.Material,
		"materials":          []tokens.Material{s.Material},
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%o", "%t"} {
			s.checkText(t, name+" under "+verb, fmt.Sprintf(verb, v))
		}
		// What cannot be encoded is an error, which must not betray anything either.
		text, err := json.Marshal(v)
		s.checkText(t, name+" as JSON", fmt.Sprint(string(text), err))
		for handler, log := range logs() {
			s.checkText(t, name+" in slog "+handler, log(v))
		}
	}
}

// logs returns a function for each handler of slog that logs a value and returns the line.
func logs() map[string]func(any) string {
	line := func(open func(*bytes.Buffer) slog.Handler) func(any) string {
		return func(v any) string {
			var out bytes.Buffer
			slog.New(open(&out)).Info("value", slog.Any("value", v), slog.Group("group", slog.Any("value", v)))
			return out.String()
		}
	}
	return map[string]func(any) string{
		"text": line(func(out *bytes.Buffer) slog.Handler { return slog.NewTextHandler(out, nil) }),
		"json": line(func(out *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(out, nil) }),
	}
}
