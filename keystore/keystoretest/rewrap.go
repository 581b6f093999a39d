package keystoretest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// labelSealer marks bytes with the name of a master key and its binding. It hides nothing.
type labelSealer struct{ current string }

var _ keystore.Sealer = labelSealer{}

func (s labelSealer) Seal(b keystore.Binding, secret tokens.Secret) ([]byte, error) {
	return fmt.Appendf(nil, "%s|%s/%d|%x", s.current, b.Target, b.Version, secret.Reveal()), nil
}

func (s labelSealer) Open(b keystore.Binding, sealed []byte) (tokens.Secret, error) {
	parts := bytes.Split(sealed, []byte("|"))
	if len(parts) != 3 || string(parts[1]) != fmt.Sprintf("%s/%d", b.Target, b.Version) {
		return tokens.Secret{}, fmt.Errorf("%w: %s/%d", keystore.ErrTampered, b.Target, b.Version)
	}
	var plain []byte
	if _, err := fmt.Sscanf(string(parts[2]), "%x", &plain); err != nil {
		return tokens.Secret{}, fmt.Errorf("%w: %w", keystore.ErrTampered, err)
	}
	return tokens.NewSecret(plain), nil
}

func (s labelSealer) Rewrap(b keystore.Binding, sealed []byte) ([]byte, bool, error) {
	secret, err := s.Open(b, sealed)
	if err != nil {
		return nil, false, err
	}
	if bytes.HasPrefix(sealed, []byte(s.current+"|")) {
		return sealed, false, nil
	}
	out, err := s.Seal(b, secret)
	return out, err == nil, err
}

// seed makes a target with n sealed keys, the first of them destroyed.
func (h *harness) seed(t *testing.T, id string, n int, sealer keystore.Sealer) {
	t.Helper()
	h.create(t, id)
	h.update(t, id, func(r *keystore.Record) error {
		for version := 1; version <= n; version++ {
			sealed, err := sealer.Seal(keystore.Binding{Target: id, Version: version}, secretOf(id, version))
			if err != nil {
				return err
			}
			r.Add(keystore.Key{Sealed: sealed, Fingerprint: strconv.Itoa(version)}, h.clock.Now())
		}
		return nil
	})
	h.update(t, id, func(r *keystore.Record) error { return r.Destroy(1, true, h.clock.Now()) })
}

func secretOf(id string, version int) tokens.Secret {
	return tokens.NewSecret(fmt.Appendf(nil, "secret of %s %d", id, version))
}

// wantSealed: every secret is there, under the given master key, but those destroyed.
func (h *harness) wantSealed(t *testing.T, id string, n int, masterKey string) {
	t.Helper()
	r := h.get(t, id)
	if len(r.Keys) != n || len(r.Keys[0].Sealed) != 0 {
		t.Fatalf("target %s: %d keys, %d bytes in the destroyed one", id, len(r.Keys), len(r.Keys[0].Sealed))
	}
	for _, k := range r.Keys[1:] {
		secret, err := labelSealer{}.Open(keystore.Binding{Target: id, Version: k.Version}, k.Sealed)
		if err != nil || !secret.Equal(secretOf(id, k.Version)) {
			t.Fatalf("key %s/%d lost its secret: %v", id, k.Version, err)
		}
		if !bytes.HasPrefix(k.Sealed, []byte(masterKey+"|")) {
			t.Fatalf("key %s/%d is not under %s", id, k.Version, masterKey)
		}
	}
}

func testRewrap(t *testing.T, h *harness) {
	old, current := labelSealer{current: "old"}, labelSealer{current: "new"}
	h.seed(t, "a", 3, old)
	h.seed(t, "b", 2, old)
	h.seed(t, "c", 4, current)
	h.create(t, "empty")
	untouched := h.get(t, "c")
	fence := h.lease(t, "b", "someone")

	var progress []string
	changed, err := keystore.RewrapAll(t.Context(), h, current, "rewrap", func(done, total int) {
		progress = append(progress, fmt.Sprintf("%d/%d", done, total))
	})
	wantIs(t, err, keystore.ErrConflict) // b is leased
	if changed != 2 {
		t.Fatalf("%d secrets moved, want the 2 of a", changed)
	}
	wantEqual(t, progress, []string{"1/4", "2/4", "3/4", "4/4"})
	h.wantSealed(t, "a", 3, "new")
	h.wantSealed(t, "b", 2, "old")
	wantEqual(t, h.get(t, "c"), untouched)

	if err := h.Release(t.Context(), "b", fence); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} { // the rest, then nothing
		changed, err := keystore.RewrapAll(t.Context(), h, current, "rewrap", nil)
		if err != nil || changed != want {
			t.Fatalf("%d secrets moved, %v; want %d", changed, err, want)
		}
	}
	h.wantSealed(t, "b", 2, "new")
	h.lease(t, "a", "next") // the lease was given back
}

func testRewrapFailures(t *testing.T, h *harness) {
	old, current := labelSealer{current: "old"}, labelSealer{current: "new"}
	for _, id := range []string{"a", "b", "c"} {
		h.seed(t, id, 3, old)
	}
	h.update(t, "b", func(r *keystore.Record) error { r.Keys[2].Sealed = []byte("broken"); return nil })
	broken := h.get(t, "b")
	changed, err := keystore.RewrapAll(t.Context(), h, current, "rewrap", nil)
	if !errors.Is(err, keystore.ErrTampered) || changed != 4 {
		t.Fatalf("%d secrets moved, %v; want 4 and ErrTampered", changed, err)
	}
	h.wantSealed(t, "a", 3, "new")
	h.wantSealed(t, "c", 3, "new")
	wantEqual(t, h.get(t, "b"), broken)
}

// testRewrapVoid: the sealed value that ends a slot moves to the new master key like any secret.
func testRewrapVoid(t *testing.T, h *harness) {
	old, current := labelSealer{current: "old"}, labelSealer{current: "new"}
	x := target("pair")
	x.Provider, x.Resources = "agora", []string{"one", "two"}
	if _, err := h.Create(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	timing := keystore.DefaultTiming()
	binding := keystore.Binding{Target: "pair", Version: 1}
	for _, change := range []func(*keystore.Record) error{
		func(r *keystore.Record) error {
			for version := 1; version <= 2; version++ {
				sealed, err := current.Seal(keystore.Binding{Target: "pair", Version: version}, secretOf("pair", version))
				if err != nil {
					return err
				}
				r.Add(keystore.Key{Sealed: sealed, Fingerprint: strconv.Itoa(version), Slot: version - 1}, h.clock.Now())
			}
			if err := r.Activate(1, h.clock.Now(), timing); err != nil {
				return err
			}
			return r.Begin(keystore.Operation{ID: operationID(1), Kind: keystore.Rotate, To: 2, Immediate: true}, h.clock.Now(), timing)
		},
		func(r *keystore.Record) error { return r.Advance(keystore.Applied, h.clock.Now(), timing) },
		func(r *keystore.Record) error { return r.ActivateTo(h.clock.Now(), timing) },
		func(r *keystore.Record) error {
			sealed, err := old.Seal(binding, secretOf("void", 1))
			if err != nil {
				return err
			}
			return r.Void(sealed, "void", h.clock.Now())
		},
	} {
		h.update(t, "pair", change)
	}
	changed, err := keystore.RewrapAll(t.Context(), h, current, "rewrap", nil)
	if err != nil || changed != 1 {
		t.Fatalf("%d secrets moved, %v; want the one of the journal", changed, err)
	}
	void := h.get(t, "pair").Operation.Void
	if secret, err := current.Open(binding, void); err != nil || !secret.Equal(secretOf("void", 1)) || !bytes.HasPrefix(void, []byte("new|")) {
		t.Fatalf("the journal holds %q, %v", void, err)
	}
}
