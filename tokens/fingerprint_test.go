package tokens_test

import (
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/tokens"
)

func TestSecretFingerprint(t *testing.T) {
	t.Parallel()
	secret := []byte("8a123c7b730600eb92360640ce91a32d")
	got := tokens.SecretFingerprint("wowza-hdnts", secret)
	if len(got) != 32 {
		t.Fatalf("length %d, want 32 hex digits", len(got))
	}
	if strings.Contains(string(secret), got) || strings.Contains(got, string(secret)) {
		t.Error("the fingerprint shows the secret")
	}
	if again := tokens.SecretFingerprint("wowza-hdnts", []byte("8a123c7b730600eb92360640ce91a32d")); again != got {
		t.Errorf("equal secrets: %s and %s", got, again)
	}
	for name, other := range map[string]string{
		"another scheme": tokens.SecretFingerprint("agora-timestamp", secret),
		"another case":   tokens.SecretFingerprint("wowza-hdnts", []byte(strings.ToUpper(string(secret)))),
		"empty":          tokens.SecretFingerprint("wowza-hdnts", nil),
	} {
		if other == got {
			t.Errorf("%s has the same fingerprint", name)
		}
	}
}
