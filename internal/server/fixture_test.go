package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/internal/server"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
	"github.com/tokensvc/tokensvc/tokens"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock stands still until a test moves it.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

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

// service is a whole server over an empty store, with a client for each door.
type service struct {
	clock     *clock
	store     *sqlite.Store
	server    *server.Server
	keyring   *signer.Keyring
	catalogue *playback.Catalogue
	keeper    *session.Keeper
	conn      *grpc.ClientConn
	playbacks tokensvcv1.PlaybackServiceClient
	tokens    tokensvcv1.TokenServiceClient
	keys      tokensvcv1.KeyServiceClient
	rotation  tokensvcv1.RotationServiceClient
	sessions  tokensvcv1.SessionServiceClient
	grants    tokensvcv1.EntitlementServiceClient
	base      string
	client    *http.Client
	log       *lines
}

// sameRandom is the same for every service.
type sameRandom struct {
	mu     sync.Mutex
	source *mrand.ChaCha8
}

func (r *sameRandom) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.Read(p)
}

// settings change how a service is put together.
type settings struct {
	options func(*server.Options)
	config  func(*signer.Config)
	// store and playbacks stand between the server and its store.
	store     func(keystore.Store) keystore.Store
	playbacks func(playback.Store) playback.Store
}

const maxBody = 1 << 20

func start(t *testing.T, s settings) *service {
	t.Helper()
	e := &service{clock: newClock(), log: &lines{}}
	var err error
	if e.store, err = sqlite.Open(t.Context(), sqlite.Memory, sqlite.Options{Now: e.clock.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, e.store.Close()) })
	sealer, err := envelope.New(envelope.GenerateMasterKeys())
	if err != nil {
		t.Fatal(err)
	}
	var keys keystore.Store = e.store
	if s.store != nil {
		keys = s.store(keys)
	}
	var playbacks playback.Store = e.store
	if s.playbacks != nil {
		playbacks = s.playbacks(playbacks)
	}
	log := slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	e.keyring = signer.NewKeyring(keys, sealer, e.clock.now, log)
	e.catalogue = playback.NewCatalogue(playbacks, log)
	check(t, e.keyring.Refresh(t.Context()))
	check(t, e.catalogue.Refresh(t.Context()))
	// Memory is compared with the store at every change that comes through the service; of its age there is
	// a test of its own.
	e.keeper = session.NewKeeper(e.store, session.DefaultKeeperConfig(10000*time.Hour), e.clock.now, log)
	check(t, e.keeper.Refresh(t.Context()))
	cfg := signer.DefaultConfig(2)
	if s.config != nil {
		s.config(&cfg)
	}
	sign := signer.New(e.keyring, cfg, e.clock.now)
	t.Cleanup(sign.Close)
	o := server.Options{
		Keys: keys, Sealer: sealer, Playbacks: playbacks, Catalogue: e.catalogue, Keyring: e.keyring, Signer: sign,
		Timing: cfg.Timing, Accounts: map[string]string{"wowza-main": "wowza", "qencode-main": "qencode"}, MaxBody: maxBody,
		RequestTimeout: 10 * time.Second, Log: log, Now: e.clock.now, Rotation: rotation(e.clock.now),
		Grants: e.store, Sessions: e.store, Keeper: e.keeper, Random: &sameRandom{source: mrand.NewChaCha8([32]byte{})},
	}
	if s.options != nil {
		s.options(&o)
	}
	if e.server, err = server.New(o); err != nil {
		t.Fatal(err)
	}
	e.serve(t)
	return e
}

// listen serves on a free port of loopback until the server shuts down.
func listen(t *testing.T, serve func(net.Listener) error, served *sync.WaitGroup) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served.Go(func() { check(t, serve(l)) })
	return l.Addr().String()
}

// serve listens for both doors and connects the clients.
func (e *service) serve(t *testing.T) {
	t.Helper()
	var served sync.WaitGroup
	grpcAddr, httpAddr := listen(t, e.server.ServeGRPC, &served), listen(t, e.server.ServeHTTP, &served)
	var err error
	e.conn, err = grpc.NewClient("passthrough:///"+grpcAddr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	e.playbacks = tokensvcv1.NewPlaybackServiceClient(e.conn)
	e.tokens = tokensvcv1.NewTokenServiceClient(e.conn)
	e.keys = tokensvcv1.NewKeyServiceClient(e.conn)
	e.rotation = tokensvcv1.NewRotationServiceClient(e.conn)
	e.sessions = tokensvcv1.NewSessionServiceClient(e.conn)
	e.grants = tokensvcv1.NewEntitlementServiceClient(e.conn)
	transport := &http.Transport{}
	e.base = "http://" + httpAddr
	e.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		check(t, e.conn.Close())
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		check(t, e.server.Shutdown(ctx))
		served.Wait()
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// answer is what came back over HTTP.
type answer struct {
	code   int
	header http.Header
	body   []byte
}

// do sends a request; a nil body sends none.
func (e *service) do(t *testing.T, method, path string, body []byte, header ...string) answer {
	t.Helper()
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, e.base+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	return e.send(t, r)
}

func (e *service) send(t *testing.T, r *http.Request) answer {
	t.Helper()
	resp, err := e.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { check(t, resp.Body.Close()) }()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{code: resp.StatusCode, header: resp.Header, body: out}
}

// reasonOf returns the reason of a gRPC error and fails the test when it carries none of ours.
func reasonOf(t *testing.T, err error) tokens.Reason {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return ""
	}
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			if info.GetDomain() != server.Domain || info.GetReason() == "" {
				t.Errorf("%v: ErrorInfo is %v", err, info)
			}
			return tokens.Reason(info.GetReason())
		}
	}
	t.Errorf("%v carries no ErrorInfo", err)
	return ""
}

// wantReason fails the test unless err has the reason.
func wantReason(t *testing.T, err error, want tokens.Reason) {
	t.Helper()
	if got := reasonOf(t, err); got != want {
		t.Errorf("reason %s (%v), want %s", got, err, want)
	}
}

// seed makes the target, an active key and the playback of every provider, named after it.
func (e *service) seed(t *testing.T) {
	t.Helper()
	for _, p := range providers() {
		e.seedOne(t, p)
	}
}

func (e *service) seedOne(t *testing.T, p provider) {
	t.Helper()
	if _, err := e.keys.CreateTarget(t.Context(), &tokensvcv1.CreateTargetRequest{Target: p.target}); err != nil {
		t.Fatal(err)
	}
	e.importKey(t, p, 0, true)
	p.playback.Id = p.name
	if _, err := e.playbacks.CreatePlayback(t.Context(), &tokensvcv1.CreatePlaybackRequest{Playback: p.playback}); err != nil {
		t.Fatal(err)
	}
}

func (e *service) importKey(t *testing.T, p provider, n int, activate bool) *tokensvcv1.Key {
	t.Helper()
	material, kid := p.material(n)
	out, err := e.keys.ImportKey(t.Context(), &tokensvcv1.ImportKeyRequest{
		TargetId: p.target.GetId(), Material: material, Kid: kid, Encoding: encodingOf(p), Activate: activate,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.GetKey()
}

// encodingOf names the reading of the provider's material, which may look like hex of something else.
func encodingOf(p provider) tokensvcv1.KeyEncoding {
	if p.name == "qencode" {
		return tokensvcv1.KeyEncoding_KEY_ENCODING_PEM
	}
	return tokensvcv1.KeyEncoding_KEY_ENCODING_TEXT
}

func (e *service) sign(t *testing.T, id string) (*tokensvcv1.Credential, error) {
	t.Helper()
	out, err := e.playbacks.SignPlayback(t.Context(), &tokensvcv1.SignPlaybackRequest{Id: id, Viewer: "alice"})
	return out.GetCredential(), err
}

// mustSign signs or ends the test.
func (e *service) mustSign(t *testing.T, id string) *tokensvcv1.Credential {
	t.Helper()
	c, err := e.sign(t, id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// dump is everything in the store, sealed bytes left out.
func (e *service) dump(t *testing.T) string {
	t.Helper()
	records, err := e.store.List(t.Context(), keystore.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		for j := range records[i].Keys {
			k := &records[i].Keys[j]
			k.Sealed = strconv.AppendBool(nil, len(k.Sealed) > 0)
		}
	}
	playbacks, err := e.store.ListPlaybacks(t.Context(), keystore.Page{})
	if err != nil {
		t.Fatal(err)
	}
	grants, err := e.store.Grants(t.Context(), entitle.Filter{}, keystore.Page{})
	if err != nil {
		t.Fatal(err)
	}
	products, err := e.store.Products(t.Context(), keystore.Page{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent([]any{records, playbacks, grants, products}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// noSecret fails the test when text holds a form of a secret.
func noSecret(t *testing.T, what, text string, secrets ...[]byte) {
	t.Helper()
	for _, s := range secrets {
		forms := []string{
			string(s), hex.EncodeToString(s), strings.ToUpper(hex.EncodeToString(s)),
			base64.StdEncoding.EncodeToString(s), base64.URLEncoding.EncodeToString(s), strings.ReplaceAll(string(s), "\n", `\n`),
		}
		for line := range strings.Lines(string(s)) {
			if len(line) > 40 && !strings.HasPrefix(line, "-----") {
				forms = append(forms, strings.TrimSpace(line))
			}
		}
		for _, form := range forms {
			if strings.Contains(text, form) {
				t.Errorf("%s holds a secret", what)
			}
		}
	}
}

// manage marks a provider's target and playback as standing in the config file.
func (e *service) manage(t *testing.T, p provider) {
	t.Helper()
	fence, err := e.store.Lease(t.Context(), p.target.GetId(), "test", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.store.Update(t.Context(), p.target.GetId(), fence, func(r *keystore.Record) error { r.Target.Managed = true; return nil })
	check(t, err)
	check(t, e.store.Release(t.Context(), p.target.GetId(), fence))
	_, err = e.store.UpdatePlayback(t.Context(), p.name, func(p *playback.Playback) error { p.Managed = true; return nil })
	check(t, err)
}

func protoText(m proto.Message) string { return prototext.Format(m) }

// rotation plans for Wowza as a service without credentials does.
func rotation(now func() time.Time) server.Rotation {
	timing := rotate.DefaultTiming()
	return server.Rotation{Timing: timing, Plan: func(r keystore.Record) (rotate.Decision, error) {
		return rotate.Plan(r, rotate.Facts{Abilities: rotate.Abilities{Set: true, Inspect: true}, Checked: now()}, timing, now()), nil
	}}
}
