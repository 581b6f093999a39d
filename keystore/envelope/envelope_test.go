package envelope_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
	"github.com/tokensvc/tokensvc/keystore/keystoretest"
	"github.com/tokensvc/tokensvc/tokens"
)

// value returns the text of a master key's value that belongs to a name.
func value(name string) string {
	sum := sha256.Sum256([]byte("test value of " + name))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func masterKeys(t *testing.T, names ...string) envelope.MasterKeys {
	t.Helper()
	var text strings.Builder
	for _, name := range names {
		text.WriteString(name + ":" + value(name) + "\n")
	}
	return read(t, text.String())
}

func read(t *testing.T, text string) envelope.MasterKeys {
	t.Helper()
	keys, err := envelope.ReadMasterKeys(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func newEnvelope(t *testing.T, source envelope.Source) *envelope.Envelope {
	t.Helper()
	e, err := envelope.New(source)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSealer(t *testing.T) {
	keystoretest.RunSealer(t, keystoretest.SealerConfig{
		Open: func(t *testing.T, names ...string) keystore.Sealer {
			return newEnvelope(t, masterKeys(t, names...))
		},
		OpenWrong: func(t *testing.T, name string) keystore.Sealer {
			return newEnvelope(t, read(t, name+":"+value("another value")))
		},
	})
}

// TestFormat pins the layout, which is stored.
func TestFormat(t *testing.T) {
	e := newEnvelope(t, masterKeys(t, "prod-2031"))
	b := keystore.Binding{Target: "big-event", Version: 1}
	sealed, err := e.Seal(b, tokens.NewSecret([]byte("0123456789")))
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + 1 + len("prod-2031") + (12 + 32 + 16) + (12 + 10 + 16); len(sealed) != want {
		t.Fatalf("%d bytes, want %d", len(sealed), want)
	}
	if !bytes.HasPrefix(sealed, []byte("\x01\x09prod-2031")) {
		t.Fatalf("begins with %x", sealed[:11])
	}
	id, err := envelope.MasterKeyID(sealed)
	if err != nil || id != "prod-2031" {
		t.Fatalf("MasterKeyID: %q, %v", id, err)
	}
	for _, bad := range [][]byte{nil, {1}, {1, 0}, sealed[:40], append([]byte{2}, sealed[1:]...), append([]byte{1, 0}, sealed[2:]...)} {
		if _, err := envelope.MasterKeyID(bad); !errors.Is(err, keystore.ErrTampered) {
			t.Errorf("MasterKeyID(%x): %v, want ErrTampered", bad, err)
		}
	}
}

// TestStoredBytes opens bytes that an earlier build sealed: the format must not drift.
func TestStoredBytes(t *testing.T) {
	const stored = "010970726f642d3230333177d1ddff755ffc74b572559f30f079398b100c03dfaeb0533f1323" +
		"bbfeb93e69f021beb3c41c7ce5f02fe3f92e294b2e4ecacd76cd2db5cab4f661e9ecd129a006" +
		"28e172443c3508b75971357e79f0691d951a66f512464bca0950047f217d88ca92"
	sealed, err := hex.DecodeString(stored)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := newEnvelope(t, masterKeys(t, "prod-2031")).Open(keystore.Binding{Target: "big-event", Version: 1}, sealed)
	if err != nil || !secret.Equal(tokens.NewSecret([]byte("0123456789"))) {
		t.Fatalf("stored bytes do not open: %v", err)
	}
}

// TestRewrapLeavesSecretAlone: the encrypted secret moves byte by byte.
func TestRewrapLeavesSecretAlone(t *testing.T) {
	b := keystore.Binding{Target: "big-event", Version: 1}
	sealed, err := newEnvelope(t, masterKeys(t, "old")).Seal(b, tokens.NewSecret([]byte("0123456789")))
	if err != nil {
		t.Fatal(err)
	}
	moved, _, err := newEnvelope(t, masterKeys(t, "new", "old")).Rewrap(b, sealed)
	if err != nil {
		t.Fatal(err)
	}
	const body = 12 + 10 + 16
	if !bytes.Equal(sealed[len(sealed)-body:], moved[len(moved)-body:]) {
		t.Fatal("Rewrap encrypted the secret again")
	}
}

func TestNothingPrints(t *testing.T) {
	keys := masterKeys(t, "first", "second")
	e := newEnvelope(t, keys)
	raw, err := base64.StdEncoding.DecodeString(value("first"))
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	type nested struct {
		keys envelope.MasterKeys
		e    *envelope.Envelope
	}
	for _, v := range []any{keys, &keys, e, *newBox(keys), nested{keys, e}, []any{keys}, map[string]any{"k": keys}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%t", "%p"} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
		if text, err := json.Marshal(v); err == nil {
			shown.Write(text)
		}
		slog.New(slog.NewTextHandler(&shown, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("x", "v", v)
	}
	for _, form := range []string{
		string(raw), value("first"), hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)),
		strings.Trim(fmt.Sprint(raw), "[]"), strings.Trim(fmt.Sprintf("%#v", raw)[7:], "{}"),
	} {
		if strings.Contains(shown.String(), form[:len(form)/3]) {
			t.Errorf("a master key shows as %q", form[:len(form)/3])
		}
	}
}

// box holds keys where reflection has no methods to call.
type box struct{ keys envelope.MasterKeys }

func newBox(k envelope.MasterKeys) *box { return &box{keys: k} }
