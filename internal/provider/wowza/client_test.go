package wowza_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/provider/wowza"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	standin "github.com/tokensvc/tokensvc/internal/sandbox/provider/wowza"
)

func TestAuthIsBoundToVersions(t *testing.T) {
	hmac, key, bearer := wowza.HMAC(secret(accessKey), secret(apiKey)), wowza.APIKey(secret(accessKey), secret(apiKey)), wowza.JWT(secret(jwt))
	cases := []struct {
		version wowza.Version
		auth    wowza.Auth
		ok      bool
	}{
		{"v1.4", hmac, true},
		{"v1.7", key, true},
		{"v1.8", hmac, true},
		{"v1.8", key, true},
		{"v1.8", bearer, true},
		{"v1.9", bearer, true},
		{"v1.11", bearer, true},
		{"v2.0", bearer, true},
		{"v1.7", bearer, false},
		{"v1.9", hmac, false},
		{"v1.11", key, false},
		{"v2.0", hmac, false},
		{"v1.3", hmac, false},
		{"v1.12", bearer, false},
		{"v2.1", bearer, false},
		{"1.8", hmac, false},
		{"v1.08", hmac, false},
		{"", hmac, false},
		{"v1.8/../v2.0", hmac, false},
		{"v1.8", wowza.Auth{}, false},
		{"v1.8", wowza.HMAC(secret(""), secret(apiKey)), false},
		{"v2.0", wowza.JWT(secret("two\nlines")), false},
	}
	for _, c := range cases {
		w := hmacWorld(t)
		_, err := wowza.New(wowza.Config{Base: w.base, Version: c.version, Auth: c.auth, HTTP: w.http})
		if (err == nil) != c.ok {
			t.Errorf("%q with %v: got %v, want ok = %v", c.version, c.auth, err, c.ok)
		}
	}
}

func TestJWTThatExpiresSoonIsLogged(t *testing.T) {
	w := hmacWorld(t)
	token := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".sig"
	}
	cases := map[string]bool{
		token(fmt.Sprintf(`{"exp":%d}`, w.now.Add(13*24*time.Hour).Unix())): true,
		token(fmt.Sprintf(`{"exp":%d}`, w.now.Add(-time.Hour).Unix())):      true,
		token(fmt.Sprintf(`{"exp":%d}`, w.now.Add(15*24*time.Hour).Unix())): false,
		token(`{}`):     false,
		token(`[]`):     false,
		"not.even a.jw": false,
	}
	for text, want := range cases {
		var log bytes.Buffer
		bounds := w.http
		bounds.Log = slog.New(slog.NewTextHandler(&log, nil))
		_, err := wowza.New(wowza.Config{Base: w.base, Version: "v2.0", Auth: wowza.JWT(secret(text)), HTTP: bounds})
		if strings.Contains(text, " ") != (err != nil) {
			t.Errorf("New: %v", err)
		}
		if got := strings.Contains(log.String(), "expires soon"); got != want {
			t.Errorf("logged %q, want a warning = %v", log.String(), want)
		}
		if strings.Contains(log.String(), text) {
			t.Error("the log shows the JWT")
		}
	}
}

func TestEachTryIsSignedAnew(t *testing.T) {
	w := hmacWorld(t)
	id := w.stand.AddTarget("event", secret(oldSecret))
	// Each wait that the provider asks for is longer than a signature counts.
	w.plan.Add(fault.Rule{Call: "get target", Fault: fault.Throttled("25")})
	w.http.MaxCall = time.Minute
	c, err := wowza.New(wowza.Config{Base: w.base, Version: "v1.8", Auth: wowza.HMAC(secret(accessKey), secret(apiKey)), HTTP: w.http})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Target(t.Context(), id); err != nil {
		t.Errorf("the second try was refused: %v", err)
	}
	if n := w.plan.Count("get target"); n != 2 {
		t.Errorf("%d tries, want 2", n)
	}
}

func TestUnauthorizedIsToldApart(t *testing.T) {
	cases := map[string]string{
		"BadAccountStatus":  "the credentials are not at fault",
		"FeatureNotEnabled": "the credentials are not at fault",
		"TrialExceeded":     "the credentials are not at fault",
	}
	for account, want := range cases {
		w := hmacWorld(t)
		id := w.stand.AddTarget("event", secret(oldSecret))
		w.stand.SetQuirks(standin.Quirks{Account: account})
		_, err := w.client.Current(t.Context(), id)
		checkError(t, err, provider.ErrDenied, "ERR-401-"+account, want)
	}
	wrong := newWorld(t, "v1.8", wowza.HMAC(secret(accessKey), secret("wrong")))
	_, err := wrong.client.Versions(t.Context())
	checkError(t, err, provider.ErrDenied, "ERR-401-InvalidSignature", "although the clocks agree")
	stranger := newWorld(t, "v1.8", wowza.APIKey(secret("nobody"), secret(apiKey)))
	_, err = stranger.client.Versions(t.Context())
	checkError(t, err, provider.ErrDenied, "ERR-401-InvalidAccessKey", "access key")
	bearer := newWorld(t, "v2.0", wowza.JWT(secret("another")))
	_, err = bearer.client.Versions(t.Context())
	checkError(t, err, provider.ErrDenied, "ERR-401-InvalidToken", "JWT")
}

func checkError(t *testing.T, err, class error, code, detail string) {
	t.Helper()
	var failure *provider.Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want a *provider.Error", err)
	}
	if !errors.Is(err, class) || failure.Code != code || !strings.Contains(failure.Detail, detail) {
		t.Errorf("got %v, want class %q, code %q and %q", err, class, code, detail)
	}
	if code != "" && len(failure.RequestID) != 32 {
		t.Errorf("request id %q, want the 32 digits of the answer", failure.RequestID)
	}
}

func TestClockThatIsOffStopsWrites(t *testing.T) {
	for _, c := range []struct {
		skew time.Duration
		side string
		ok   bool
	}{{12 * time.Second, "behind", false}, {-12 * time.Second, "ahead of", false}, {40 * time.Second, "behind", false}, {5 * time.Second, "", true}} {
		w := hmacWorld(t)
		id := w.stand.AddTarget("event", secret(oldSecret))
		w.plan.SetSkew(c.skew)
		err := w.client.Delete(t.Context(), id)
		if c.ok {
			if err != nil {
				t.Errorf("skew %v: %v", c.skew, err)
			}
			continue
		}
		checkError(t, err, provider.ErrThrottled, "", c.side)
		if n := w.plan.Count("delete target"); n != 0 {
			t.Errorf("skew %v: %d writes were sent", c.skew, n)
		}
		w.plan.SetSkew(0)
		if err := w.client.Delete(t.Context(), id); err != nil {
			t.Errorf("after the clock was corrected: %v", err)
		}
	}
}

func TestSignatureOfAClockThatIsOffBlamesTheClock(t *testing.T) {
	w := hmacWorld(t)
	w.plan.SetSkew(time.Hour)
	_, err := w.client.Versions(t.Context())
	checkError(t, err, provider.ErrDenied, "ERR-401-InvalidSignature", "correct the clock")
}

func TestIDsCannotChangeThePath(t *testing.T) {
	w := hmacWorld(t)
	for _, id := range []string{"", ".", "..", "a/b", "a?b", "a#b", "a%2fb", "a b", "ä", strings.Repeat("a", 65)} {
		_, current := w.client.Current(t.Context(), id)
		_, attach := w.client.Attach(t.Context(), "trans1", id, "target")
		for _, err := range []error{
			current, attach, w.client.Delete(t.Context(), id), w.client.Detach(t.Context(), id, "out1", "target"),
			w.client.Set(t.Context(), id, secret(newSecret)),
		} {
			if !errors.Is(err, provider.ErrRejected) {
				t.Errorf("id %q: %v, want it refused", id, err)
			}
		}
	}
	if calls := w.plan.Calls(); len(calls) != 0 {
		t.Errorf("calls were sent: %q", calls)
	}
}

func TestVersionsTellsOwnLifecycle(t *testing.T) {
	for version, want := range map[wowza.Version]bool{"v2.0": true, "v1.11": true, "v1.9": false} {
		w := newWorld(t, version, wowza.JWT(secret(jwt)))
		at, usable, err := w.client.CheckVersion(t.Context())
		if err != nil || usable != want {
			t.Errorf("%s: %q, usable = %v, %v; want %v", version, at, usable, err, want)
		}
	}
}

func TestCodesOfAnswersAreBounded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"meta":{"code":"ERR-401-<script>"},"request_id":"a b"}`))
	}))
	defer server.Close()
	w := hmacWorld(t)
	c, err := wowza.New(wowza.Config{Base: server.URL, Version: "v1.8", Auth: wowza.HMAC(secret(accessKey), secret(apiKey)), HTTP: rest.Config{Log: w.http.Log, Now: time.Now}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Versions(t.Context())
	var failure *provider.Error
	if !errors.As(err, &failure) || failure.Code != "" || failure.RequestID != "" {
		t.Errorf("got %v, want neither code nor request id", err)
	}
}

// TestBudget: the calls of a set go at once, and no minute sees more calls than Wowza allows.
func TestBudget(t *testing.T) {
	w := hmacWorld(t)
	target := w.stand.AddTarget("event", secret("00112233445566778899aabbccddeeff"))
	over := w.http
	over.Budget = nil
	client, err := wowza.New(wowza.Config{Base: w.base, Version: "v1.8", Auth: wowza.HMAC(secret(accessKey), secret(apiKey)), HTTP: over})
	if err != nil {
		t.Fatal(err)
	}
	began := w.clock()
	if _, err := client.Current(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	if err := client.Set(t.Context(), target, secret("ffeeddccbbaa99887766554433221100")); err != nil {
		t.Fatal(err)
	}
	if took := w.clock().Sub(began); took > 0 {
		t.Errorf("a look and a set waited %s for their turn", took)
	}
	for range 200 {
		if _, err := client.Current(t.Context(), target); err != nil {
			t.Fatal(err)
		}
	}
	calls, minutes := w.plan.Count(""), w.clock().Sub(began).Minutes()
	if most := 60 * minutes; float64(calls) > most {
		t.Errorf("%d calls in %.1f minutes; Wowza allows %.0f", calls, minutes, most)
	}
}
