package tokens_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/tokens"
)

const secretText = "correct-horse-battery-staple"

// forms lists how secretText could show: raw, hex, base64, and the decimals that %d makes of bytes.
func forms() []string {
	raw := []byte(secretText)
	return []string{
		secretText,
		hex.EncodeToString(raw),
		strings.ToUpper(hex.EncodeToString(raw)),
		base64.RawStdEncoding.EncodeToString(raw),
		base64.RawURLEncoding.EncodeToString(raw),
		strings.Trim(fmt.Sprint(raw), "[]"),
		strings.Trim(strings.ReplaceAll(fmt.Sprint(raw), " ", ","), "[]"),
	}
}

func leaked(text string) bool {
	for _, form := range forms() {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

// The forms must be what a careless type shows, else the tests below prove nothing.
func TestFormsAreWhatLeaks(t *testing.T) {
	careless := struct{ b []byte }{[]byte(secretText)}
	for _, verb := range []string{"%v", "%s", "%d", "%x", "%X"} {
		if !leaked(fmt.Sprintf(verb, careless)) {
			t.Errorf("a plain byte slice under %s is not seen", verb)
		}
	}
	if text, err := json.Marshal([]byte(secretText)); err != nil || !leaked(string(text)) {
		t.Errorf("a plain byte slice in JSON is not seen: %s, %v", text, err)
	}
}

type nested struct {
	Name     string
	Exported tokens.Secret
	hidden   tokens.Secret
	deeper   struct{ pointer *tokens.Secret }
}

func secretValues() map[string]any {
	s := tokens.NewSecret([]byte(secretText))
	n := nested{Name: "n", Exported: s, hidden: s}
	n.deeper.pointer = &s
	return map[string]any{
		"secret":             s,
		"pointer":            &s,
		"nested":             n,
		"pointer to nested":  &n,
		"slice":              []tokens.Secret{s, s},
		"array":              [1]tokens.Secret{s},
		"map":                map[string]tokens.Secret{"k": s},
		"any":                []any{s, &s, n, &n},
		"material":           tokens.Material{ID: "id", Secret: s},
		"anonymous embedded": struct{ tokens.Secret }{s},
		"error":              fmt.Errorf("wrapped: %v", s),
	}
}

func TestSecretPrintsNothing(t *testing.T) {
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%e", "%t", "%T", "%p", "%08x", "% x", "%#x"}
	for name, v := range secretValues() {
		for _, verb := range verbs {
			if text := fmt.Sprintf(verb, v); leaked(text) {
				t.Errorf("%s under %s: %s", name, verb, text)
			}
		}
		if text := fmt.Sprint(v) + fmt.Sprintln(v); leaked(text) {
			t.Errorf("%s under Print: %s", name, text)
		}
	}
}

func TestSecretSaysThatItIsRedacted(t *testing.T) {
	s := tokens.NewSecret([]byte(secretText))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, s); got != "[REDACTED]" {
			t.Errorf("%s shows %s", verb, got)
		}
	}
	if s.String() != "[REDACTED]" {
		t.Errorf("String returns %s", s.String())
	}
	text, err := s.MarshalText()
	if err != nil || string(text) != "[REDACTED]" {
		t.Errorf("as text: %s, %v", text, err)
	}
}

func TestSecretInJSON(t *testing.T) {
	for name, v := range secretValues() {
		text, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if leaked(string(text)) {
			t.Errorf("%s: %s", name, text)
		}
	}
	text, err := json.Marshal(map[string]any{"s": tokens.NewSecret([]byte(secretText))})
	if err != nil || string(text) != `{"s":"[REDACTED]"}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestSecretInSlog(t *testing.T) {
	handlers := map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	}
	for handler, open := range handlers {
		for name, v := range secretValues() {
			var out bytes.Buffer
			log := slog.New(open(&out)).With("with", v)
			log.Info("message", slog.Any("value", v), slog.Group("group", slog.Any("value", v)))
			if leaked(out.String()) {
				t.Errorf("%s, %s handler: %s", name, handler, out.String())
			}
			if !strings.Contains(out.String(), "message") {
				t.Errorf("%s, %s handler: nothing was logged", name, handler)
			}
		}
	}
}

func TestSecretHoldsACopy(t *testing.T) {
	in := []byte(secretText)
	s := tokens.NewSecret(in)
	clear(in)
	out := s.Reveal()
	if string(out) != secretText || s.Len() != len(secretText) {
		t.Fatalf("wiping the input changed the secret: %q", out)
	}
	clear(out)
	if string(s.Reveal()) != secretText {
		t.Fatal("wiping the output changed the secret")
	}
}

func TestZeroSecret(t *testing.T) {
	var zero tokens.Secret
	if zero.Reveal() != nil || zero.Len() != 0 || zero.String() != "[REDACTED]" {
		t.Errorf("the zero secret shows %v and holds %d bytes", zero, zero.Len())
	}
	if !zero.Equal(tokens.NewSecret(nil)) {
		t.Error("two empty secrets differ")
	}
}

func TestSecretEqual(t *testing.T) {
	s := tokens.NewSecret([]byte(secretText))
	if !s.Equal(tokens.NewSecret([]byte(secretText))) {
		t.Error("equal secrets differ")
	}
	for _, other := range []string{"", secretText[1:], secretText + "x", strings.ToUpper(secretText)} {
		if s.Equal(tokens.NewSecret([]byte(other))) {
			t.Errorf("equals %q", other)
		}
	}
}
