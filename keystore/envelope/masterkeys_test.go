package envelope_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
	"github.com/tokensvc/tokensvc/tokens"
)

func TestReadMasterKeys(t *testing.T) {
	a, b := "a:"+value("a"), "b:"+value("b")
	for name, text := range map[string]string{
		"lines":            a + "\n" + b + "\n",
		"no last newline":  a + "\n" + b,
		"commas":           a + "," + b,
		"commas and lines": "# head, with a comma\n" + a + " , " + b + "\n",
		"CRLF and blanks":  "\r\n  # head\r\n\t" + a + "\r\n\r\n" + b + "  \r\n",
	} {
		if got := read(t, text).IDs(); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("%s: ids %v, want [a b]", name, got)
		}
	}
}

func TestReadMasterKeysRefuses(t *testing.T) {
	good := value("a")
	var many strings.Builder
	for i := range envelope.MaxMasterKeys + 1 {
		fmt.Fprintf(&many, "k%d:%s\n", i, value(strconv.Itoa(i)))
	}
	for name, c := range map[string]struct{ text, says string }{
		"nothing":           {"", "no master key"},
		"comments only":     {"# nothing\n\n", "no master key"},
		"no colon":          {good, "ID:BASE64"},
		"no id":             {":" + good, "the id must be"},
		"long id":           {strings.Repeat("k", 33) + ":" + good, "the id must be"},
		"odd id":            {"k y:" + good, "the id must be"},
		"swapped":           {good + ":a", "the id must be"},
		"not base64":        {"a:" + strings.Repeat("!", 44), "base64"},
		"URL base64":        {"a:" + strings.Repeat("-", 43) + "=", "base64"},
		"no padding":        {"a:" + strings.TrimRight(good, "="), "base64"},
		"stray bits":        {"a:" + good[:42] + "/=", "base64"},
		"hex":               {"a:" + strings.Repeat("0f", 32), "48 bytes"},
		"16 bytes":          {"a:AAECAwQFBgcICQoLDA0ODw==", "16 bytes"},
		"empty value":       {"a:", "0 bytes"},
		"zeros":             {"a:" + strings.Repeat("A", 43) + "=", "zeros"},
		"same id":           {"a:" + good + "\na:" + value("b"), "twice"},
		"same value":        {"a:" + good + "\nb:" + good, "same value"},
		"trailing comma":    {"a:" + good + ",", "ID:BASE64"},
		"second is bad":     {"a:" + good + "\nb:x", "master key 2"},
		"too many":          {many.String(), "more than 64"},
		"too long":          {strings.Repeat("#", 70_000), "more than 65536 bytes"},
		"generated, misfit": {"mk-0123abcd:" + good, "mistyped or mixed up"},
	} {
		_, err := envelope.ReadMasterKeys(strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, c.says)
			continue
		}
		if strings.Contains(err.Error(), good[:12]) {
			t.Errorf("%s: the error shows the value: %v", name, err)
		}
	}
	if _, err := envelope.ReadMasterKeys(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a broken reader: %v", err)
	}
	if got := read(t, "mk-1:"+good+",mk-0123ABCD:"+value("b")).IDs(); len(got) != 2 {
		t.Errorf("names that only begin like generated ones: %v", got)
	}
}

func TestGenerateMasterKeys(t *testing.T) {
	a, b := envelope.GenerateMasterKeys(), envelope.GenerateMasterKeys()
	if len(a.IDs()) != 1 || len(a.IDs()[0]) != len("mk-01234567") || a.IDs()[0] == b.IDs()[0] {
		t.Fatalf("ids %v and %v", a.IDs(), b.IDs())
	}
	place := keystore.Binding{Target: "event", Version: 1}
	sealed, err := newEnvelope(t, a).Seal(place, tokens.NewSecret([]byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newEnvelope(t, b).Open(place, sealed); !errors.Is(err, keystore.ErrUnknownMasterKey) {
		t.Fatalf("got %v, want ErrUnknownMasterKey", err)
	}
	if _, err := envelope.New(envelope.MasterKeys{}); err == nil {
		t.Fatal("an envelope without a master key")
	}
}

func FuzzReadMasterKeys(f *testing.F) {
	f.Add("a:" + value("a") + "\n# c\nb:" + value("b"))
	f.Add("a:" + value("a") + ",b:" + value("b"))
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := envelope.ReadMasterKeys(strings.NewReader(text))
		if err != nil {
			return
		}
		ids := keys.IDs()
		if len(ids) == 0 || len(ids) > envelope.MaxMasterKeys {
			t.Fatalf("%d keys", len(ids))
		}
		for i, id := range ids {
			if strings.ContainsAny(id, ":,#\n\r ") || slices.Contains(ids[:i], id) {
				t.Fatalf("ids %q", ids)
			}
		}
	})
}

func FuzzOpen(f *testing.F) {
	e, err := envelope.New(envelope.GenerateMasterKeys())
	if err != nil {
		f.Fatal(err)
	}
	place := keystore.Binding{Target: "event", Version: 1}
	good, err := e.Seal(place, tokens.NewSecret([]byte("secret")))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, sealed []byte) {
		_, err := e.Open(place, sealed)
		if err == nil && !bytes.Equal(sealed, good) {
			t.Fatal("forged bytes open")
		}
		if err != nil && !errors.Is(err, keystore.ErrTampered) && !errors.Is(err, keystore.ErrUnknownMasterKey) {
			t.Fatalf("an error of no class: %v", err)
		}
	})
}
