// Package standins runs the stand-ins of the provider APIs together, each on a loopback listener of its own,
// with credentials that are made at start and live in memory.
package standins

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	"github.com/tokensvc/tokensvc/internal/sandbox/provider/agora"
	"github.com/tokensvc/tokensvc/internal/sandbox/provider/qencode"
	"github.com/tokensvc/tokensvc/internal/sandbox/provider/wowza"
	"github.com/tokensvc/tokensvc/tokens"
)

// Config is what the stand-ins start with.
type Config struct {
	// Now is the clock of all of them. Required.
	Now func() time.Time
	// Propagation is how long edges take to learn a change. 0 means that they know at once.
	Propagation time.Duration
	// PlaybackBase is the scheme and host of Wowza's playback URLs.
	PlaybackBase string
	// Streams are the ids of Qencode's live streams, lower-case UUIDs.
	Streams []string
	// Plan is what goes wrong at any of them, and who sees each effect. Nil means that nothing goes wrong.
	Plan *fault.Plan
}

// Credentials are those of the one account at each stand-in.
type Credentials struct {
	WowzaAccessKey, WowzaAPIKey    tokens.Secret
	WowzaJWT                       tokens.Secret // from v1.8 on
	QencodeAPIKey                  tokens.Secret
	AgoraAppID, AgoraCustomerID    string
	AgoraCustomerSecret            tokens.Secret
	WowzaURL, QencodeURL, AgoraURL string
}

// Standins are the running stand-ins. They are safe for concurrent use.
type Standins struct {
	Wowza   *wowza.Server
	Qencode *qencode.Server
	Agora   *agora.Server

	credentials Credentials
	now         func() time.Time
	servers     []*http.Server
	serving     sync.WaitGroup
	mu          sync.Mutex
	failed      error
}

// Transcoder is the one that the Wowza stand-in has, with two outputs.
const Transcoder = "sandbox1"

// Start binds a free loopback port for each stand-in and serves until Close.
func Start(ctx context.Context, cfg Config) (*Standins, error) {
	s := &Standins{now: cfg.Now, credentials: Credentials{
		WowzaAccessKey: secret(), WowzaAPIKey: secret(), WowzaJWT: secret(), QencodeAPIKey: secret(), AgoraCustomerSecret: secret(),
		AgoraAppID: "sandbox", AgoraCustomerID: rand.Text(),
	}}
	if err := s.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func secret() tokens.Secret { return tokens.NewSecret([]byte(rand.Text())) }

func (s *Standins) open(ctx context.Context, cfg Config) error {
	c := &s.credentials
	var err error
	s.Wowza, err = wowza.New(wowza.Config{
		AccessKey: c.WowzaAccessKey, APIKey: c.WowzaAPIKey, JWT: c.WowzaJWT, Now: cfg.Now, Propagation: cfg.Propagation, PlaybackBase: cfg.PlaybackBase,
		Plan: cfg.Plan, Transcoders: map[string][]string{Transcoder: {"out720", "out360"}},
	})
	if err != nil {
		return err
	}
	s.Qencode, err = qencode.New(qencode.Config{
		APIKey: c.QencodeAPIKey, Now: cfg.Now, Propagation: cfg.Propagation, Streams: cfg.Streams, Plan: cfg.Plan,
	})
	if err != nil {
		return err
	}
	s.Agora, err = agora.New(agora.Config{
		AppID: c.AgoraAppID, CustomerID: c.AgoraCustomerID, CustomerSecret: c.AgoraCustomerSecret, Now: cfg.Now, Propagation: cfg.Propagation,
	})
	if err != nil {
		return err
	}
	var overAgora http.Handler = s.Agora
	if cfg.Plan != nil {
		overAgora = cfg.Plan.Handler(s.Agora.Call, s.Agora)
	}
	for _, api := range []struct {
		handler http.Handler
		url     *string
	}{{s.Wowza.Handler(), &c.WowzaURL}, {s.Qencode.Handler(), &c.QencodeURL}, {overAgora, &c.AgoraURL}} {
		if *api.url, err = s.serve(ctx, api.handler); err != nil {
			return err
		}
	}
	return nil
}

// serve serves a handler on a free port and returns its address.
func (s *Standins) serve(ctx context.Context, h http.Handler) (url string, err error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("stand-in: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	s.servers = append(s.servers, server)
	s.serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.failed = errors.Join(s.failed, err)
		}
	})
	return "http://" + listener.Addr().String(), nil
}

// Credentials returns what the clients of the stand-ins need.
func (s *Standins) Credentials() Credentials { return s.credentials }

// Close ends the stand-ins and waits for them. It returns why one of them has ended before.
func (s *Standins) Close() error {
	for _, server := range s.servers {
		_ = server.Close() // its listener may be closed already
	}
	s.serving.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}
