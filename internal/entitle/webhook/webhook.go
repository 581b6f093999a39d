// Package webhook asks the web hooks of the config file whether a viewer may watch. docs/webhooks.md is its
// contract: how requests are signed, what counts as an answer, and what happens where there is none.
package webhook

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/tokens"
)

// OnError says what counts while a web hook gives no answer.
type OnError string

// Answers to errors.
const (
	// Deny lets nobody in: the caller learns that nobody knows.
	Deny OnError = "deny"
	// LastKnown takes the hook's last answer to the same question while it is not older than MaxAge.
	LastKnown OnError = "last_known"
)

// Bounds of web hooks.
const (
	// MinSecret is the least length of a secret, in bytes.
	MinSecret = 16
	// maxAnswer bounds the body of an answer, in bytes.
	maxAnswer = 16 << 10
	// maxKnown is how many answers of one hook are remembered; one takes about 200 bytes.
	maxKnown = 65536
	// maxConnections is how many questions may be open at one hook.
	maxConnections = 64
)

// Config describes one web hook.
type Config struct {
	// ID is the name by which policies refer to it.
	ID string
	// URL is where questions go: https, or http on loopback.
	URL string
	// Secret signs the questions; at least MinSecret bytes.
	Secret tokens.Secret
	// Timeout bounds one question, the connection included.
	Timeout time.Duration
	OnError OnError
	// MaxAge is how old an answer may be for LastKnown.
	MaxAge time.Duration
	// CacheTTL is how long an answer is used without asking again; 0 asks every time.
	CacheTTL time.Duration
}

// Hooks are the web hooks of one service. Close must follow.
type Hooks struct {
	byID   map[string]*hook
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
	ctx    context.Context //nolint:containedctx // of the questions under way; Close ends it
	stop   context.CancelFunc
	asking sync.WaitGroup
}

var _ entitle.Hooks = (*Hooks)(nil)

// hook is one web hook with what is known of it.
type hook struct {
	Config
	breaker *breaker
	flights singleflight.Group
	known   *otter.Cache[question, known]
}

// question identifies equal questions: the hash of all that the hook is asked.
type question [sha256.Size]byte

// known is an answer and when it was given.
type known struct {
	answer entitle.HookAnswer
	at     time.Time
}

// New returns the hooks. The error names every one that is at fault.
func New(configs []Config, now func() time.Time, log *slog.Logger) (*Hooks, error) {
	ctx, stop := context.WithCancel(context.Background())
	h := &Hooks{byID: make(map[string]*hook, len(configs)), client: newClient(), now: now, log: log, ctx: ctx, stop: stop}
	var faults []error
	for _, c := range configs {
		if err := c.check(); err != nil {
			faults = append(faults, fmt.Errorf("web hook %q: %w", c.ID, err))
			continue
		}
		h.byID[c.ID] = &hook{
			Config: c, breaker: &breaker{},
			known: otter.Must(&otter.Options[question, known]{MaximumSize: maxKnown}),
		}
	}
	if err := errors.Join(faults...); err != nil {
		stop()
		return nil, err
	}
	return h, nil
}

func (c *Config) check() error {
	if err := CheckURL(c.URL); err != nil {
		return err
	}
	switch {
	case c.Secret.Len() < MinSecret:
		return fmt.Errorf("the secret has %d bytes; want at least %d", c.Secret.Len(), MinSecret)
	case c.Timeout <= 0:
		return errors.New("needs a time-out")
	case c.OnError == LastKnown && c.MaxAge <= 0:
		return errors.New("on_error last_known needs a max_age")
	case c.OnError != LastKnown && c.OnError != Deny:
		return fmt.Errorf("on_error is %q; want %s or %s", c.OnError, Deny, LastKnown)
	}
	return nil
}

// CheckURL wants an absolute https URL; http only on loopback, where nobody listens in.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		return fmt.Errorf("%q is not an absolute URL", tokens.Clip(text))
	case u.User != nil || u.Fragment != "":
		return errors.New("the URL must not hold a user, password or fragment")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	default:
		return fmt.Errorf("want https; http is for loopback addresses alone, not %q", tokens.Clip(u.Host))
	}
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// newClient follows no redirects: the answer would be that of a host nobody has named.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			MaxConnsPerHost: maxConnections, MaxIdleConnsPerHost: maxConnections, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: maxAnswer, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close ends the questions under way and waits for them.
func (h *Hooks) Close() {
	h.stop()
	h.asking.Wait()
	h.client.CloseIdleConnections()
}

// Has implements entitle.Hooks.
func (h *Hooks) Has(id string) bool { return h.byID[id] != nil }

// Ask implements entitle.Hooks. Equal questions at the same time are asked once.
func (h *Hooks) Ask(ctx context.Context, id string, r *entitle.Request) (entitle.HookAnswer, error) {
	hook := h.byID[id]
	if hook == nil {
		return entitle.HookAnswer{}, fmt.Errorf("web hook %q does not stand in the config file", id)
	}
	asked := ask{
		Hook: id, PlaybackID: r.Playback.ID, TargetID: r.Playback.TargetID, Viewer: r.Viewer,
		Device: r.Viewing.Device, Country: r.Viewing.Country, Attributes: r.Viewing.Attributes,
	}
	if r.Viewing.ClientIP.IsValid() {
		asked.ClientIP = r.Viewing.ClientIP.String()
	}
	text, err := json.Marshal(asked)
	if err != nil {
		return entitle.HookAnswer{}, err
	}
	key := question(sha256.Sum256(text))
	if k, ok := hook.known.GetIfPresent(key); ok && k.holds(h.now(), hook.CacheTTL) {
		return k.answer, nil
	}
	flight := hook.flights.DoChan(hex.EncodeToString(key[:]), func() (any, error) {
		h.asking.Add(1)
		defer h.asking.Done()
		return h.put(hook, key, asked)
	})
	select {
	case <-ctx.Done():
		return entitle.HookAnswer{}, ctx.Err()
	case result := <-flight:
		if result.Err != nil {
			return hook.fallback(key, h.now(), result.Err)
		}
		return result.Val.(entitle.HookAnswer), nil //nolint:errcheck // only answers are ever returned
	}
}

// put asks once, and remembers the answer. It runs for all who have the same question, so that no caller's
// deadline ends it for the others.
func (h *Hooks) put(hook *hook, key question, asked ask) (entitle.HookAnswer, error) {
	if wait := hook.breaker.wait(h.now()); wait > 0 {
		return entitle.HookAnswer{}, fmt.Errorf("it has failed %d times in a row and is not asked for another %s", tripAfter, wait.Round(time.Millisecond))
	}
	ctx, cancel := context.WithTimeout(h.ctx, hook.Timeout)
	defer cancel()
	at := h.now()
	asked.ID, asked.Time = rand.Text(), at.UTC().Format(time.RFC3339)
	answer, err := h.send(ctx, hook, asked, at)
	if hook.breaker.report(h.now(), err == nil) {
		h.log.Warn("web hook fails and is left alone for a while", "webhook", hook.ID, "pause", pause.String(), "error", err)
	}
	if err != nil {
		return entitle.HookAnswer{}, err
	}
	hook.known.Set(key, known{answer: answer, at: at})
	return answer, nil
}

// fallback answers in place of a hook that gives no answer.
func (h *hook) fallback(key question, now time.Time, cause error) (entitle.HookAnswer, error) {
	k, ok := h.known.GetIfPresent(key)
	if h.OnError != LastKnown || !ok || !k.holds(now, h.MaxAge) {
		return entitle.HookAnswer{}, fmt.Errorf("web hook %q: %w", h.ID, cause)
	}
	answer := k.answer
	answer.Detail += fmt.Sprintf(" (known since %s; the hook does not answer now)", k.at.UTC().Format(time.RFC3339))
	if end := k.at.Add(h.MaxAge); answer.Until.IsZero() || end.Before(answer.Until) {
		answer.Until = end // no token outlives what is known
	}
	return answer, nil
}

// holds reports whether an answer still counts when it may be of the given age.
func (k *known) holds(now time.Time, age time.Duration) bool {
	return now.Before(k.at.Add(age)) && !now.Before(k.at) && (k.answer.Until.IsZero() || now.Before(k.answer.Until))
}
