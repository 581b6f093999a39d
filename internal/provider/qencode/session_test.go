package qencode_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	sandbox "github.com/tokensvc/tokensvc/internal/sandbox/provider/qencode"
)

// list lists the keys of the stream n times at once and returns the errors.
func (a *account) list(ctx context.Context, n int) []error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { _, errs[i] = a.client.List(ctx, stream) })
	}
	all.Wait()
	return errs
}

func TestOneLoginForAll(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	for round, before := range []func(){
		func() {},
		func() { a.clock.Add(23*time.Hour - time.Second) }, // still good: this round logs in no more
		func() { a.clock.Add(2 * time.Second) },
		a.server.ExpireTokens, // refused mid-flight
	} {
		before()
		if err := errors.Join(a.list(t.Context(), 20)...); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		if want := []int{1, 1, 2, 3}[round]; a.server.Logins() != want {
			t.Errorf("round %d: %d logins, want %d", round, a.server.Logins(), want)
		}
	}
}

// TestMintWithExpiredToken mints with a token that was good when the call began: a 401 says that nothing was
// made, so that the one call that is never repeated is sent again.
func TestMintWithExpiredToken(t *testing.T) {
	t.Parallel()
	for _, errors200 := range []bool{false, true} {
		a := newAccount(t)
		a.server.SetQuirks(sandbox.Quirks{Errors200: errors200})
		ok(t, errors.Join(a.list(t.Context(), 1)...))
		a.plan.Add(fault.Rule{Call: sandbox.CallCreateKey, Fault: fault.Foreign(a.server.ExpireTokens)})
		minted, err := a.client.Mint(t.Context(), stream)
		ok(t, err)
		if keys := a.server.Keys(stream); len(keys) != 1 || keys[0].ID != minted.KID {
			t.Errorf("got key %s, and these stand: %v", minted.KID, keys)
		}
	}
}

// TestTokenRefusedForGood renews once and no more.
func TestTokenRefusedForGood(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	a.plan.Add(fault.Rule{Call: sandbox.CallListKeys, Times: fault.Forever, Fault: fault.Status(401)})
	_, err := a.client.List(t.Context(), stream)
	wantClass(t, err, provider.ErrDenied)
	if calls, logins := a.plan.Count(sandbox.CallListKeys), a.server.Logins(); calls != 2 || logins != 2 {
		t.Errorf("%d calls and %d logins, want 2 and 2", calls, logins)
	}
}

// TestFailedLogin says whose fault it is, asks once for all who wait, and never takes the login's failure for
// that of the call: nothing was sent, and a login that finds nothing is no key that is gone.
func TestFailedLogin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault fault.Fault
		want  error
	}{
		{"refused", fault.Status(401), provider.ErrDenied},
		{"not found", fault.Status(404), provider.ErrDenied},
		{"lost", fault.LostAfter(), provider.ErrThrottled},
		{"no token", fault.Status(200), provider.ErrThrottled},
		{"throttled", fault.Throttled("7"), provider.ErrThrottled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAccount(t)
			a.plan.Add(fault.Rule{Call: sandbox.CallLogin, Times: fault.Forever, Fault: c.fault})
			err := a.client.Revoke(t.Context(), stream, "ec25a6a6-b31e-4ac9-af01-711460421c6b")
			if failure := wantClass(t, err, c.want); failure.Gone {
				t.Errorf("%v is no key that is gone", err)
			}
			if sent := a.plan.Count(sandbox.CallDeleteKey); sent != 0 {
				t.Errorf("sent %d times without a token", sent)
			}
		})
	}
}

func TestFailedLoginIsShared(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	const callers = 20
	var arrived atomic.Int32
	waiting := make(chan struct{})
	live := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if arrived.Add(1) == 1 {
			<-waiting
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	a.client = a.clientOf(t, a.url, live)
	done := make(chan []error)
	go func() { done <- a.list(t.Context(), callers) }()
	// A caller that waits for the login gives up when its own context ends.
	for arrived.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := a.client.List(impatient, stream)
	wantClass(t, err, provider.ErrThrottled)
	close(waiting)
	for _, err := range <-done {
		wantClass(t, err, provider.ErrDenied)
	}
	// Whoever came while the first login was under way shares its failure; a late-comer may try once more.
	if n := arrived.Load(); n > callers/2 {
		t.Errorf("%d logins for %d callers that came together", n, callers)
	}
}

// TestLoginGivenUp: a caller that gives up while it logs in does not fail those who wait for it.
func TestLoginGivenUp(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	var arrived atomic.Int32
	live := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if arrived.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		a.server.Live().ServeHTTP(w, r)
	}))
	a.client = a.clientOf(t, a.url, live)
	impatient, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := make(chan error)
	go func() {
		_, err := a.client.List(impatient, stream)
		first <- err
	}()
	for arrived.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	others := make(chan []error)
	go func() { others <- a.list(t.Context(), 5) }()
	time.Sleep(20 * time.Millisecond) // let the others wait; the test holds for those who do not
	cancel()
	wantClass(t, <-first, provider.ErrThrottled)
	ok(t, errors.Join(<-others...))
}

// TestRenewal reads the end that a token names, and does not believe one that makes no sense.
func TestRenewal(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 4, 5, 6, 7, 890_000_000, time.UTC)
	jwt := func(payload string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
	}
	named := func(after time.Duration) string { return jwt(fmt.Sprintf(`{"exp":%d}`, start.Add(after).Unix())) }
	for _, c := range []struct {
		name, token string
		want        time.Duration
	}{
		{"an hour", named(time.Hour), 50 * time.Minute},
		{"a week", named(7 * 24 * time.Hour), 23 * time.Hour},
		{"a clock that is off", named(-time.Hour), 23 * time.Hour},
		{"no end", jwt(`{}`), 23 * time.Hour},
		{"damaged, as in the vendor's example", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyjpYXQiOjE2MjgxNTgyNJMs.SxS3", 23 * time.Hour},
		{"opaque", "opaque", 23 * time.Hour},
	} {
		a := newAccount(t)
		var logins atomic.Int32
		live := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			logins.Add(1)
			_, _ = io.WriteString(w, `{"access_token":"`+c.token+`"}`)
		}))
		cdn := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+c.token {
				t.Errorf("%s: Authorization %q", c.name, r.Header.Get("Authorization"))
			}
			_, _ = io.WriteString(w, `{"signing_keys":[]}`)
		}))
		a.client = a.clientOf(t, cdn, live)
		ok(t, errors.Join(a.list(t.Context(), 1)...))
		a.clock.Add(c.want - 2*time.Second)
		ok(t, errors.Join(a.list(t.Context(), 1)...))
		if n := logins.Load(); n != 1 {
			t.Errorf("%s: renewed before %v", c.name, c.want)
		}
		a.clock.Add(2 * time.Second)
		ok(t, errors.Join(a.list(t.Context(), 1)...))
		if n := logins.Load(); n != 2 {
			t.Errorf("%s: not renewed after %v", c.name, c.want)
		}
	}
	for _, token := range []string{"", "a b", "a\nb", strings.Repeat("x", 9000)} {
		a := newAccount(t)
		live := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"access_token":%q}`, token)
		}))
		_, err := a.clientOf(t, a.url, live).List(t.Context(), stream)
		wantClass(t, err, provider.ErrThrottled)
	}
}
