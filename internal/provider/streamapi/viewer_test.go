package streamapi_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/provider/streamapi"
	sandbox "github.com/tokensvc/tokensvc/internal/sandbox/provider/streamapi"
	"github.com/tokensvc/tokensvc/tokens"
)

func viewerKeys(t *testing.T) *streamapi.ViewerKeys {
	t.Helper()
	keys, err := streamapi.NewViewerKeys(secret(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestViewerKeys(t *testing.T) {
	keys, now := viewerKeys(t), time.Unix(1_284_000_000, 0)
	key, err := keys.Mint("1000016132", "ann-9_x", time.Minute, now)
	if err != nil {
		t.Fatal(err)
	}
	v, err := keys.Check(t.Context(), key, "1000016132", now.Add(59*time.Second))
	if err != nil || v.ID != "ann-9_x" || v.Nonce == "" || !v.Expires.Equal(now.Add(time.Minute)) {
		t.Errorf("%+v, %v", v, err)
	}
	if again, err := keys.Mint("1000016132", "ann-9_x", time.Minute, now); err != nil || again == key {
		t.Errorf("made twice, the key is the same: %v", err)
	}
	other, err := streamapi.NewViewerKeys(secret(strings.Repeat("o", 32)))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		keys    *streamapi.ViewerKeys
		key, id string
		after   time.Duration
		want    tokens.Reason
	}{
		"expired":         {keys, key, "1000016132", time.Minute, tokens.Expired},
		"a clock far off": {keys, key, "1000016132", -time.Hour, tokens.LifetimeTooLong},
		"another session": {keys, key, "1000016133", 0, tokens.BadSignature},
		"another secret":  {other, key, "1000016132", 0, tokens.BadSignature},
		"another viewer":  {keys, strings.Replace(key, "ann", "bob", 1), "1000016132", 0, tokens.BadSignature},
		"a later expiry":  {keys, strings.Replace(key, "1284000060", "1284000061", 1), "1000016132", 0, tokens.BadSignature},
		"cut short":       {keys, key[:len(key)-1], "1000016132", 0, tokens.BadSignature},
		"nothing":         {keys, "", "1000016132", 0, tokens.Malformed},
		"a part more":     {keys, key + ".x", "1000016132", 0, tokens.Malformed},
		"no session":      {keys, key, "", 0, tokens.Malformed},
		"a long one":      {keys, key + strings.Repeat("x", 300), "1000016132", 0, tokens.Malformed},
	} {
		_, err := c.keys.Check(t.Context(), c.key, c.id, now.Add(c.after))
		if !errors.Is(err, tokens.ErrRefused) || tokens.ReasonOf(err) != c.want {
			t.Errorf("%s: %v (%s), want %s", name, err, tokens.ReasonOf(err), c.want)
		}
		if err != nil && c.key != "" && strings.Contains(err.Error(), c.key) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
	for name, mint := range map[string]func() (string, error){
		"no session":       func() (string, error) { return keys.Mint("", "ann", time.Minute, now) },
		"a dot in the id":  func() (string, error) { return keys.Mint("1", "ann.1", time.Minute, now) },
		"no viewer":        func() (string, error) { return keys.Mint("1", "", time.Minute, now) },
		"no lifetime":      func() (string, error) { return keys.Mint("1", "ann", 0, now) },
		"a day":            func() (string, error) { return keys.Mint("1", "ann", 24*time.Hour, now) },
		"a viewer of lore": func() (string, error) { return keys.Mint("1", strings.Repeat("a", 65), time.Minute, now) },
	} {
		if _, err := mint(); !errors.Is(err, tokens.ErrInvalidParams) {
			t.Errorf("%s: %v, want ErrInvalidParams", name, err)
		}
	}
	if _, err := streamapi.NewViewerKeys(secret("short")); err == nil {
		t.Error("a short secret was taken")
	}
}

// TestPrivateSession goes the whole way: a session is made, a viewer gets a key, the player joins, and the
// stand-in asks the site.
func TestPrivateSession(t *testing.T) {
	keys := viewerKeys(t)
	used := make(map[string]bool)
	site := httptest.NewServer(streamapi.Callback{
		Keys: keys, Now: time.Now,
		Admit: func(_ *http.Request, _ string, v streamapi.Viewer, userIP string) error {
			if used[v.Nonce] || userIP != "198.51.100.7" {
				return errors.New("used before, or from elsewhere")
			}
			used[v.Nonce] = true
			return nil
		},
	})
	defer site.Close()
	s := newStand(t, func(cfg *sandbox.Config) { cfg.CallbackURL = site.URL })
	c, ctx := newClient(t, rest.Config{Base: s.serve(t)}), t.Context()
	host, err := c.CreateSession(ctx, streamapi.NewSession{})
	if err != nil {
		t.Fatal(err)
	}
	if !s.server.GoLive(host.PrivateID) {
		t.Fatal("cannot go live")
	}
	mint := func(viewer string, now time.Time) string {
		key, err := keys.Mint(host.PublicID, viewer, time.Minute, now)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	key := mint("ann", time.Now())
	if err := s.server.Watch(ctx, host.PublicID, key, "198.51.100.7"); err != nil {
		t.Errorf("a good key: %v", err)
	}
	for name, c := range map[string]struct{ key, ip string }{
		"used before":    {key, "198.51.100.7"},
		"from elsewhere": {mint("ann", time.Now()), "203.0.113.9"},
		"no key":         {"", "198.51.100.7"},
		"expired":        {mint("ann", time.Now().Add(-2*time.Minute)), "198.51.100.7"},
		"the public id":  {host.PublicID, "198.51.100.7"},
	} {
		if err := s.server.Watch(ctx, host.PublicID, c.key, c.ip); !errors.Is(err, sandbox.ErrNotAdmitted) {
			t.Errorf("%s: %v, want ErrNotAdmitted", name, err)
		}
	}
}

func TestCallback(t *testing.T) {
	keys := viewerKeys(t)
	key, err := keys.Mint("1", "ann", time.Minute, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	h := streamapi.Callback{Keys: keys, Now: time.Now}
	const admitted = "<code>0</code>"
	for name, c := range map[string]struct {
		method, query string
		form          url.Values
		status        int
		want          string
	}{
		"a good key":         {"POST", "", url.Values{"action": {"login"}, "public_hostid": {"1"}, "key": {key}}, 200, admitted + "<user><name>ann</name><role>viewer</role></user>"},
		"the query":          {"POST", "?action=login&public_hostid=1&key=" + key, nil, 200, "<code>1</code>"},
		"two keys":           {"POST", "", url.Values{"action": {"login"}, "public_hostid": {"1"}, "key": {key, key}}, 200, "<code>1</code>"},
		"two sessions":       {"POST", "", url.Values{"action": {"login"}, "public_hostid": {"1", "2"}, "key": {key}}, 200, "<code>1</code>"},
		"a password":         {"POST", "", url.Values{"action": {"login"}, "public_hostid": {"1"}, "username": {"ann"}, "password": {"x"}}, 200, "<code>1</code>"},
		"the end":            {"POST", "", url.Values{"action": {"end_live"}, "public_hostid": {"1"}}, 200, admitted},
		"an unknown action":  {"POST", "", url.Values{"action": {"admit"}, "public_hostid": {"1"}, "key": {key}}, 200, "<code>1</code>"},
		"GET":                {"GET", "?action=login&public_hostid=1&key=" + key, nil, 405, ""},
		"a body of 20,000 B": {"POST", "", url.Values{"action": {"login"}, "x": {strings.Repeat("x", 20_000)}}, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), c.method, "/cb"+c.query, strings.NewReader(c.form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			body, err := io.ReadAll(w.Body)
			if err != nil || w.Code != c.status || !strings.Contains(string(body), c.want) {
				t.Errorf("%d %s, %v; want %d and %s", w.Code, body, err, c.status, c.want)
			}
			if isIn := strings.Contains(string(body), admitted); isIn != (c.want != "" && strings.HasPrefix(c.want, admitted)) {
				t.Errorf("admitted %v", isIn)
			}
			if strings.Contains(string(body), key) {
				t.Error("the answer shows the key")
			}
		})
	}
}
