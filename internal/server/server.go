package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"buf.build/go/protovalidate"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/tokensvc/tokensvc/gen/openapi"
	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/keystore"
)

// Options is everything a Server is made of.
type Options struct {
	Keys      keystore.Store
	Sealer    keystore.Sealer
	Playbacks playback.Store
	Catalogue *playback.Catalogue
	// Grants keeps grants and products; nil leaves EntitlementService out.
	Grants entitle.Store
	// Checker decides who may watch; nil answers CheckEntitlement with UNIMPLEMENTED.
	Checker entitle.Checker
	// Policies refuses access policies that could not be followed, when a playback is made or changed; nil leaves
	// them to Checker.
	Policies Policies
	// Sessions keeps sessions and revocations, and Keeper what of them is in memory; nil leaves SessionService
	// out and opens no session.
	Sessions session.Store
	Keeper   *session.Keeper
	// Ban stops a playback at its provider; nil where this process holds no credentials.
	Ban      Ban
	Keyring  *signer.Keyring
	Signer   *signer.Signer
	Timing   keystore.Timing
	Rotation Rotation
	// Accounts maps the account ids of the config file to their providers.
	Accounts map[string]string
	// Mint switches MintToken on.
	Mint bool
	// MaxBody bounds a gRPC message and an HTTP body, in bytes.
	MaxBody int
	// RequestTimeout is the deadline of a call that brings none.
	RequestTimeout time.Duration
	// Extra are further HTTP handlers by pattern, for example a page.
	Extra map[string]http.Handler
	// Edge are HTTP handlers by path that edges and providers ask. They judge by themselves who may ask: a Host
	// or an Origin that the viewer's browser sent passes.
	Edge map[string]http.Handler
	// Services are served beside the API, behind the same interceptors.
	Services []Service
	// Tracer makes spans; nil means none.
	Tracer trace.TracerProvider
	Log    *slog.Logger
	Now    func() time.Time
	// Random makes ids; nil means crypto/rand.
	Random io.Reader
}

// Policies knows the web hooks there are, and compiles expressions.
type Policies interface {
	// CheckPolicy refuses a policy that could not be followed. Errors wrap tokens.ErrInvalidParams.
	CheckPolicy(a *playback.Access) error
}

// Service is a gRPC service and the way HTTP reaches it.
type Service struct {
	Desc *grpc.ServiceDesc
	Impl any
	// Gateway maps paths of mux to calls of conn; nil leaves the service to gRPC.
	Gateway func(mux *runtime.ServeMux, conn grpc.ClientConnInterface) error
}

// Server serves the API over gRPC and HTTP.
type Server struct {
	grpc     *grpc.Server
	http     *http.Server
	local    *inProcess
	health   *health.Server
	signer   *signer.Signer
	draining atomic.Bool

	overGRPC, overHTTP counting
	// endStreams ends the streams of the health service, which have no end of their own.
	endStreams context.CancelFunc
}

// oversize is how far past MaxBody a gRPC message is still read, so that the refusal can carry its
// reason: grpc-go refuses without one.
const oversize = 4

// New assembles a server. It does not listen yet.
func New(o Options) (*Server, error) {
	if o.Random == nil {
		o.Random = rand.Reader
	}
	validator, err := protovalidate.New(protovalidate.WithMessages(
		&tokensvcv1.SignPlaybackRequest{}, &tokensvcv1.BatchSignPlaybackRequest{}, &tokensvcv1.ImportKeyRequest{},
		&tokensvcv1.CreateGrantRequest{},
	))
	if err != nil {
		return nil, fmt.Errorf("compile the validation rules: %w", err)
	}
	intercept := interceptors(o.Log, validator, o.RequestTimeout, o.Now)
	stream := streamInterceptors(o.Log, validator, o.Now)
	streams, endStreams := context.WithCancel(context.Background())
	s := &Server{
		signer: o.Signer, health: health.NewServer(), endStreams: endStreams,
		overGRPC: counting{now: o.Now}, overHTTP: counting{now: o.Now},
	}
	options := []grpc.ServerOption{
		grpc.UnaryInterceptor(s.overGRPC.around(intercept)),
		grpc.ChainStreamInterceptor(s.overGRPC.stream, endWith(streams), stream),
		grpc.UnknownServiceHandler(unknownMethod),
		grpc.ForceServerCodecV2(newCodec(o.MaxBody)),
		grpc.MaxRecvMsgSize(oversize * o.MaxBody),
		grpc.MaxConcurrentStreams(256),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * time.Minute, Timeout: 20 * time.Second}),
		grpc.ConnectionTimeout(10 * time.Second),
	}
	if o.Tracer != nil {
		options = append(options, grpc.StatsHandler(otelgrpc.NewServerHandler(
			otelgrpc.WithTracerProvider(o.Tracer), otelgrpc.WithPropagators(traceContext()))))
	}
	s.grpc = grpc.NewServer(options...)
	local := &inProcess{
		methods: make(map[string]localMethod), interceptor: s.overHTTP.around(intercept),
		streams: make(map[string]localStreamMethod), streamInterceptor: joinStreams(s.overHTTP.stream, joinStreams(endWith(streams), stream)),
	}
	s.local = local
	if o.Tracer != nil {
		local.interceptor = chain(spans(o.Tracer), local.interceptor)
	}
	register(o, validator, s.grpc, local)
	for name := range s.grpc.GetServiceInfo() {
		s.health.SetServingStatus(name, healthpb.HealthCheckResponse_SERVING)
	}
	healthpb.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	s.overGRPC.know(s.grpc.GetServiceInfo())
	s.overHTTP.know(s.grpc.GetServiceInfo())
	gateway, err := newGateway(context.Background(), local, o.Services)
	if err != nil {
		return nil, fmt.Errorf("assemble the gateway: %w", err)
	}
	s.http = &http.Server{
		Handler:           arrive(besides(o.Edge, guard(s.routes(gateway, o.Extra), int64(o.MaxBody))), o.Log),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      o.RequestTimeout + 30*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// register adds every service to each registrar, so that HTTP and gRPC meet the same handlers.
func register(o Options, validator protovalidate.Validator, registrars ...grpc.ServiceRegistrar) {
	hostname, _ := os.Hostname() // only tells holders of a lease apart
	watching := &watching{checker: o.Checker, store: o.Sessions, keeper: o.Keeper, signer: o.Signer, random: o.Random, now: o.Now, log: o.Log}
	playbacks := &playbackService{
		store: o.Playbacks, catalogue: o.Catalogue, signer: o.Signer, policies: o.Policies, watching: watching, validator: validator, now: o.Now, log: o.Log,
	}
	tokenSvc := &tokenService{signer: o.Signer, mint: o.Mint, now: o.Now}
	keys := &keyService{
		store: o.Keys, sealer: o.Sealer, catalogue: o.Catalogue, keyring: o.Keyring, timing: o.Timing, accounts: o.Accounts, validator: validator,
		holder: hostname + "/" + rand.Text(), now: o.Now, log: o.Log,
	}
	entitlements := &entitlementService{
		grants: o.Grants, checker: o.Checker, catalogue: o.Catalogue, validator: validator, random: o.Random, now: o.Now,
		watching: watching,
	}
	rotation := &rotationService{Rotation: o.Rotation, keys: keys, alive: o.Signer.Alive, now: o.Now, log: o.Log}
	sessions := &sessionService{watching: watching}
	if o.Sessions != nil {
		sessions.revoking = &revoking{
			revoker: session.Revoker{Store: o.Sessions, Keeper: o.Keeper, Random: o.Random, Now: o.Now},
			grants:  o.Grants, catalogue: o.Catalogue, signer: o.Signer, rotation: rotation, ban: o.Ban,
			skew: o.Timing.ClockSkew, signingAge: o.Timing.SnapshotMaxAge, log: o.Log,
		}
		entitlements.revoking = sessions.revoking
	}
	for _, r := range registrars {
		r.RegisterService(strict(&tokensvcv1.RotationService_ServiceDesc), rotation)
		r.RegisterService(strict(&tokensvcv1.PlaybackService_ServiceDesc), playbacks)
		r.RegisterService(strict(&tokensvcv1.TokenService_ServiceDesc), tokenSvc)
		r.RegisterService(strict(&tokensvcv1.KeyService_ServiceDesc), keys)
		if o.Grants != nil {
			r.RegisterService(strict(&tokensvcv1.EntitlementService_ServiceDesc), entitlements)
		}
		if o.Sessions != nil {
			r.RegisterService(strict(&tokensvcv1.SessionService_ServiceDesc), sessions)
		}
		for _, s := range o.Services {
			r.RegisterService(strict(s.Desc), s.Impl)
		}
	}
}

func (s *Server) routes(gateway http.Handler, extra map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(openapi.Document()) // the client may have left
	})
	mux.Handle("GET /.well-known/jwks.json", jwksHandler(s.signer))
	for pattern, h := range extra {
		mux.Handle(pattern, h)
	}
	mux.Handle("GET /v1/operations/{watched}", unhurried(gateway))
	mux.Handle("/", gateway)
	return mux
}

// besides serves the handlers of edges at their exact paths, and all else as next does.
func besides(edge map[string]http.Handler, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := edge[r.URL.Path]; ok {
			reached(r.Context()) // it logs what it refuses, which viewers can make happen at will
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// readyz is about signing: a snapshot young enough to sign from, and no shutdown under way.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		answer(w, http.StatusServiceUnavailable, "shutting down")
		return
	}
	if _, err := s.signer.Snapshot(); err != nil {
		answer(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	answer(w, http.StatusOK, "ok")
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text + "\n")) // the client may have left
}

// ServeGRPC serves until Shutdown.
func (s *Server) ServeGRPC(l net.Listener) error {
	if err := s.grpc.Serve(l); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil // Shutdown came first
}

// ServeHTTP serves until Shutdown.
func (s *Server) ServeHTTP(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown takes no new call, waits for those in flight until ctx ends, and cuts what is left. From its
// start on, readiness and the health service say no on connections that are still open.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.health.Shutdown()
	s.endStreams()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.grpc.GracefulStop()
	}()
	err := s.http.Shutdown(ctx)
	select {
	case <-stopped:
	case <-ctx.Done():
		s.grpc.Stop()
		<-stopped
		err = errors.Join(err, ctx.Err())
	}
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.local.streaming.Wait() // endStreams has ended them
	return err
}
