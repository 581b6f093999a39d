package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore/envelope"
)

// benchServer is a server with one hdnts playback, "big-event". It does not listen.
func benchServer(b *testing.B) (*Server, *inProcess) {
	b.Helper()
	store, err := sqlite.Open(b.Context(), sqlite.Memory, sqlite.Options{Now: time.Now})
	noError(b, err)
	b.Cleanup(func() { noError(b, store.Close()) })
	return serveBench(b, store, func(*Options) {})
}

func serveBench(b *testing.B, store *sqlite.Store, change func(*Options)) (*Server, *inProcess) {
	b.Helper()
	log := slog.New(slog.DiscardHandler)
	sealer, err := envelope.New(envelope.GenerateMasterKeys())
	noError(b, err)
	keyring, catalogue := signer.NewKeyring(store, sealer, time.Now, log), playback.NewCatalogue(store, log)
	noError(b, keyring.Refresh(b.Context()))
	cfg := signer.DefaultConfig(1)
	sign := signer.New(keyring, cfg, time.Now)
	b.Cleanup(sign.Close)
	o := Options{
		Keys: store, Sealer: sealer, Playbacks: store, Catalogue: catalogue, Keyring: keyring, Signer: sign,
		Timing: cfg.Timing, MaxBody: 1 << 20, RequestTimeout: 10 * time.Second, Log: log, Now: time.Now,
	}
	o.Random = rand.Reader
	change(&o)
	s, err := New(o)
	noError(b, err)
	validator, err := protovalidate.New()
	noError(b, err)
	local := &inProcess{
		methods: make(map[string]localMethod), interceptor: interceptors(log, validator, o.RequestTimeout, time.Now),
		streams: make(map[string]localStreamMethod), streamInterceptor: streamInterceptors(log, validator, time.Now),
	}
	register(o, validator, local)
	furnish(b, local)
	return s, local
}

func furnish(b *testing.B, local *inProcess) {
	b.Helper()
	keys := tokensvcv1.NewKeyServiceClient(local)
	_, err := keys.CreateTarget(b.Context(), &tokensvcv1.CreateTargetRequest{Target: &tokensvcv1.Target{Id: "wowza", Provider: "wowza"}})
	noError(b, err)
	_, err = keys.ImportKey(b.Context(), &tokensvcv1.ImportKeyRequest{
		TargetId: "wowza", Material: []byte("00112233445566778899aabbccddeeff"), Encoding: tokensvcv1.KeyEncoding_KEY_ENCODING_TEXT, Activate: true,
	})
	noError(b, err)
	_, err = tokensvcv1.NewPlaybackServiceClient(local).CreatePlayback(b.Context(), &tokensvcv1.CreatePlaybackRequest{Playback: &tokensvcv1.Playback{
		Id: "big-event", TargetId: "wowza", Url: "https://edge.example/1/STREAM01/big-event/hls/live/playlist.m3u8",
		Binding: &tokensvcv1.Playback_Hdnts{Hdnts: &tokensvcv1.Hdnts{StreamId: "STREAM01"}},
	}})
	noError(b, err)
}

func noError(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSignPlayback passes the interceptors, but neither network nor encoding.
func BenchmarkSignPlayback(b *testing.B) {
	_, local := benchServer(b)
	client := tokensvcv1.NewPlaybackServiceClient(local)
	request := &tokensvcv1.SignPlaybackRequest{Id: "big-event", Viewer: "u-1"}
	b.ReportAllocs()
	for b.Loop() {
		_, err := client.SignPlayback(b.Context(), request)
		noError(b, err)
	}
}

func BenchmarkBatchSignPlayback100(b *testing.B) {
	_, local := benchServer(b)
	request := &tokensvcv1.BatchSignPlaybackRequest{}
	for range 100 {
		request.Requests = append(request.Requests, &tokensvcv1.SignPlaybackRequest{Id: "big-event", Viewer: "u-1"})
	}
	client := tokensvcv1.NewPlaybackServiceClient(local)
	b.ReportAllocs()
	for b.Loop() {
		_, err := client.BatchSignPlayback(b.Context(), request)
		noError(b, err)
	}
}

// BenchmarkSignWatched signs as 64 callers do, without a session and with a grant and a session in a file.
func BenchmarkSignWatched(b *testing.B) {
	for _, watched := range []bool{false, true} {
		b.Run(fmt.Sprintf("session=%t", watched), func(b *testing.B) {
			client := watchedClient(b, watched)
			var viewers atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(64 / runtime.GOMAXPROCS(0))
			b.RunParallel(func(loop *testing.PB) {
				for loop.Next() {
					request := &tokensvcv1.SignPlaybackRequest{Id: "big-event", Viewer: "u-" + strconv.FormatInt(viewers.Add(1)%watchedViewers, 10)}
					if _, err := client.SignPlayback(b.Context(), request); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// watchedViewers is how many viewers hold a grant.
const watchedViewers = 1000

// everyone is a Checker that finds the grant of each viewer in memory.
type everyone map[string]*entitle.Grant

func (e everyone) Check(_ context.Context, r entitle.Request) (entitle.Decision, error) {
	g := e[r.Viewer]
	return entitle.Decision{Allowed: g != nil, Grant: g}, nil
}

// watchedClient serves from a file; with sessions, each viewer has a grant and may watch twice at once.
func watchedClient(b *testing.B, watched bool) tokensvcv1.PlaybackServiceClient {
	b.Helper()
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "store.db"), sqlite.Options{Now: time.Now})
	noError(b, err)
	b.Cleanup(func() { noError(b, store.Close()) })
	grants := everyone{}
	_, local := serveBench(b, store, func(o *Options) {
		log := slog.New(slog.DiscardHandler)
		o.Sessions, o.Checker, o.Grants = store, grants, store
		o.Keeper = session.NewKeeper(store, session.DefaultKeeperConfig(time.Hour), time.Now, log)
		noError(b, o.Keeper.Refresh(b.Context()))
	})
	client := tokensvcv1.NewPlaybackServiceClient(local)
	if !watched {
		return client
	}
	_, err = client.UpdatePlayback(b.Context(), &tokensvcv1.UpdatePlaybackRequest{Playback: &tokensvcv1.Playback{
		Id: "big-event", Access: &tokensvcv1.AccessPolicy{Rule: &tokensvcv1.AccessPolicy_Grant{Grant: &tokensvcv1.GrantRule{}}},
		Sessions: &tokensvcv1.SessionPolicy{MaxSessions: 2, Rule: tokensvcv1.SessionRule_SESSION_RULE_EVICT_OLDEST},
	}})
	noError(b, err)
	batch := make([]entitle.Grant, 0, watchedViewers)
	ids, err := entitle.NewIDs(rand.Reader, time.Now(), watchedViewers)
	noError(b, err)
	for i, id := range ids {
		g := entitle.Grant{ID: id, Viewer: "u-" + strconv.Itoa(i), PlaybackID: "big-event", Start: time.Now(), CreatedAt: time.Now()}
		g.Limits.MaxSessions = 2
		grants[g.Viewer] = &g
		batch = append(batch, g)
	}
	_, err = store.CreateGrants(b.Context(), batch)
	noError(b, err)
	return client
}

// BenchmarkSignPlaybackHTTP passes everything but the network.
func BenchmarkSignPlaybackHTTP(b *testing.B) {
	s, _ := benchServer(b)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "http://localhost/v1/playbacks/big-event:sign", strings.NewReader(`{"viewer":"u-1"}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}

// BenchmarkValidate compares the look at a request to sign with the validator it spares.
func BenchmarkValidate(b *testing.B) {
	validator, err := protovalidate.New()
	noError(b, err)
	var request proto.Message = &tokensvcv1.SignPlaybackRequest{Id: "big-event", Viewer: "u-1"}
	b.Run("look", func(b *testing.B) {
		for b.Loop() {
			if !plainlyValid(request) {
				b.Fatal("not plainly valid")
			}
		}
	})
	b.Run("validator", func(b *testing.B) {
		for b.Loop() {
			noError(b, validator.Validate(request))
		}
	})
}
