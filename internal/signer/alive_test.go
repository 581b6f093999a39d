package signer_test

import (
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
	"github.com/tokensvc/tokensvc/tokens"
)

// handing signs for a target with a clock that the test moves.
type handing struct {
	store  *sqlite.Store
	sealer keystore.Sealer
	ring   *signer.Keyring
	sign   *signer.Signer
	began  time.Time
	now    time.Time
}

func newHanding(t *testing.T) *handing {
	t.Helper()
	h := &handing{store: open(t, sqlite.Memory), sealer: newSealer(t, envelope.GenerateMasterKeys()), began: time.Now().Truncate(time.Second)}
	h.now = h.began
	addTarget(t, h.store, h.sealer, "event", 0)
	clock := func() time.Time { return h.now }
	h.ring = signer.NewKeyring(h.store, h.sealer, clock, (&lines{}).logger())
	h.sign = signer.New(h.ring, signer.DefaultConfig(1), clock)
	t.Cleanup(h.sign.Close)
	return h
}

// hand signs n tokens now.
func (h *handing) hand(t *testing.T, p *playback.Entry, n int) {
	t.Helper()
	refreshed(t, h.ring)
	for range n {
		if _, err := h.sign.Sign(t.Context(), p, signer.Request{Viewer: "v"}); err != nil {
			t.Fatal(err)
		}
	}
}

func (h *handing) want(t *testing.T, version int, at time.Time, want int64) {
	t.Helper()
	got, since := h.sign.Alive("event", version, at)
	if got != want || !since.Equal(h.began) {
		t.Errorf("key %d, %s after the begin: %d alive, counted since %s; want %d", version, at.Sub(h.began), got, since, want)
	}
}

// TestAliveFollowsTheClockAndOutlivesSnapshots: tokens count until they expire, whatever happens to the record
// meanwhile, and those of each key by themselves.
func TestAliveFollowsTheClockAndOutlivesSnapshots(t *testing.T) {
	h := newHanding(t)
	p := entry("event") // 5 minutes
	h.hand(t, p, 3)
	h.now = h.began.Add(2 * time.Minute)
	h.hand(t, p, 4)
	h.want(t, 1, h.now, 7)
	change(t, h.store, "event", func(r *keystore.Record) error {
		r.Target.MaxTokenLifetime = 2 * time.Hour
		return nil
	})
	addKey(t, h.store, h.sealer, "event", 1)
	h.hand(t, p, 2)
	h.want(t, 1, h.now, 7)
	h.want(t, 2, h.now, 2)
	h.want(t, 1, h.began.Add(6*time.Minute), 4)
	h.want(t, 1, h.began.Add(7*time.Minute), 0)
	h.want(t, 3, h.now, 0)
	if n, _ := h.sign.Alive("nobody", 1, h.now); n != 0 {
		t.Errorf("%d tokens of a target that is not there", n)
	}
}

// TestRefusedSignsAreNotAlive: nothing was handed out.
func TestRefusedSignsAreNotAlive(t *testing.T) {
	h := newHanding(t)
	refreshed(t, h.ring)
	if _, err := h.sign.Sign(t.Context(), entry("event"), signer.Request{Viewer: "v", TTL: 48 * time.Hour}); tokens.ReasonOf(err) != tokens.LifetimeTooLong {
		t.Fatal(err)
	}
	h.want(t, 1, h.now, 0)
}

// TestNoneIsAliveAtAScheduledCut: tokens shorten towards it, to the second.
func TestNoneIsAliveAtAScheduledCut(t *testing.T) {
	h := newHanding(t)
	p := entry("event")
	timing := keystore.DefaultTiming()
	cut := h.began.Add(time.Hour + timing.SnapshotMaxAge + time.Second)
	h.hand(t, p, 1)
	change(t, h.store, "event", func(r *keystore.Record) error {
		to := r.Add(keystore.Key{Fingerprint: "f", Sealed: []byte("x")}, h.began).Version
		op := keystore.Operation{ID: "01f3b1c2-0000-7000-8000-000000000001", Kind: keystore.Rotate, To: to, CutAt: cut, CutUntil: cut.Add(15 * time.Minute)}
		return r.Begin(op, h.began, timing)
	})
	for _, before := range []time.Duration{20 * time.Minute, 4 * time.Minute, 2 * time.Minute} {
		h.now = cut.Add(-before)
		h.hand(t, p, 1)
	}
	h.want(t, 1, h.now, 2)
	h.want(t, 1, cut.Add(-time.Second), 2)
	h.want(t, 1, cut, 0)
}

// TestSharedTokensCountForEachViewer: what viewers would feel is counted, not what was computed.
func TestSharedTokensCountForEachViewer(t *testing.T) {
	v, _ := qencodeEvent(t)
	p := playback.NewEntry(playback.Playback{
		ID: "p", TargetID: "event", URL: "https://h/cam.m3u8", TTL: 5 * time.Minute, ExpiryGranularity: 5 * time.Minute,
		Qencode: &playback.Qencode{URI: "cam"},
	})
	for range 5 {
		if _, err := v.sign.Sign(t.Context(), p, signer.Request{}); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := v.sign.Alive(p.TargetID, 1, time.Now()); n != 5 {
		t.Errorf("%d alive, want 5", n)
	}
}
