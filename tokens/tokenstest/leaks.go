package tokenstest

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/tokens"
)

// minLeak is the length under which a text is too common to count as a leak.
const minLeak = 8

// leaks finds forms of a secret in texts that others will read.
type leaks struct{ forms []string }

func newLeaks(m tokens.Material, more []string) leaks {
	raw := m.Secret.Reveal()
	var l leaks
	l.add(string(raw))
	l.add(hex.EncodeToString(raw))
	l.add(strings.ToUpper(hex.EncodeToString(raw)))
	l.add(strings.Trim(fmt.Sprint(raw), "[]"))
	// The first and last groups of base64 depend on what stands beside the secret; the middle does not.
	l.add(strings.TrimRight(base64.StdEncoding.EncodeToString(raw), "="))
	l.add(strings.TrimRight(base64.URLEncoding.EncodeToString(raw), "="))
	if strings.Contains(string(raw), "-----BEGIN ") {
		for line := range strings.Lines(string(raw)) {
			if !strings.HasPrefix(line, "-----") {
				l.add(strings.TrimSpace(line))
			}
		}
	}
	for _, form := range more {
		l.add(form)
	}
	return l
}

func (l *leaks) add(form string) {
	if len(form) >= minLeak {
		l.forms = append(l.forms, form)
	}
}

func (l *leaks) short() bool { return len(l.forms) == 0 }

// in reports whether text holds a form of the secret.
func (l *leaks) in(text string) bool {
	for _, form := range l.forms {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

// checkText fails the test when text betrays the secret. It does not print the text.
func (s *suite) checkText(t *testing.T, what, text string) {
	t.Helper()
	if s.leaks.in(text) {
		t.Errorf("%s holds the secret", what)
	}
}

// checkError fails the test unless err is a tokens.Error of the class, with a reason and a message,
// that betrays nothing.
func (s *suite) checkError(t *testing.T, err, class error) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	var e *tokens.Error
	if !errors.As(err, &e) {
		t.Errorf("%v is a %T, not a *tokens.Error", err, err)
		return
	}
	if e.Reason == "" || e.Message == "" {
		t.Errorf("error without reason or message: %#v", e)
	}
	if !errors.Is(err, class) {
		t.Errorf("%v is not of the class %q", err, class)
	}
	s.checkText(t, "error", err.Error())
	s.checkText(t, "error in detail", fmt.Sprintf("%+v %#v", e, e))
}

// checkReason is checkError with the reason that is wanted.
func (s *suite) checkReason(t *testing.T, err, class error, want tokens.Reason) {
	t.Helper()
	s.checkError(t, err, class)
	if got := tokens.ReasonOf(err); err != nil && got != want {
		t.Errorf("reason %s (%v), want %s", got, err, want)
	}
}
