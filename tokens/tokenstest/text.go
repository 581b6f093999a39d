package tokenstest

import (
	"testing"
	"unicode/utf8"

	"github.com/tokensvc/tokensvc/tokens"
)

// SoundText fails the test when an explanation holds what is not UTF-8, though all that was presented
// is: no answer of the service could carry it.
func SoundText(t testing.TB, p tokens.Presented, e tokens.Explanation) {
	t.Helper()
	for _, text := range []string{p.Token, p.Resource, p.ClientIP, p.VODStreamID} {
		if !utf8.ValidString(text) {
			return
		}
	}
	for _, f := range e.Fields {
		if !utf8.ValidString(f.Name) || !utf8.ValidString(f.Value) || !utf8.ValidString(f.Note) {
			t.Errorf("of %.120q the explanation shows a field that is not UTF-8: %+q", p.Token, f)
		}
	}
	for _, c := range e.Checks {
		if !utf8.ValidString(c.Name) || !utf8.ValidString(c.Message) {
			t.Errorf("of %.120q the explanation makes a check that is not UTF-8: %+q", p.Token, c)
		}
	}
}
