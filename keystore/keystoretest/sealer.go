package keystoretest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// SealerConfig says how to get sealers.
type SealerConfig struct {
	// Open returns a sealer that has the named master keys, the first of them current. The same name
	// always stands for the same key within one test.
	Open func(t *testing.T, masterKeys ...string) keystore.Sealer
	// OpenWrong returns a sealer that has a key of that name with another value.
	OpenWrong func(t *testing.T, masterKey string) keystore.Sealer
}

// RunSealer tests a sealer.
func RunSealer(t *testing.T, c SealerConfig) {
	for name, test := range map[string]func(*testing.T, SealerConfig){
		"round trip":              testRoundTrip,
		"bound to its place":      testBound,
		"every changed bit":       testChangedBits,
		"every shorter or longer": testLengths,
		"never the same twice":    testNeverTheSame,
		"shows no secret":         testShowsNothing,
		"unknown master key":      testUnknownMasterKey,
		"wrong master key":        testWrongMasterKey,
		"rewrap":                  testSealerRewrap,
		"refuses to seal":         testRefusesToSeal,
	} {
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
}

func place() keystore.Binding { return keystore.Binding{Target: "big-event", Version: 3} }

const sealerSecret = "5ecre7-0f-the-B1g-event/with+some=text"

func mustSeal(t *testing.T, s keystore.Sealer, secret string) []byte {
	t.Helper()
	sealed, err := s.Seal(place(), tokens.NewSecret([]byte(secret)))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func wantOpens(t *testing.T, s keystore.Sealer, sealed []byte, want string) {
	t.Helper()
	got, err := s.Open(place(), sealed)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Equal(tokens.NewSecret([]byte(want))) {
		t.Fatalf("opened %d bytes that are not the %d sealed", got.Len(), len(want))
	}
}

func testRoundTrip(t *testing.T, c SealerConfig) {
	s := c.Open(t, "first")
	for _, n := range []int{1, 2, 16, 31, 32, 33, 1000, 3300, 64 << 10} {
		secret := strings.Repeat("\x00\xffk", n)[:n]
		sealed := mustSeal(t, s, secret)
		before := bytes.Clone(sealed)
		wantOpens(t, s, sealed, secret)
		if !bytes.Equal(sealed, before) {
			t.Fatal("Open changed the sealed bytes")
		}
	}
}

func testBound(t *testing.T, c SealerConfig) {
	s := c.Open(t, "first", "second")
	sealed := mustSeal(t, s, sealerSecret)
	rewrapped, changed, err := c.Open(t, "second", "first").Rewrap(place(), sealed)
	if err != nil || !changed {
		t.Fatalf("Rewrap: %v, %v", changed, err)
	}
	for _, b := range []keystore.Binding{
		{Target: "big-event", Version: 2},
		{Target: "big-event", Version: 4},
		{Target: "big-event", Version: 33},
		{Target: "big-even", Version: 3},
		{Target: "big-event3", Version: 3},
		{Target: "other", Version: 3},
	} {
		for _, bytes := range [][]byte{sealed, rewrapped} {
			_, err := s.Open(b, bytes)
			wantIs(t, err, keystore.ErrTampered)
			_, _, err = s.Rewrap(b, bytes)
			wantIs(t, err, keystore.ErrTampered)
		}
	}
	for _, b := range []keystore.Binding{{}, {Target: "big-event"}, {Version: 3}, {Target: "big-event", Version: -3}} {
		if _, err := s.Open(b, sealed); err == nil {
			t.Fatalf("opened at %+v", b)
		}
	}
}

func testChangedBits(t *testing.T, c SealerConfig) {
	s := c.Open(t, "first")
	sealed := mustSeal(t, s, sealerSecret)
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			_, err := s.Open(place(), changed)
			if !errors.Is(err, keystore.ErrTampered) && !errors.Is(err, keystore.ErrUnknownMasterKey) {
				t.Fatalf("byte %d bit %d changed: got %v, want ErrTampered or ErrUnknownMasterKey", i, bit, err)
			}
		}
	}
}

func testLengths(t *testing.T, c SealerConfig) {
	s := c.Open(t, "first")
	sealed := mustSeal(t, s, sealerSecret)
	for n := range sealed {
		for _, part := range [][]byte{sealed[:n], sealed[n+1:]} {
			if _, err := s.Open(place(), part); err == nil {
				t.Fatalf("opened with bytes cut off at %d", n)
			}
			if _, _, err := s.Rewrap(place(), part); err == nil && n < len(sealed)/4 {
				t.Fatalf("rewrapped with bytes cut off at %d", n)
			}
		}
	}
	for _, longer := range [][]byte{append(bytes.Clone(sealed), 0), append([]byte{0}, sealed...), slices.Concat(sealed, sealed), make([]byte, 1<<20)} {
		if _, err := s.Open(place(), longer); err == nil {
			t.Fatalf("opened with %d bytes more", len(longer)-len(sealed))
		}
	}
}

// testNeverTheSame: equal secrets cannot be seen to be equal.
func testNeverTheSame(t *testing.T, c SealerConfig) {
	s := c.Open(t, "first")
	a, b := mustSeal(t, s, sealerSecret), mustSeal(t, s, sealerSecret)
	const run = 12 // far over what chance gives
	tail := a[len(a)-len(sealerSecret):]
	for i := 0; i+run <= len(tail); i++ {
		if bytes.Contains(b, tail[i:i+run]) {
			t.Fatal("two seals of one secret have ciphertext in common")
		}
	}
}

func testShowsNothing(t *testing.T, c SealerConfig) {
	s := c.Open(t, "first", "second")
	sealed := mustSeal(t, s, sealerSecret)
	shown := []string{string(sealed)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, s))
	}
	_, err := s.Open(keystore.Binding{Target: "other", Version: 1}, sealed)
	shown = append(shown, fmt.Sprint(err))
	_, err = c.OpenWrong(t, "first").Open(place(), sealed)
	shown = append(shown, fmt.Sprint(err))
	for _, form := range []string{
		sealerSecret, hex.EncodeToString([]byte(sealerSecret)), strings.ToUpper(hex.EncodeToString([]byte(sealerSecret))),
		base64.StdEncoding.EncodeToString([]byte(sealerSecret)), strings.Trim(fmt.Sprint([]byte(sealerSecret)), "[]"),
	} {
		for _, text := range shown {
			if strings.Contains(text, form) || strings.Contains(text, form[:len(form)/2]) {
				t.Fatalf("the secret shows in %q", text)
			}
		}
	}
}

func testUnknownMasterKey(t *testing.T, c SealerConfig) {
	sealed := mustSeal(t, c.Open(t, "first"), sealerSecret)
	other := c.Open(t, "second", "third")
	_, err := other.Open(place(), sealed)
	wantIs(t, err, keystore.ErrUnknownMasterKey)
	for _, want := range []string{"first", "big-event/3"} {
		if !strings.Contains(err.Error(), want) {
			t.Fatalf("error %q does not name %q", err, want)
		}
	}
	_, _, err = other.Rewrap(place(), sealed)
	wantIs(t, err, keystore.ErrUnknownMasterKey)
	wantOpens(t, c.Open(t, "second", "third", "first"), sealed, sealerSecret) // any position opens
}

func testWrongMasterKey(t *testing.T, c SealerConfig) {
	sealed := mustSeal(t, c.Open(t, "first"), sealerSecret)
	_, err := c.OpenWrong(t, "first").Open(place(), sealed)
	wantIs(t, err, keystore.ErrTampered)
	for _, want := range []string{"first", "big-event/3"} {
		if !strings.Contains(err.Error(), want) {
			t.Fatalf("error %q does not name %q", err, want)
		}
	}
	_, _, err = c.OpenWrong(t, "first").Rewrap(place(), sealed)
	wantIs(t, err, keystore.ErrTampered)
}

func testSealerRewrap(t *testing.T, c SealerConfig) {
	sealed := mustSeal(t, c.Open(t, "first"), sealerSecret)
	both := c.Open(t, "second", "first")
	moved, changed, err := both.Rewrap(place(), sealed)
	if err != nil || !changed || bytes.Equal(moved, sealed) {
		t.Fatalf("Rewrap: changed %v, %v", changed, err)
	}
	wantOpens(t, c.Open(t, "second"), moved, sealerSecret)
	wantOpens(t, both, sealed, sealerSecret)
	_, err = c.Open(t, "first").Open(place(), moved)
	wantIs(t, err, keystore.ErrUnknownMasterKey)

	again, changed, err := both.Rewrap(place(), moved)
	if err != nil || changed || !bytes.Equal(again, moved) {
		t.Fatalf("Rewrap of what is current: changed %v, %v", changed, err)
	}
}

func testRefusesToSeal(t *testing.T, c SealerConfig) {
	s := c.Open(t, "first")
	if _, err := s.Seal(place(), tokens.Secret{}); err == nil {
		t.Error("sealed an empty secret")
	}
	if _, err := s.Seal(place(), tokens.NewSecret(make([]byte, 1<<20))); err == nil {
		t.Error("sealed a secret of 1 MiB")
	}
	for _, b := range []keystore.Binding{{}, {Target: "big-event"}, {Version: 3}, {Target: "big-event", Version: -1}} {
		if _, err := s.Seal(b, tokens.NewSecret([]byte(sealerSecret))); err == nil {
			t.Errorf("sealed for %+v", b)
		}
	}
}
