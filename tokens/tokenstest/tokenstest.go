// Package tokenstest holds the suite that every token format passes. A format describes itself in a
// Config and calls Run from a test of its own; a defect found in one format becomes a case for all.
//
// The suite goes through the public door alone (tokens.Scheme and tokens.Key) and knows no format by
// name.
package tokenstest

import (
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Config describes a format to the suite.
type Config struct {
	// Scheme is the format under test.
	Scheme tokens.Scheme
	// Material is a sound key of at least 8 bytes; OtherMaterial is another one with the same ID.
	Material, OtherMaterial tokens.Material
	// SecretForms lists further texts that would betray Material, for example the numbers of an RSA
	// key. The suite itself knows the raw bytes and their hex, base64 and decimal forms.
	SecretForms []string
	// Now is the time at which everything happens; the zero value means 2025-01-01T00:00:00Z.
	Now time.Time
	// Params returns parameters that the strict door accepts for any sound expiry. It leaves
	// MaxLifetime at zero and hands expire on as it is, also when it is zero or absurd.
	Params func(expire time.Time) tokens.Params
	// CappedParams is Params with a lifetime cap of its own.
	CappedParams func(expire time.Time, maxLifetime time.Duration) tokens.Params
	// StartingParams is Params with a start; nil where the format has none.
	StartingParams func(start, expire time.Time) tokens.Params
	// Presented shows a credential of Params as the edge sees it, for the resource it was made for.
	Presented func(tokens.Credential) tokens.Presented
	// ExpiryField is the name under which Explain shows the expiry, in Unix seconds.
	ExpiryField string
	// ExpiryExclusive says that a token is dead at the very second of its expiry; without it the
	// token lives through that second.
	ExpiryExclusive bool
	// Fields lists every text that a caller can put into a token or its URL.
	Fields []Field
	// Sources lists the folders of the code that compares MACs, relative to the folder of the test;
	// nil means that folder.
	Sources []string
	// BadMaterials lists keys that must be refused, beside an empty one.
	BadMaterials []BadMaterial
	// Refused lists presentations that must be refused at Now: other resources, other addresses,
	// wrong algorithms, missing expiries, repeated fields.
	Refused []Refused
}

// Field is one text parameter of a format.
type Field struct {
	Name string
	// Params returns sound parameters that expire at expire, with value in this field.
	Params func(value string, expire time.Time) tokens.Params
	// Presented shows a credential made with value in this field; nil means Config.Presented.
	Presented func(c tokens.Credential, value string) tokens.Presented
	// Explained is the name under which Explain shows the value as it was asked for; empty where the
	// token does not hold it in clear.
	Explained string
	// Decode turns the text that Explain shows back into what was asked for; nil means that they
	// are the same.
	Decode func(explained string) (string, error)
}

// BadMaterial is a key that a format must refuse.
type BadMaterial struct {
	Name     string
	Material tokens.Material
}

// Refused is a presentation that must be refused.
type Refused struct {
	Name string
	// Presented is given a sound credential, which it may use or ignore.
	Presented func(tokens.Credential) tokens.Presented
	Want      tokens.Reason
}

// suite is a Config with what every test of it needs.
type suite struct {
	Config
	key    tokens.Key
	expire time.Time
	leaks  leaks
}

// Run tests the format that c describes.
func Run(t *testing.T, c Config) {
	t.Helper()
	if c.Now.IsZero() {
		c.Now = time.Unix(1735689600, 0)
	}
	if c.Sources == nil {
		c.Sources = []string{"."}
	}
	key, err := c.Scheme.Prepare(c.Material)
	if err != nil {
		t.Fatalf("prepare the sound key: %v", err)
	}
	s := suite{Config: c, key: key, expire: c.Now.Add(time.Hour), leaks: newLeaks(c.Material, c.SecretForms)}
	if s.leaks.short() {
		t.Fatal("the sound key is too short for a search for leaks")
	}

	t.Run("deterministic", s.deterministic)
	t.Run("expiry is the one asked for", s.expiryIsAsked)
	t.Run("fields cannot inject", s.fieldsCannotInject)
	t.Run("windows are checked", s.windowsAreChecked)
	t.Run("foreign parameters are refused", s.foreignParams)
	t.Run("signing is safe for concurrent use", s.concurrentUse)

	t.Run("a changed byte is refused", s.changedByte)
	t.Run("a damaged token is refused", s.damaged)
	t.Run("another key is refused", s.otherKey)
	t.Run("time is checked", s.timeIsChecked)
	t.Run("refused presentations", s.refused)
	t.Run("explain agrees with verify", s.explainAgrees)
	t.Run("macs are compared in constant time", s.constantTime)

	t.Run("bad keys are refused", s.badKeys)
	t.Run("fingerprints tell keys apart", s.fingerprints)
	t.Run("a key prints nothing of its secret", s.keyPrintsNothing)
}

// mustSign signs sound parameters.
func (s *suite) mustSign(t *testing.T, p tokens.Params) tokens.Credential {
	t.Helper()
	c, err := s.key.Sign(p, s.Now)
	if err != nil {
		t.Fatalf("sign sound parameters: %v", err)
	}
	if c.Token == "" {
		t.Fatal("sign returned an empty token")
	}
	return c
}
