package agora_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	"github.com/tokensvc/tokensvc/internal/sandbox/provider/agora"
	"github.com/tokensvc/tokensvc/tokens"
)

const (
	appID  = "0b2f4a6c8d1e4f3a9c7b5d2e1f0a9b8c"
	prefix = "/v1/projects/" + appID + "/fls"
	play   = "play.example.com"
)

func start() time.Time { return time.Date(2024, 5, 6, 12, 0, 0, 0, time.UTC) }

func newServer(t *testing.T, change func(*agora.Config)) *agora.Server {
	t.Helper()
	cfg := agora.Config{AppID: appID, CustomerID: "id", CustomerSecret: tokens.NewSecret([]byte("secret")), Now: start}
	if change != nil {
		change(&cfg)
	}
	s, err := agora.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PersonAddsPlayDomain(play, tokens.NewSecret([]byte("z2tn3uiny0aasebz"))); err != nil {
		t.Fatal(err)
	}
	return s
}

// signed is a request with what its signature says of it, to be made wrong by a test.
type signed struct {
	method, target, body string
	// What is signed.
	host, date, line, digest, headers, secret string
	// What is sent beside it.
	sentDate, sentBody, sentAuthorization string
	proto                                 int
}

func request(method, target, body string) *signed {
	sum := sha256.Sum256([]byte(body))
	date := start().Format(http.TimeFormat)
	return &signed{
		method: method, target: target, body: body, host: "api.agora.io", date: date, line: method + " " + target + " HTTP/1.1",
		digest:  "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:]),
		headers: "host date request-line digest", secret: "secret", sentDate: date, sentBody: body, proto: 1,
	}
}

func (q *signed) send(t *testing.T, s http.Handler) int {
	t.Helper()
	lines := make([]string, 0, 4)
	for name := range strings.FieldsSeq(q.headers) {
		switch name {
		case "host":
			lines = append(lines, "host: "+q.host)
		case "date":
			lines = append(lines, "date: "+q.date)
		case "request-line":
			lines = append(lines, q.line)
		default:
			lines = append(lines, "digest: "+q.digest)
		}
	}
	mac := hmac.New(sha256.New, []byte(q.secret))
	_, _ = io.WriteString(mac, strings.Join(lines, "\n"))
	r := httptest.NewRequestWithContext(t.Context(), q.method, q.target, strings.NewReader(q.sentBody))
	r.Host = "api.agora.io"
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Date", q.sentDate)
	r.Header.Set("Digest", q.digest)
	r.Header.Set("Authorization", `hmac username="id", algorithm="hmac-sha256", headers="`+q.headers+
		`", signature="`+base64.StdEncoding.EncodeToString(mac.Sum(nil))+`"`)
	if q.sentAuthorization != "" {
		r.Header.Set("Authorization", q.sentAuthorization)
	}
	if q.proto == 2 {
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code
}

func TestStrictAuthentication(t *testing.T) {
	const target = prefix + "/domains?id=new.example.com"
	stale := start().Add(-301 * time.Second).Format(http.TimeFormat)
	for name, c := range map[string]struct {
		change func(*signed)
		want   int
	}{
		"as documented":           {func(*signed) {}, 201},
		"another order":           {func(q *signed) { q.headers = "digest request-line date host" }, 201},
		"the query not signed":    {func(q *signed) { q.line = "POST " + prefix + "/domains HTTP/1.1" }, 401},
		"sent as HTTP/2":          {func(q *signed) { q.proto = 2 }, 401},
		"another method signed":   {func(q *signed) { q.line = "GET " + target + " HTTP/1.1" }, 401},
		"another host signed":     {func(q *signed) { q.host = "elsewhere.example" }, 401},
		"another date sent":       {func(q *signed) { q.sentDate = start().Add(time.Second).Format(http.TimeFormat) }, 401},
		"a stale date":            {func(q *signed) { q.date, q.sentDate = stale, stale }, 401},
		"a date in another form":  {func(q *signed) { q.date, q.sentDate = "2024-05-06", "2024-05-06" }, 401},
		"another body sent":       {func(q *signed) { q.sentBody += " " }, 401},
		"the digest not covered":  {func(q *signed) { q.headers = "host date request-line" }, 401},
		"the date not covered":    {func(q *signed) { q.headers = "host request-line digest" }, 401},
		"another secret":          {func(q *signed) { q.secret = "other" }, 401},
		"basic credentials":       {func(q *signed) { q.sentAuthorization = "Basic aWQ6c2VjcmV0" }, 401},
		"no credentials to speak": {func(q *signed) { q.sentAuthorization = "hmac" }, 401},
		"an unknown member":       {func(q *signed) { *q = *request("POST", target, `{"type":"play","enableHttps":true}`) }, 400},
		"another project":         {func(q *signed) { *q = *request("GET", "/v1/projects/other/fls/domains", "") }, 404},
		"an empty authKey":        {func(q *signed) { *q = *request("PATCH", prefix+"/domains/"+play, `{"authKey":""}`) }, 400},
		"an authKey too long": {func(q *signed) {
			*q = *request("PATCH", prefix+"/domains/"+play, `{"authKey":"`+strings.Repeat("x", 129)+`"}`)
		}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			q := request(http.MethodPost, target, `{"type":"play"}`)
			c.change(q)
			if got := q.send(t, newServer(t, nil)); got != c.want {
				t.Errorf("status %d, want %d", got, c.want)
			}
		})
	}
}

// TestVectorsAreLetIn presents the published signatures: none is answered 401.
func TestVectorsAreLetIn(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "provider", "agora", "testdata", "agora_httpsig_public.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct{ ID, Method, Path, Host, Date, Body, Username, Secret, Digest, Authorization string }
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) == 0 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, v := range vectors {
		now, err := http.ParseTime(v.Date)
		if err != nil {
			t.Fatal(err)
		}
		s := newServer(t, func(cfg *agora.Config) {
			cfg.CustomerID, cfg.CustomerSecret = v.Username, tokens.NewSecret([]byte(v.Secret))
			cfg.Now = func() time.Time { return now }
		})
		r := httptest.NewRequestWithContext(t.Context(), v.Method, v.Path, strings.NewReader(v.Body))
		r.Host = v.Host
		r.Header = http.Header{"Date": {v.Date}, "Digest": {v.Digest}, "Authorization": {v.Authorization}, "Content-Type": {"application/json"}}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code == http.StatusUnauthorized {
			t.Errorf("%s: %s", v.ID, w.Body)
		}
	}
}

func TestCallsBeyondTheLimitAreThrottled(t *testing.T) {
	now := start()
	s := newServer(t, func(cfg *agora.Config) { cfg.Now = func() time.Time { return now } })
	q := request(http.MethodGet, prefix+"/domains", "")
	for n := 1; n <= 51; n++ {
		want := http.StatusOK
		if n > 50 {
			want = http.StatusTooManyRequests
		}
		if got := q.send(t, s); got != want {
			t.Fatalf("call %d: status %d, want %d", n, got, want)
		}
	}
	now = now.Add(time.Second)
	if got := q.send(t, s); got != http.StatusOK {
		t.Errorf("a second later: status %d", got)
	}
}

func TestEdgesLearnLate(t *testing.T) {
	now := start()
	key := func(s string) tokens.Secret { return tokens.NewSecret([]byte(s)) }
	first, second, third := key("z2tn3uiny0aasebz"), key("q8sl0bkcn7wwpxre"), key("q8sl0bkcn7wwpxrf")
	for _, gap := range []bool{false, true} {
		now = start()
		s := newServer(t, func(cfg *agora.Config) {
			cfg.Now, cfg.Propagation, cfg.Gap = func() time.Time { return now }, time.Minute, gap
		})
		want := func(at time.Duration, want tokens.Secret) {
			t.Helper()
			got, isProtected := s.Effective(play, start().Add(at))
			if !isProtected || !got.Equal(want) {
				t.Errorf("gap %v, after %v: the edges hold another key than expected (protected %v)", gap, at, isProtected)
			}
		}
		during := func(old tokens.Secret) tokens.Secret {
			if gap {
				return tokens.Secret{}
			}
			return old
		}
		want(0, first)
		now = start().Add(10 * time.Second)
		if got := request(http.MethodPatch, prefix+"/domains/"+play, `{"authKey":"q8sl0bkcn7wwpxre"}`).send(t, s); got != http.StatusOK {
			t.Fatalf("status %d", got)
		}
		if !s.AuthKey(play).Equal(second) {
			t.Error("the API does not show the new key at once")
		}
		want(9*time.Second, first)
		want(69*time.Second, during(first))
		want(70*time.Second, second)
		now = start().Add(40 * time.Second)
		if err := s.PersonSetsAuthKey(play, third); err != nil {
			t.Fatal(err)
		}
		want(75*time.Second, during(second))
		want(100*time.Second, third)
		now = start().Add(200 * time.Second)
		if got := request(http.MethodDelete, prefix+"/domains/"+play, "").send(t, s); got != http.StatusOK {
			t.Fatalf("status %d", got)
		}
		want(259*time.Second, third)
		want(260*time.Second, tokens.Secret{})
	}
}

func TestADomainWithoutAKeyIsOpen(t *testing.T) {
	s := newServer(t, nil)
	if err := s.PersonAddsPlayDomain("open.example.com", tokens.Secret{}); err != nil {
		t.Fatal(err)
	}
	if _, isProtected := s.Effective("open.example.com", start()); isProtected {
		t.Error("a domain without authKey asks for signs")
	}
	if key, isProtected := s.Effective("nobody.example.com", start()); !isProtected || key.Len() != 0 {
		t.Error("edges serve a domain that nobody added")
	}
}

func TestEffectsAreSeen(t *testing.T) {
	plan := fault.New(start)
	s := newServer(t, func(cfg *agora.Config) { cfg.Now = plan.Now })
	var phases []fault.Phase
	plan.Observe(func(e fault.Event) {
		if e.Call != agora.CallSetAuthKey {
			t.Errorf("call %q", e.Call)
		}
		phases = append(phases, e.Phase)
		isNew := s.AuthKey(play).Equal(tokens.NewSecret([]byte("q8sl0bkcn7wwpxre")))
		if isNew != (e.Phase == fault.After) {
			t.Errorf("phase %v: new key %v", e.Phase, isNew)
		}
	})
	h := plan.Handler(s.Call, s)
	request(http.MethodPatch, prefix+"/domains/"+play, `{"authKey":"q8sl0bkcn7wwpxre"}`).send(t, h)
	request(http.MethodGet, prefix+"/domains", "").send(t, h)
	if len(phases) != 2 {
		t.Errorf("%d events, want one before and one after", len(phases))
	}
}
