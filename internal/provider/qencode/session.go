package qencode

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/tokens"
)

const (
	// tokenUse is how long an access token is used. It counts for 24 hours.
	tokenUse = 23 * time.Hour
	// tokenMargin is how long before its end, where the token says when that is, a token is renewed.
	tokenMargin = 10 * time.Minute
	// maxToken bounds an access token, in bytes.
	maxToken = 8 << 10
)

// session keeps the access token of an account, one for all callers. Whoever finds it old renews it, while
// the others wait.
type session struct {
	live   *rest.Client
	apiKey tokens.Secret
	now    func() time.Time
	gate   chan struct{} // full while somebody logs in

	mu      sync.Mutex
	current login
	attempt uint64 // grows with each login that was tried to its end
	failure error  // of the last attempt
}

const loginCall = "access token"

// login is an access token and the time to renew it.
type login struct {
	token tokens.Secret
	until time.Time
}

func newSession(live *rest.Client, apiKey tokens.Secret, now func() time.Time) *session {
	return &session{live: live, apiKey: apiKey, now: now, gate: make(chan struct{}, 1)}
}

// token returns an access token that should be good. used is one that the provider has refused, or the zero
// Secret: it is not returned again.
func (s *session) token(ctx context.Context, used tokens.Secret) (tokens.Secret, error) {
	held, before := s.look()
	if s.good(held, used) {
		return held.token, nil
	}
	select {
	case s.gate <- struct{}{}:
		defer func() { <-s.gate }()
	case <-ctx.Done():
		return tokens.Secret{}, &provider.Error{
			Class: provider.ErrThrottled, Provider: Name, Call: loginCall, Detail: "the call ended while another logged in; nothing was sent",
		}
	}
	// While this caller waited, another may have logged in; or have failed to, and then this one shall not
	// ask the same again.
	held, after := s.look()
	if s.good(held, used) {
		return held.token, nil
	}
	if failure := s.lastFailure(); after != before && failure != nil {
		return tokens.Secret{}, failure
	}
	return s.logIn(ctx)
}

func (s *session) look() (held login, attempt uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, s.attempt
}

func (s *session) lastFailure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

func (s *session) good(held login, used tokens.Secret) bool {
	return held.token.Len() > 0 && s.now().Before(held.until) && !held.token.Equal(used)
}

// logIn asks for a new token. The caller holds the gate.
func (s *session) logIn(ctx context.Context) (tokens.Secret, error) {
	fresh, err := s.ask(ctx)
	if ctx.Err() != nil && err != nil {
		// This caller gave up; the next one shall try.
		return tokens.Secret{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempt++
	s.failure = err
	if err != nil {
		return tokens.Secret{}, err
	}
	s.current = fresh
	return fresh.token, nil
}

// ask makes the call. It may be repeated: a token that nobody holds harms nobody.
func (s *session) ask(ctx context.Context) (login, error) {
	resp, err := s.live.Do(ctx, rest.Request{
		Call: loginCall, Method: http.MethodPost, Path: "/v1/access_token/" + string(s.apiKey.Reveal()), Repeat: rest.ReadOnly,
	})
	if err != nil {
		return login{}, loginFailure(err)
	}
	defer clear(resp.Body)
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := rest.Decode(resp, &answer); err != nil {
		return login{}, err
	}
	if !isHeaderText(answer.Token) {
		return login{}, resp.Unreadable("the answer holds no access token")
	}
	now := s.now()
	return login{token: tokens.NewSecret([]byte(answer.Token)), until: renewal(answer.Token, now)}, nil
}

// loginFailure keeps a login that finds nothing from being taken for a resource that does not exist: the
// API key is in the path.
func loginFailure(err error) error {
	failure, ok := errors.AsType[*provider.Error](err)
	if !ok || !failure.Gone {
		return err
	}
	denied := *failure
	denied.Class, denied.Gone = provider.ErrDenied, false
	denied.Detail = "the API key is unknown there, or the base address of api-live is wrong"
	return &denied
}

func isHeaderText(token string) bool {
	visible := func(c rune) bool { return c > ' ' && c < 0x7f }
	return token != "" && len(token) <= maxToken && strings.IndexFunc(token, func(c rune) bool { return !visible(c) }) < 0
}

// renewal returns when to renew a token that was given at now: before the end that it names, if it can be
// read, and after tokenUse at the latest. A clock that is off does not make it useless at once.
func renewal(token string, now time.Time) time.Time {
	latest := now.Add(tokenUse)
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return latest
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return latest
	}
	var claims struct {
		Exp int64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Exp <= 0 {
		return latest
	}
	named := time.Unix(claims.Exp, 0).Add(-tokenMargin)
	if named.After(now) && named.Before(latest) {
		return named
	}
	return latest
}
