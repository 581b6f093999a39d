package overhttp

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	agoraclient "github.com/tokensvc/tokensvc/internal/provider/agora"
	qencodeclient "github.com/tokensvc/tokensvc/internal/provider/qencode"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	wowzaclient "github.com/tokensvc/tokensvc/internal/provider/wowza"
	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	"github.com/tokensvc/tokensvc/internal/sandbox/provider/agora"
	"github.com/tokensvc/tokensvc/internal/sandbox/provider/qencode"
	"github.com/tokensvc/tokensvc/internal/sandbox/provider/wowza"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
	agorascheme "github.com/tokensvc/tokensvc/tokens/agora"
	wowzascheme "github.com/tokensvc/tokensvc/tokens/wowza"
)

// Credentials and names of every world's account.
const (
	apiKey     = "sandbox-api-key"
	accessKey  = "sandbox-access-key"
	appID      = "sandbox"
	customerID = "customer"
	streamID   = "1f1ab6a3-d867-4787-b882-7f2fb1203634"
)

func secretOf(text string) tokens.Secret { return tokens.NewSecret([]byte(text)) }

// slots is how many slots a kind has.
func slots(kind rotatetest.Kind) int {
	if kind == rotatetest.Pair {
		return 2
	}
	return 1
}

// qencodeStandin is a live stream.
type qencodeStandin struct {
	server *qencode.Server
	now    func() time.Time
}

const stream = "stream:" + streamID

func newQencode(plan *fault.Plan, pool *qencode.Pool, now func() time.Time, propagation time.Duration) (standin, error) {
	server, err := qencode.New(qencode.Config{
		APIKey: secretOf(apiKey), Now: now, Propagation: propagation, Streams: []string{streamID}, Plan: plan, Pool: pool,
	})
	if err != nil {
		return nil, err
	}
	server.SetQuirks(qencode.Quirks{ForgetsAtOnce: true})
	return qencodeStandin{server, now}, nil
}

func (q qencodeStandin) handler() http.Handler { return q.server.Handler() }

func (q qencodeStandin) target() keystore.Target {
	return keystore.Target{Provider: Qencode, Scheme: schemes.QencodeJWT, Resources: []string{stream}}
}

func (q qencodeStandin) adapter(over rest.Config, t provider.Traits) (provider.Provider, error) {
	return qencodeclient.New(qencodeclient.Config{
		APIKey: secretOf(apiKey), CDN: over.Base, Live: over.Base, Propagation: t.Propagation, HTTP: over,
	})
}

func (q qencodeStandin) accepted() []tokens.Key { return q.server.Accepted(stream, q.now()) }

func (q qencodeStandin) kids() []string {
	var kids []string
	for _, k := range q.server.Keys(stream) {
		kids = append(kids, k.ID)
	}
	return kids
}

func (q qencodeStandin) change() string { return qencode.CallCreateKey }

func (q qencodeStandin) secret(string) tokens.Secret { return tokens.Secret{} }

func (q qencodeStandin) byHand(resource string, _ tokens.Secret) (string, error) {
	return q.server.PersonCreatesKey(resource, "")
}

// wowzaStandin is one stream target, or two.
type wowzaStandin struct {
	server *wowza.Server
	ids    []string
	now    func() time.Time
}

func newWowza(plan *fault.Plan, kind rotatetest.Kind, now func() time.Time, propagation time.Duration) (standin, error) {
	server, err := wowza.New(wowza.Config{
		AccessKey: secretOf(accessKey), APIKey: secretOf(apiKey), Now: now, Propagation: propagation, Plan: plan,
	})
	if err != nil {
		return nil, err
	}
	server.SetQuirks(wowza.Quirks{Edges: wowza.EdgesNeither})
	w := wowzaStandin{server: server, now: now}
	for i := range slots(kind) {
		w.ids = append(w.ids, server.AddTarget(fmt.Sprintf("target %d", i+1), tokens.Secret{}))
	}
	return w, nil
}

func (w wowzaStandin) handler() http.Handler { return w.server.Handler() }

func (w wowzaStandin) target() keystore.Target {
	return keystore.Target{Provider: Wowza, Scheme: schemes.WowzaHdnts, Resources: w.ids}
}

func (w wowzaStandin) adapter(over rest.Config, t provider.Traits) (provider.Provider, error) {
	return wowzaclient.New(wowzaclient.Config{
		Base: over.Base, Version: "v1.8", Auth: wowzaclient.HMAC(secretOf(accessKey), secretOf(apiKey)),
		Propagation: t.Propagation, HTTP: over,
	})
}

func (w wowzaStandin) accepted() []tokens.Key {
	var keys []tokens.Key
	for _, id := range w.ids {
		keys = append(keys, prepare(wowzascheme.Scheme{}, w.server.Effective(id, w.now())...)...)
	}
	return keys
}

func (w wowzaStandin) kids() []string { return nil }

func (w wowzaStandin) change() string { return "patch target" }

func (w wowzaStandin) secret(resource string) tokens.Secret {
	secret, err := w.server.Secret(resource)
	if err != nil {
		return tokens.Secret{}
	}
	return secret
}

func (w wowzaStandin) byHand(resource string, secret tokens.Secret) (string, error) {
	return "", w.server.SetSecret(resource, secret)
}

// agoraStandin is one play domain, or two.
type agoraStandin struct {
	server  *agora.Server
	plan    *fault.Plan
	domains []string
	now     func() time.Time
}

func newAgora(plan *fault.Plan, kind rotatetest.Kind, now func() time.Time, propagation time.Duration) (standin, error) {
	server, err := agora.New(agora.Config{
		AppID: appID, CustomerID: customerID, CustomerSecret: secretOf(apiKey), Now: now, Propagation: propagation, Gap: true,
	})
	if err != nil {
		return nil, err
	}
	a := agoraStandin{server: server, plan: plan, now: now}
	for i := range slots(kind) {
		name := fmt.Sprintf("play%d.example.com", i+1)
		if err := server.PersonAddsPlayDomain(name, tokens.Secret{}); err != nil {
			return nil, err
		}
		a.domains = append(a.domains, name)
	}
	return a, nil
}

func (a agoraStandin) handler() http.Handler { return a.plan.Handler(a.server.Call, a.server) }

func (a agoraStandin) target() keystore.Target {
	t := keystore.Target{Provider: Agora, Scheme: schemes.AgoraTimestamp}
	for _, name := range a.domains {
		t.Resources = append(t.Resources, agoraclient.Resource(name))
	}
	return t
}

func (a agoraStandin) adapter(over rest.Config, t provider.Traits) (provider.Provider, error) {
	return agoraclient.New(agoraclient.Config{
		HTTP: over, AppID: appID, Propagation: t.Propagation,
		Credentials: agoraclient.Credentials{CustomerID: customerID, CustomerSecret: secretOf(apiKey)},
	})
}

func (a agoraStandin) accepted() []tokens.Key {
	var keys []tokens.Key
	for _, name := range a.domains {
		authKey, _ := a.server.Effective(name, a.now())
		keys = append(keys, prepare(agorascheme.Scheme{}, authKey)...)
	}
	return keys
}

func (a agoraStandin) kids() []string { return nil }

func (a agoraStandin) change() string { return agora.CallSetAuthKey }

func (a agoraStandin) secret(resource string) tokens.Secret {
	return a.server.AuthKey(strings.TrimPrefix(resource, agoraclient.Resource("")))
}

func (a agoraStandin) byHand(resource string, secret tokens.Secret) (string, error) {
	return "", a.server.PersonSetsAuthKey(strings.TrimPrefix(resource, agoraclient.Resource("")), secret)
}
