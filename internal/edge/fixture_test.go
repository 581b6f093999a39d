package edge_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tokensvc/tokensvc/internal/edge"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
	"github.com/tokensvc/tokensvc/tokens"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sessions is what memory knows of sessions, without a store.
type sessions struct {
	mu    sync.Mutex
	now   func() time.Time
	all   map[string]session.Session
	held  map[string]*session.Revocation
	stale bool
}

func (s *sessions) put(one session.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[one.ID] = one
}

func (s *sessions) Look(_ context.Context, id string) (session.Session, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.HasPrefix(id, "bad") {
		return session.Session{}, false, errors.New("disk I/O error")
	}
	one := s.all[id]
	alive := one.Alive(s.now())
	return one, alive, nil
}

func (s *sessions) Held(_, id string, _ time.Time) *session.Revocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[id]
}

func (s *sessions) Fresh(time.Time) error {
	if s.stale {
		return session.ErrStale
	}
	return nil
}

// world is a decider over real keys and playbacks, at a time that the test moves.
type world struct {
	*edge.Decider

	t        testing.TB
	mu       sync.Mutex
	at       time.Time
	store    *sqlite.Store
	ring     *signer.Keyring
	signer   *signer.Signer
	sessions *sessions
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) advance(d time.Duration) {
	w.t.Helper()
	w.mu.Lock()
	w.at = w.at.Add(d)
	w.mu.Unlock()
	w.must(w.ring.Refresh(w.t.Context()))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// newWorld has a playback of each scheme; "show" asks for sessions, the others do not.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	w.store, err = sqlite.Open(t.Context(), sqlite.Memory, sqlite.Options{Now: w.now})
	w.must(err)
	t.Cleanup(func() { w.must(w.store.Close()) })
	sealer, err := envelope.New(envelope.GenerateMasterKeys())
	w.must(err)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	w.must(err)
	hexSecret := func(n int) tokens.Secret { return tokens.NewSecret(fmt.Appendf(nil, "%032x", 0xabc000+n)) }
	for i, target := range []struct {
		provider, kid string
		secret        tokens.Secret
	}{
		{"wowza", "", hexSecret(1)},
		{"akamai", "", hexSecret(2)},
		{"qencode", "ec25a6a6-b31e-4ac9-af01-711460421c6b", tokens.NewSecret(x509.MarshalPKCS1PrivateKey(private))},
		{"agora", "", hexSecret(4)},
	} {
		w.addKey(sealer, target.provider, target.kid, target.secret, i)
	}
	for _, p := range []playback.Playback{
		{ID: "event", TargetID: "wowza", URL: "https://cdn.example/1/S1/event/hls/live/playlist.m3u8", Hdnts: &playback.Hdnts{StreamID: "S1"}},
		{
			ID: "show", TargetID: "wowza", URL: "https://cdn.example/1/S2/show/hls/live/playlist.m3u8", Hdnts: &playback.Hdnts{StreamID: "S2"},
			Sessions: &playback.Sessions{Max: 1, Rule: playback.DenyNew},
		},
		{
			ID: "preview", TargetID: "wowza", URL: "https://cdn.example/1/S2/show/hls/live/playlist.m3u8", Hdnts: &playback.Hdnts{StreamID: "S2"},
			Sessions: &playback.Sessions{Rule: playback.EvictOldest},
		},
		{ID: "bound", TargetID: "wowza", URL: "https://cdn.example/1/S3/bound/hls/live/playlist.m3u8", Hdnts: &playback.Hdnts{StreamID: "S3"}, BindIP: true},
		{ID: "film", TargetID: "akamai", URL: "https://cdn.example/vod/film/hls/playlist.m3u8", EdgeAuth: &playback.EdgeAuth{ACL: []string{"/vod/film/*"}}},
		{ID: "concert", TargetID: "qencode", URL: "https://cdn.example/b7f2.m3u8", Qencode: &playback.Qencode{URI: "b7f2"}},
		{ID: "match", TargetID: "agora", URL: "https://play.example/live/match/playlist.m3u8", Agora: &playback.Agora{}},
		{ID: "derby", TargetID: "agora", URL: "https://play.example/live/derby.flv", Agora: &playback.Agora{}, Sessions: &playback.Sessions{Rule: playback.DenyNew}},
	} {
		p.TTL = time.Minute
		_, err := w.store.CreatePlayback(t.Context(), p)
		w.must(err)
	}
	catalogue := playback.NewCatalogue(w.store, slog.New(slog.DiscardHandler))
	w.must(catalogue.Refresh(t.Context()))
	w.ring = signer.NewKeyring(w.store, sealer, w.now, slog.New(slog.DiscardHandler))
	w.must(w.ring.Refresh(t.Context()))
	w.signer = signer.New(w.ring, signer.DefaultConfig(1), w.now)
	t.Cleanup(w.signer.Close)
	w.sessions = &sessions{now: w.now, all: map[string]session.Session{}, held: map[string]*session.Revocation{}}
	w.Decider = &edge.Decider{Catalogue: catalogue, Verifier: w.signer, Sessions: w.sessions, Now: w.now}
	return w
}

func (w *world) addKey(sealer keystore.Sealer, provider, kid string, secret tokens.Secret, n int) {
	w.t.Helper()
	scheme, err := schemes.OfProvider(provider)
	w.must(err)
	_, err = w.store.Create(w.t.Context(), keystore.Target{ID: provider, Provider: provider, Scheme: scheme, MaxTokenLifetime: time.Hour})
	w.must(err)
	format, err := schemes.New(scheme, keystore.SchemeOptions{})
	w.must(err)
	prepared, err := format.Prepare(tokens.Material{ID: kid, Secret: secret})
	w.must(err)
	w.change(provider, func(r *keystore.Record) error {
		k := r.Add(keystore.Key{KID: kid, Fingerprint: prepared.Fingerprint(), Origin: keystore.OriginImport}, w.now())
		if k.Sealed, err = sealer.Seal(keystore.Binding{Target: provider, Version: k.Version}, secret); err != nil {
			return fmt.Errorf("key %d: %w", n, err)
		}
		return r.Activate(k.Version, w.now(), keystore.DefaultTiming())
	})
}

func (w *world) change(target string, fn func(*keystore.Record) error) {
	w.t.Helper()
	fence, err := w.store.Lease(w.t.Context(), target, "test", time.Minute)
	w.must(err)
	_, err = w.store.Update(w.t.Context(), target, fence, fn)
	w.must(err)
}

// sign returns the request target of the playback's signed URL.
func (w *world) sign(id, ip string) string {
	w.t.Helper()
	c, err := w.signer.Sign(w.t.Context(), w.Catalogue.Get(id), signer.Request{Viewer: "ada", ClientIP: ip})
	w.must(err)
	_, rest, _ := strings.Cut(c.URL, "://")
	return rest[strings.IndexByte(rest, '/'):]
}

// open returns the request target of a signed URL with a session, which lives for a minute.
func (w *world) open(id, sid string) string {
	w.t.Helper()
	ends := w.now().Add(time.Minute)
	w.sessions.put(session.Session{ID: sid, Viewer: "ada", PlaybackID: id, OpenedAt: w.now(), ExpiresAt: ends, TokenExpiresAt: ends})
	return w.sign(id, "") + "&sid=" + sid
}
