package app

import (
	"context"
	"fmt"
	"net/http"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/edge"
	"github.com/tokensvc/tokensvc/internal/provider/agora"
	"github.com/tokensvc/tokensvc/internal/provider/streamapi"
	"github.com/tokensvc/tokensvc/internal/server"
)

// edges returns what edges and providers ask, over HTTP by path and over gRPC.
func (a *App) edges() (map[string]http.Handler, server.Service, error) {
	decider := &edge.Decider{Catalogue: a.catalogue, Verifier: a.signer, Sessions: a.keeper, Now: a.now, Tally: a.decisions}
	trusted := a.cfg.Trusted()
	handlers := (&edge.HTTP{Decider: decider, Trusted: trusted, Log: a.log}).Handlers()
	for _, account := range a.cfg.Accounts {
		credential := account.Credential(config.CallbackSecret)
		if !credential.Given() {
			continue
		}
		secret, err := readCredential(credential)
		if err != nil {
			return nil, server.Service{}, fmt.Errorf("account %q: %w", account.ID, err)
		}
		signed := func(header http.Header, body []byte) error { return agora.CheckCallback(secret, header, body) }
		handlers[edge.AgoraPath+account.ID] = &edge.Agora{Decider: decider, Signed: signed, PushHosts: account.PushHosts, Log: a.log}
	}
	if path := a.cfg.Edge.StreamAPIPath; path != "" {
		handlers[path] = streamapi.Callback{Keys: sessionKeys{decider}, Now: a.now}
	}
	envoy := server.Service{Desc: &authv3.Authorization_ServiceDesc, Impl: &edge.ExtAuthz{Decider: decider, Trusted: trusted}}
	return handlers, envoy, nil
}

// sessionKeys lets a session be the key that a viewer brings to StreamAPI; the public host id names the
// playback.
type sessionKeys struct{ decider *edge.Decider }

// Check implements streamapi.KeyChecker.
func (k sessionKeys) Check(ctx context.Context, key, publicHostID string, _ time.Time) (streamapi.Viewer, error) {
	s, err := k.decider.Session(ctx, publicHostID, key)
	k.decider.Tally.Count(edge.ConventionStreamAPI, edge.OutcomeOf(err))
	return streamapi.Viewer{ID: s.Viewer, Expires: s.TokenExpiresAt}, err
}
