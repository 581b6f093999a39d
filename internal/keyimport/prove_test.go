package keyimport_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/keyimport"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/agora"
	"github.com/tokensvc/tokensvc/tokens/akamai"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

func proofTime() time.Time { return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC) }

func TestProve(t *testing.T) {
	t.Parallel()
	rsa := testKeys(t)[2].pem1()
	for _, c := range []struct {
		scheme tokens.Scheme
		in     string
	}{
		{qencode.Scheme{}, rsa},
		{wowza.Scheme{}, hexSecret},
		{akamai.Scheme{}, hexSecret},
		{agora.Scheme{}, alnumSecret},
		{agora.Scheme{Form: agora.FormMid16}, alnumSecret},
		{edgeAuth(t, akamai.Config{TokenName: "hdnea", EscapeEarly: true}), hexSecret},
	} {
		got, err := keyimport.Read(c.scheme, []byte(c.in), keyimport.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := keyimport.Prove(c.scheme, got.Material, proofTime()); err != nil {
			t.Errorf("%s: %v", c.scheme.Name(), err)
		}
	}
}

func edgeAuth(t *testing.T, c akamai.Config) akamai.Scheme {
	t.Helper()
	scheme, err := akamai.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return scheme
}

// faulty is hdnts with a key that fails in one way.
type faulty struct {
	wowza.Scheme
	key faultyKey
}

func (f faulty) Prepare(m tokens.Material) (tokens.Key, error) {
	key, err := f.Scheme.Prepare(m)
	f.key.Key = key
	return f.key, err
}

type faultyKey struct {
	tokens.Key
	sign, verify func(error) error
}

func (k faultyKey) Sign(p tokens.Params, now time.Time) (tokens.Credential, error) {
	c, err := k.Key.Sign(p, now)
	if k.sign != nil {
		err = k.sign(err)
	}
	return c, err
}

func (k faultyKey) Verify(p tokens.Presented, now time.Time) error {
	err := k.Key.Verify(p, now)
	if k.verify != nil {
		err = k.verify(err)
	}
	return err
}

func TestProveRefuses(t *testing.T) {
	t.Parallel()
	fails := func(error) error { return errors.New("broken") }
	accepts := func(error) error { return nil }
	sound := tokens.Material{Secret: tokens.NewSecret([]byte(hexSecret))}
	for _, c := range []struct {
		name     string
		scheme   tokens.Scheme
		material tokens.Material
		tells    string
	}{
		{"no secret", wowza.Scheme{}, tokens.Material{}, "empty"},
		{"a key that does not sign", faulty{key: faultyKey{sign: fails}}, sound, "does not sign"},
		{"a key that does not verify", faulty{key: faultyKey{verify: fails}}, sound, "refuses what it signed"},
		{"a key that verifies anything", faulty{key: faultyKey{verify: accepts}}, sound, "accepts a token that was changed"},
		{"an unknown format", unknown{}, sound, "cannot be proved"},
	} {
		err := keyimport.Prove(c.scheme, c.material, proofTime())
		if !errors.Is(err, tokens.ErrInvalidKey) || !strings.Contains(err.Error(), c.tells) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := keyimport.Read(unknown{}, []byte(hexSecret), keyimport.Options{}); err == nil || !strings.Contains(err.Error(), "cannot be imported") {
		t.Errorf("an unknown format is read: %v", err)
	}
}

// unknown is a format that this package does not know.
type unknown struct{ wowza.Scheme }

func (unknown) Name() string { return "unknown" }
