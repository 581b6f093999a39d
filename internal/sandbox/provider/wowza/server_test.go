package wowza_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	"github.com/tokensvc/tokensvc/internal/sandbox/provider/wowza"
	"github.com/tokensvc/tokensvc/tokens"
)

const (
	one = "00112233445566778899aabbccddeeff"
	two = "ffeeddccbbaa99887766554433221100"
)

func secret(s string) tokens.Secret { return tokens.NewSecret([]byte(s)) }

// account is a stand-in on a clock that the test moves.
type account struct {
	*wowza.Server

	mu  sync.Mutex
	now time.Time
}

func (a *account) clock() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

func (a *account) pass(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = a.now.Add(d)
}

func newAccount(t *testing.T) *account {
	t.Helper()
	a := &account{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	server, err := wowza.New(wowza.Config{
		AccessKey: secret("access"), APIKey: secret("key"), JWT: secret("jwt"), JWTExpires: a.now.Add(time.Hour),
		Now: a.clock, Propagation: time.Minute, Plan: fault.New(a.clock),
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Server = server
	return a
}

type answer struct {
	status int
	text   string
	body   map[string]any
}

func (a *account) send(t *testing.T, method, path, body string, header http.Header) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header = header.Clone()
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, r)
	got := answer{status: w.Code, text: w.Body.String()}
	if got.text != "" {
		if err := json.Unmarshal([]byte(got.text), &got.body); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, got.text)
		}
	}
	return got
}

func keys() http.Header {
	return http.Header{"Wsc-Access-Key": {"access"}, "Wsc-Api-Key": {"key"}}
}

func bearer() http.Header { return http.Header{"Authorization": {"Bearer jwt"}} }

func signed(path string, at time.Time) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write([]byte(stamp + ":" + path + ":key"))
	return http.Header{
		"Wsc-Access-Key": {"access"}, "Wsc-Timestamp": {stamp}, "Wsc-Signature": {hex.EncodeToString(mac.Sum(nil))},
	}
}

func TestAuth(t *testing.T) {
	const path = "/api/v1.8/stream_targets/fastly"
	a := newAccount(t)
	with := func(h http.Header, name, value string) http.Header {
		h.Set(name, value)
		return h
	}
	cases := []struct {
		name, path string
		header     http.Header
		code       string // "" for success
	}{
		{"signed", path, signed(path, a.now), ""},
		{"signed without the last slash", path + "/", signed(path, a.now), ""},
		{"query is not signed", path + "?page=1", signed(path, a.now), ""},
		{"15 seconds old", path, signed(path, a.now.Add(-15*time.Second)), ""},
		{"16 seconds old", path, signed(path, a.now.Add(-16*time.Second)), "ERR-401-InvalidSignature"},
		{"16 seconds early", path, signed(path, a.now.Add(16*time.Second)), "ERR-401-InvalidSignature"},
		{"another path signed", path, signed("/api/v1.8/stream_targets", a.now), "ERR-401-InvalidSignature"},
		{"another time sent", path, with(signed(path, a.now), "Wsc-Timestamp", strconv.FormatInt(a.now.Unix()+1, 10)), "ERR-401-InvalidSignature"},
		{"no time sent", path, with(signed(path, a.now), "Wsc-Timestamp", ""), "ERR-401-InvalidSignature"},
		{"API key", path, keys(), ""},
		{"wrong API key", path, with(keys(), "Wsc-Api-Key", "other"), "ERR-401-InvalidApiKey"},
		{"no API key", path, with(keys(), "Wsc-Api-Key", ""), "ERR-401-NoApiKey"},
		{"wrong access key", path, with(keys(), "Wsc-Access-Key", "other"), "ERR-401-InvalidAccessKey"},
		{"nothing", path, http.Header{}, "ERR-401-NoAccessKey"},
		{"JWT", path, bearer(), ""},
		{"JWT too early", "/api/v1.7/stream_targets/fastly", bearer(), "ERR-401-NoAccessKey"},
		{"keys too late", "/api/v1.9/stream_targets/fastly", keys(), "ERR-401-InvalidToken"},
		{"wrong JWT", path, with(bearer(), "Authorization", "Bearer other"), "ERR-401-InvalidToken"},
		{"versions", "/api/versions", bearer(), ""},
		{"versions with keys", "/api/versions", keys(), ""},
		{"old name in v2.0", "/api/v2.0/stream_targets/fastly", bearer(), "ERR-404-RecordNotFound"},
		{"new name in v2.0", "/api/v2.0/stream_targets/wowza_cdn", bearer(), ""},
	}
	for _, c := range cases {
		got := a.send(t, http.MethodGet, c.path, "", c.header)
		if c.code == "" && got.status != http.StatusOK || c.code != "" && !strings.Contains(got.text, `"code":"`+c.code+`"`) {
			t.Errorf("%s: %d %s, want %q", c.name, got.status, got.text, c.code)
		}
		if _, inMeta := got.body["request_id"].(string); c.code != "" && !inMeta {
			t.Errorf("%s: no request_id beside meta in %s", c.name, got.text)
		}
	}
	a.pass(time.Hour)
	if got := a.send(t, http.MethodGet, path, "", bearer()); !strings.Contains(got.text, "ERR-401-ExpiredToken") {
		t.Errorf("an hour later: %s", got.text)
	}
}

func TestWhatATargetRefuses(t *testing.T) {
	a := newAccount(t)
	id := a.AddTarget("event", secret(one))
	if err := a.SetGeoblockIPs(id, strings.Repeat("203.0.113.200,", 48)); err != nil {
		t.Fatal(err)
	}
	const all = "/api/v1.8/stream_targets/fastly"
	cases := []struct{ method, path, body, want string }{
		{"POST", all, `{"stream_target_fastly":{}}`, "Name"},
		{"POST", all, `{"stream_target_wowza_cdn":{"name":"a"}}`, "root object"},
		{"POST", all, `no JSON`, "root object"},
		{"POST", all, `{"stream_target_fastly":{"name":"` + strings.Repeat("n", 256) + `"}}`, "Name"},
		{"PATCH", all + "/" + id, `{"stream_target_fastly":{"token_auth_shared_secret":"abc"}}`, "hexadecimal"},
		{"PATCH", all + "/" + id, `{"stream_target_fastly":{"token_auth_shared_secret":"xy"}}`, "hexadecimal"},
		{"PATCH", all + "/" + id, `{"stream_target_fastly":{"token_auth_shared_secret":""}}`, "hexadecimal"},
		{"PATCH", all + "/" + id, `{"stream_target_fastly":{"token_auth_shared_secret":"` + one + `00"}}`, "hexadecimal"},
		{"PATCH", all + "/" + id, `{"stream_target_fastly":{"token_auth_enabled":"yes"}}`, "type"},
		{"PATCH", all + "/" + id, `{"stream_target_fastly":{"referer_enabled":true,"referer_domains":"a.example"}}`, "Geoblock"},
	}
	for _, c := range cases {
		if got := a.send(t, c.method, c.path, c.body, keys()); got.status != 422 || !strings.Contains(got.text, c.want) {
			t.Errorf("%s %s: %d %s, want 422 and %q", c.method, c.body, got.status, got.text, c.want)
		}
	}
	if got, err := a.Secret(id); err != nil || !got.Equal(secret(one)) {
		t.Errorf("a refused call changed the secret: %v", err)
	}
	if len(a.Targets()) != 1 {
		t.Error("a refused call made a target")
	}
}

func TestPatchIsPartial(t *testing.T) {
	a := newAccount(t)
	id := a.AddTarget("event", secret(""))
	path := "/api/v1.8/stream_targets/fastly/" + id
	steps := []struct{ body, has, lacks string }{
		{`{"referer_enabled":true,"referer_domains":"a.example"}`, `"referer_domains":"a.example"`, `shared_secret`},
		{`{"token_auth_enabled":true,"token_auth_shared_secret":"` + one + `"}`, one, "-"},
		{`{"force_ssl_playback":true}`, one, `"force_ssl_playback":false`},
		{`{"token_auth_enabled":false}`, `"force_ssl_playback":true`, `shared_secret`},
		{`{"referer_enabled":false}`, `"name":"event"`, `referer_domains`},
		{`{"token_auth_enabled":true}`, one, "-"},
	}
	for _, s := range steps {
		got := a.send(t, http.MethodPatch, path, `{"stream_target_fastly":`+s.body+`}`, keys())
		read := a.send(t, http.MethodGet, path, "", keys())
		if got.status != 200 || !strings.Contains(got.text, s.has) || s.lacks != "-" && strings.Contains(got.text, s.lacks) || read.text != got.text {
			t.Errorf("after %s: %d %s, and read back %s", s.body, got.status, got.text, read.text)
		}
	}
}

func TestEnablingMakesASecret(t *testing.T) {
	a := newAccount(t)
	id := a.AddTarget("event", secret(""))
	got := a.send(t, http.MethodPatch, "/api/v1.8/stream_targets/fastly/"+id, `{"stream_target_fastly":{"token_auth_enabled":true}}`, keys())
	made, err := a.Secret(id)
	if err != nil || made.Len() != 32 || !strings.Contains(got.text, string(made.Reveal())) {
		t.Errorf("%d, %v: want a secret of 32 digits in the answer", got.status, err)
	}
}

func TestListsShowLittle(t *testing.T) {
	a := newAccount(t)
	a.AddTarget("event", secret(one))
	got := a.send(t, http.MethodGet, "/api/v2.0/stream_targets/wowza_cdn", "", bearer())
	if strings.Contains(got.text, one) || strings.Contains(got.text, "token_auth") || !strings.Contains(got.text, `"stream_targets_wowza_cdn":[{`) {
		t.Errorf("list %s", got.text)
	}
}

func TestGETsCanComeFromTheCache(t *testing.T) {
	a := newAccount(t)
	id := a.AddTarget("event", secret(one))
	a.SetQuirks(wowza.Quirks{CacheGETs: true})
	path := "/api/v1.8/stream_targets/fastly/" + id
	read := func() bool { return strings.Contains(a.send(t, http.MethodGet, path+"?_=x", "", keys()).text, two) }
	if read() {
		t.Fatal("the new secret is there before it was written")
	}
	a.send(t, http.MethodPatch, path, `{"stream_target_fastly":{"token_auth_shared_secret":"`+two+`"}}`, keys())
	if read() {
		t.Error("the cache knew of the change at once")
	}
	a.pass(time.Second)
	if !read() {
		t.Error("after a second the cache still answers")
	}
}

func TestEdgesLearnLate(t *testing.T) {
	for edges, during := range map[wowza.Edges][]string{
		wowza.EdgesOld: {one}, wowza.EdgesEither: {one, two}, wowza.EdgesNeither: nil,
	} {
		a := newAccount(t)
		a.SetQuirks(wowza.Quirks{Edges: edges})
		id := a.AddTarget("event", secret(one))
		known := func() (list []string) {
			for _, s := range a.Effective(id, a.clock()) {
				list = append(list, string(s.Reveal()))
			}
			return list
		}
		if got := known(); !slices.Equal(got, []string{one}) {
			t.Errorf("edges %d, at first: %q", edges, got)
		}
		if err := a.SetSecret(id, secret(two)); err != nil {
			t.Fatal(err)
		}
		a.pass(59 * time.Second)
		if got := known(); !slices.Equal(got, during) {
			t.Errorf("edges %d, during propagation: %q, want %q", edges, got, during)
		}
		if !a.Protected(id, a.clock()) {
			t.Errorf("edges %d ask for no tokens", edges)
		}
		a.pass(time.Second)
		if got := known(); !slices.Equal(got, []string{two}) {
			t.Errorf("edges %d, after propagation: %q", edges, got)
		}
	}
}

func TestATargetThatStoodBeforeIsKnownAtOnce(t *testing.T) {
	a := newAccount(t)
	st := wowza.Standing{ID: "t1", StreamID: "s1", Name: "event", Secret: secret(one)}
	if err := a.PutTarget(st); err != nil {
		t.Fatal(err)
	}
	if url, err := a.PlaybackURL("t1"); err != nil || !strings.HasSuffix(url, "/1/s1/event/hls/live/playlist.m3u8") {
		t.Errorf("it plays at %q: %v", url, err)
	}
	if known := a.Effective("t1", a.clock()); len(known) != 1 || !known[0].Equal(secret(one)) {
		t.Errorf("the edges know %d secrets, want the one it stood with", len(known))
	}
	if err := a.PutTarget(st); err == nil {
		t.Error("a second target of one id")
	}
	if err := a.PutTarget(wowza.Standing{ID: "t2"}); err == nil {
		t.Error("a target without a stream")
	}
	if err := a.PutTarget(wowza.Standing{ID: "t3", StreamID: "s3", Name: "open"}); err != nil || a.Protected("t3", a.clock()) {
		t.Errorf("without a secret: %v, or it asks for tokens", err)
	}
}

func TestSwitchingOffTakesTimeToo(t *testing.T) {
	a := newAccount(t)
	id := a.AddTarget("event", secret(one))
	if err := a.SetSecret(id, secret("")); err != nil {
		t.Fatal(err)
	}
	if !a.Protected(id, a.clock()) {
		t.Error("the edges know at once")
	}
	a.pass(time.Minute)
	if a.Protected(id, a.clock()) || len(a.Effective(id, a.clock())) != 0 {
		t.Error("the edges never learn it")
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, c := range []wowza.Config{
		{},
		{Now: time.Now},
		{AccessKey: secret("a"), Now: time.Now},
		{JWT: secret("a")},
		{JWT: secret("a"), Now: time.Now, Propagation: -1},
	} {
		if _, err := wowza.New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
