package qencode_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

// What golang-jwt makes we accept, and the other way round.
func TestGolangJWT(t *testing.T) {
	private := testKeys(t)[smallKeyID].rsa(t)
	key := prepare(t, testKeys(t)[smallKeyID].material())
	expire := now().Add(time.Hour)

	for name, method := range map[string]jwt.SigningMethod{"theirs": jwt.SigningMethodRS256, "ours": qencode.RS256{}} {
		token := jwt.NewWithClaims(method, jwt.MapClaims{"uri": playbackID, "exp": expire.Unix()})
		token.Header["kid"] = smallKeyID
		text, err := token.SignedString(private)
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Verify(tokens.Presented{Token: text, Resource: playbackID}, now()); err != nil {
			t.Errorf("made with the method that is %s: %v", name, err)
		}
	}

	c, err := key.Sign(qencode.Params{URI: playbackID, Expire: expire, NotBefore: now()}, now())
	if err != nil {
		t.Fatal(err)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithStrictDecoding(), jwt.WithExpirationRequired(), jwt.WithTimeFunc(now))
	parsed, err := parser.Parse(c.Token, func(token *jwt.Token) (any, error) {
		if token.Header["kid"] != smallKeyID {
			return nil, errors.New("unknown kid")
		}
		return &private.PublicKey, nil
	})
	if err != nil || !parsed.Valid {
		t.Errorf("golang-jwt refuses our token: %v", err)
	}
}

func TestRS256RefusesOtherKeys(t *testing.T) {
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []any{nil, "secret", []byte("secret"), edwards} {
		if _, err := (qencode.RS256{}).Sign("text", key); !errors.Is(err, jwt.ErrInvalidKeyType) {
			t.Errorf("signed with a %T: %v", key, err)
		}
		if err := (qencode.RS256{}).Verify("text", nil, key); !errors.Is(err, jwt.ErrInvalidKeyType) {
			t.Errorf("verified with a %T: %v", key, err)
		}
	}
}
