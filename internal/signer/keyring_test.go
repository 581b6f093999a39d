package signer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// lines is a log that goroutines may write to.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newSealer(t testing.TB, source envelope.Source) *envelope.Envelope {
	t.Helper()
	e, err := envelope.New(source)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func secret(n int) tokens.Secret { return tokens.NewSecret(fmt.Appendf(nil, "%032x", 0xabc000+n)) }

// addTarget makes a target with an active key.
func addTarget(t testing.TB, s keystore.Store, sealer keystore.Sealer, id string, n int) {
	t.Helper()
	if _, err := s.Create(t.Context(), keystore.Target{ID: id, Provider: "wowza", Scheme: wowza.Name, MaxTokenLifetime: time.Hour}); err != nil {
		t.Fatal(err)
	}
	addKey(t, s, sealer, id, n)
}

// addKey adds a key and activates it.
func addKey(t testing.TB, s keystore.Store, sealer keystore.Sealer, id string, n int) {
	t.Helper()
	addKeyIn(t, s, sealer, id, n, 0)
}

// addKeyIn adds a key in a slot and activates it.
func addKeyIn(t testing.TB, s keystore.Store, sealer keystore.Sealer, id string, n, slot int) {
	t.Helper()
	change(t, s, id, func(r *keystore.Record) error {
		prepared, err := wowza.NewKey(tokens.Material{Secret: secret(n)})
		if err != nil {
			return err
		}
		k := r.Add(keystore.Key{Fingerprint: prepared.Fingerprint(), Origin: "import", Slot: slot}, time.Now())
		if k.Sealed, err = sealer.Seal(keystore.Binding{Target: id, Version: k.Version}, secret(n)); err != nil {
			return err
		}
		return r.Activate(k.Version, time.Now(), keystore.DefaultTiming())
	})
}

func change(t testing.TB, s keystore.Store, id string, fn func(*keystore.Record) error) {
	t.Helper()
	fence, err := s.Lease(t.Context(), id, t.Name(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), id, fence, fn); err != nil {
		t.Fatal(err)
	}
	if err := s.Release(t.Context(), id, fence); err != nil {
		t.Fatal(err)
	}
}

func refreshed(t testing.TB, k *signer.Keyring) *signer.Snapshot {
	t.Helper()
	if err := k.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return k.Snapshot()
}

// countingSealer counts the secrets that are opened.
type countingSealer struct {
	keystore.Sealer
	opened atomic.Int64
}

func (s *countingSealer) Open(b keystore.Binding, sealed []byte) (tokens.Secret, error) {
	s.opened.Add(1)
	return s.Sealer.Open(b, sealed)
}

func TestRefreshKeepsWhatIsPrepared(t *testing.T) {
	store := open(t, sqlite.Memory)
	sealer := &countingSealer{Sealer: newSealer(t, envelope.GenerateMasterKeys())}
	for n := range 3 {
		addTarget(t, store, sealer, fmt.Sprintf("t%d", n), n)
	}
	ring := signer.NewKeyring(store, sealer, time.Now, (&lines{}).logger())
	first := refreshed(t, ring)
	if got := sealer.opened.Load(); got != 3 {
		t.Fatalf("%d secrets opened for 3 targets", got)
	}
	second := refreshed(t, ring)
	for n := range 3 {
		if id := fmt.Sprintf("t%d", n); first.Target(id) != second.Target(id) {
			t.Errorf("target %s was built again without a change", id)
		}
	}
	addKey(t, store, sealer, "t0", 10)
	third := refreshed(t, ring)
	if got := sealer.opened.Load(); got != 4 {
		t.Errorf("%d secrets opened after one key was added, want 4", got)
	}
	old, now := second.Target("t0").Active, third.Target("t0")
	if now.Active.Version != 2 || len(now.Keys) != 2 || now.Keys[0].Key != old.Key {
		t.Error("the key that was there before has been prepared again")
	}
	if second.Target("t0").Active.Version != 1 {
		t.Error("a snapshot changed after it was handed out")
	}
	change(t, store, "t1", func(r *keystore.Record) error {
		return r.ScheduleCut(1, time.Now().Add(time.Hour), true, time.Now(), keystore.DefaultTiming())
	})
	if got := refreshed(t, ring).Target("t1"); got.Active.Horizon.IsZero() || got.Active.Key != first.Target("t1").Active.Key {
		t.Errorf("horizon %v; want it set on the same prepared key", got.Active.Horizon)
	}
}

// deafSealer cannot open the keys of some targets.
type deafSealer struct {
	keystore.Sealer
	deaf sync.Map
}

func (s *deafSealer) Open(b keystore.Binding, sealed []byte) (tokens.Secret, error) {
	if _, deaf := s.deaf.Load(b.Target); deaf {
		return tokens.Secret{}, keystore.ErrTampered
	}
	return s.Sealer.Open(b, sealed)
}

func TestKeyThatCannotBeOpenedStopsNoOther(t *testing.T) {
	store, log := open(t, sqlite.Memory), &lines{}
	sealer := &deafSealer{Sealer: newSealer(t, envelope.GenerateMasterKeys())}
	addTarget(t, store, sealer, "broken", 0)
	addTarget(t, store, sealer, "sound", 1)
	sealer.deaf.Store("broken", true)
	ring := signer.NewKeyring(store, sealer, time.Now, log.logger())
	sign := signer.New(ring, signer.DefaultConfig(1), time.Now)
	defer sign.Close()
	refreshed(t, ring)
	if _, err := sign.Sign(t.Context(), entry("sound"), signer.Request{Viewer: "v"}); err != nil {
		t.Errorf("the sound target: %v", err)
	}
	_, err := sign.Sign(t.Context(), entry("broken"), signer.Request{Viewer: "v"})
	var refused *signer.Error
	if !errors.As(err, &refused) || refused.Reason != tokens.NoActiveKey || !strings.Contains(refused.Message, "broken/1 cannot be opened") {
		t.Errorf("the broken target: %v", err)
	}
	for range 3 {
		refreshed(t, ring)
	}
	if text := log.String(); strings.Count(text, "left out of the keyring") != 1 || !strings.Contains(text, "key=broken/1") || !strings.Contains(text, "active key") {
		t.Errorf("the log does not name the key once:\n%s", log)
	}
	sealer.deaf.Delete("broken") // as after the right master key has been put into the file
	refreshed(t, ring)
	if _, err := sign.Sign(t.Context(), entry("broken"), signer.Request{Viewer: "v"}); err != nil {
		t.Errorf("after it opens again: %v", err)
	}
	if !strings.Contains(log.String(), `msg="no longer left out of the keyring" key=broken/1`) {
		t.Errorf("the log does not say that it opens again:\n%s", log)
	}
}

func entry(target string) *playback.Entry {
	return playback.NewEntry(playback.Playback{
		ID: "p", TargetID: target, URL: "https://h/1/S/a.m3u8", TTL: 5 * time.Minute, Hdnts: &playback.Hdnts{StreamID: "S"},
	})
}

// Secrets move to a new master key while tokens are signed; no signature fails or changes key.
func TestRewrapLeavesSigningAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "master.key")
	file, _, err := envelope.OpenKeyFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	store, sealer := open(t, filepath.Join(dir, "store.db")), newSealer(t, file)
	const targets = 12
	for n := range targets {
		addTarget(t, store, sealer, fmt.Sprintf("t%d", n), n)
	}
	ring := signer.NewKeyring(store, sealer, time.Now, (&lines{}).logger())
	sign := signer.New(ring, signer.DefaultConfig(1), time.Now)
	defer sign.Close()
	before := refreshed(t, ring)
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		if err := ring.Run(ctx, 10*time.Millisecond); err != nil {
			t.Error(err)
		}
	})
	signed := 0
	work.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			if _, err := sign.Sign(t.Context(), entry(fmt.Sprintf("t%d", n%targets)), signer.Request{Viewer: "v"}); err != nil {
				t.Errorf("while secrets move: %v", err)
				return
			}
			signed++
		}
	})
	if _, err := envelope.AddKey(path); err != nil {
		t.Fatal(err)
	}
	moved, err := keystore.RewrapAll(t.Context(), store, sealer, "rewrap", nil)
	if err != nil || moved != targets {
		t.Errorf("%d secrets moved, %v", moved, err)
	}
	after := refreshed(t, ring)
	stop()
	work.Wait()
	if signed == 0 {
		t.Error("nothing was signed meanwhile")
	}
	for n := range targets {
		id := fmt.Sprintf("t%d", n)
		if before.Target(id).Active.Key != after.Target(id).Active.Key {
			t.Errorf("%s: the key was prepared again though its secret is the same", id)
		}
	}
}

// A change made by another process reaches the keyring through Run, long before the poll.
func TestRunFollowsAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	ours, theirs := open(t, path), open(t, path)
	sealer := newSealer(t, envelope.GenerateMasterKeys())
	addTarget(t, theirs, sealer, "one", 0)
	ring := signer.NewKeyring(ours, sealer, time.Now, (&lines{}).logger())
	refreshed(t, ring)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ring.Run(ctx, time.Hour) }()
	seen := func(what string, ok func(*signer.Target) bool) {
		t.Helper()
		began := time.Now()
		for !ok(ring.Snapshot().Target("one")) {
			if time.Since(began) > 2*time.Second {
				t.Fatalf("%s not seen", what)
			}
			time.Sleep(5 * time.Millisecond)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s seen after %s, want a second at most", what, took)
		}
	}
	addKey(t, theirs, sealer, "one", 1)
	seen("the second key", func(x *signer.Target) bool { return x.Active != nil && x.Active.Version == 2 })
	change(t, theirs, "one", func(r *keystore.Record) error { return r.Retire(2, true, time.Now(), keystore.DefaultTiming()) })
	seen("its end", func(x *signer.Target) bool { return x.Active == nil })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
