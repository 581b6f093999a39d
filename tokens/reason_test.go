package tokens_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tokensvc/tokensvc/tokens"
)

func TestErrorClassesAndReasons(t *testing.T) {
	cases := []struct {
		err    error
		class  error
		reason tokens.Reason
		text   string
	}{
		{tokens.ParamError(tokens.NoExpiry, "expire", "want %d", 1), tokens.ErrInvalidParams, tokens.NoExpiry, "expire: want 1"},
		{tokens.KeyError("too %s", "short"), tokens.ErrInvalidKey, tokens.InvalidKey, "too short"},
		{tokens.Refuse(tokens.Expired, "late"), tokens.ErrRefused, tokens.Expired, "late"},
	}
	for _, c := range cases {
		wrapped := fmt.Errorf("outer: %w", c.err)
		if !errors.Is(wrapped, c.class) || tokens.ReasonOf(wrapped) != c.reason || c.err.Error() != c.text {
			t.Errorf("%v: class %v, reason %s", c.err, errors.Unwrap(c.err), tokens.ReasonOf(wrapped))
		}
	}
	if got := tokens.ReasonOf(errors.New("foreign")); got != "" {
		t.Errorf("a foreign error has the reason %s", got)
	}
}

func TestExplanationErr(t *testing.T) {
	var e tokens.Explanation
	e.Pass("form", "")
	e.Skip("signature", "needs the key")
	if err := e.Err(); err != nil {
		t.Errorf("nothing failed, but %v", err)
	}
	e.Fail("expiry", tokens.Refuse(tokens.Expired, "100 %% late"))
	e.Fail("ip", tokens.Refuse(tokens.IPMismatch, "other"))
	if err := e.Err(); tokens.ReasonOf(err) != tokens.Expired || !errors.Is(err, tokens.ErrRefused) || err.Error() != "100 % late" {
		t.Errorf("the first failure comes out as %v", err)
	}
}

func TestClip(t *testing.T) {
	long := strings.Repeat("a", 63)
	for text, want := range map[string]string{
		"":                         "",
		"short":                    "short",
		long + "b":                 long + "b",
		long + "bc":                long + "b…",
		long + "é":                 long + "…",
		long[1:] + "é":             long[1:] + "é",
		long[2:] + "🎬 and so on":   long[2:] + "…",
		"a\xffb":                   "a\uFFFDb",
		strings.Repeat("\x80", 70): "\uFFFD…",
	} {
		if got := tokens.Clip(text); got != want || !utf8.ValidString(got) {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
