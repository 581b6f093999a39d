package qencode_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	sandbox "github.com/tokensvc/tokensvc/internal/sandbox/provider/qencode"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

const (
	streamID = "1f1ab6a3-d867-4787-b882-7f2fb1203634"
	stream   = "stream:" + streamID
)

type account struct {
	*sandbox.Server

	plan  *fault.Plan
	api   http.Handler
	now   time.Time
	token string
}

// answer is what the tests look at of any answer.
type answer struct {
	Token string    `json:"access_token"`
	Error int       `json:"error"`
	Key   keyAnswer `json:"signing_key"`
	text  string
}

type keyAnswer struct {
	ID         string  `json:"id"`
	StreamID   string  `json:"stream_id"`
	Created    string  `json:"created"`
	Name       *string `json:"name"`
	PrivateKey string  `json:"private_key"`
}

func newAccount(t *testing.T) *account {
	t.Helper()
	a := &account{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	clock := func() time.Time { return a.now }
	a.plan = fault.New(clock)
	server, err := sandbox.New(sandbox.Config{
		APIKey: tokens.NewSecret([]byte("key")), Now: clock, Propagation: time.Minute,
		Streams: []string{streamID}, Buckets: []string{"my-bucket"}, Plan: a.plan,
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Server, a.api = server, server.Handler()
	a.token = a.call(t, "POST", "/v1/access_token/key", "", 200).Token
	return a
}

// call makes a call and returns the object that it is answered with.
func (a *account) call(t *testing.T, method, path, body string, status int) answer {
	t.Helper()
	return a.callWith(t, method, path, body, http.Header{"Authorization": {"Bearer " + a.token}}, status)
}

func (a *account) callWith(t *testing.T, method, path, body string, header http.Header, status int) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header = header
	if body != "" && header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	a.api.ServeHTTP(w, r)
	if w.Code != status {
		t.Fatalf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, status)
	}
	got := answer{text: w.Body.String()}
	if w.Header().Get("Content-Type") == "application/json" {
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func (a *account) mint(t *testing.T) (kid string, secret tokens.Secret) {
	t.Helper()
	made := a.call(t, "POST", "/v1/signing-keys", `{"stream_id":"`+streamID+`"}`, 200).Key
	if made.Name != nil || made.StreamID != streamID || made.Created != a.plan.Now().Format(time.DateTime) {
		t.Errorf("the new key is described as %+v", made)
	}
	return made.ID, tokens.NewSecret([]byte(made.PrivateKey))
}

func (a *account) accepted() []string {
	var ids []string
	for _, k := range a.Accepted(stream, a.now) {
		ids = append(ids, k.ID())
	}
	return ids
}

func TestOnlyAGoodBearerComesIn(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	for _, header := range [][]string{
		nil,
		{""},
		{a.token},
		{"bearer " + a.token},
		{"Bearer  " + a.token},
		{"Bearer " + a.token + " "},
		{"Bearer x"},
		{"Bearer " + a.token, "Bearer " + a.token},
	} {
		a.callWith(t, "GET", "/v1/signing-keys", "", http.Header{"Authorization": header}, 401)
	}
	a.call(t, "POST", "/v1/access_token/other", "", 401)
	a.now = a.now.Add(24*time.Hour - time.Second)
	a.call(t, "GET", "/v1/signing-keys", "", 200)
	a.now = a.now.Add(time.Second)
	a.call(t, "GET", "/v1/signing-keys", "", 401)
}

func TestStrict(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	const unknown = "00000000-d867-4787-b882-7f2fb1203634"
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/v1/signing-keys", `{"stream_id":"` + unknown + `"}`, 404},
		{"POST", "/v1/signing-keys", `{"stream_id":"` + streamID + `","name":"n"}`, 400},
		{"POST", "/v1/signing-keys", `{"stream_id":"` + streamID + `","bucket":"my-bucket"}`, 400},
		{"POST", "/v1/signing-keys", `{"stream_id":"` + streamID + `"}{}`, 400},
		{"POST", "/v1/signing-keys", `{}`, 400},
		{"GET", "/v1/signing-keys/" + unknown, ``, 404},
		{"PUT", "/v1/signing-keys/" + unknown, `{"name":"n"}`, 404},
		{"DELETE", "/v1/signing-keys/" + unknown, ``, 404},
		{"PATCH", "/v1/signing-keys/" + unknown, `{"name":"n"}`, 405},
		{"POST", "/v1/signing_keys", `{}`, 404},
		{"POST", "/v1/domains", `{"domain_name":"a.example.com","type":"live"}`, 400},
		{"POST", "/v1/domains", `{"name":"a.example.com","type":"Live"}`, 400},
		{"POST", "/v1/tls/subscriptions", `{"domain_id":"` + unknown + `"}`, 404},
		{"PUT", "/v1/buckets/my-bucket/policy/private", ``, 400},
		{"PUT", "/v1/buckets/other/policy/public", ``, 404},
		{"POST", "/v1/buckets/my-bucket/cors", `{"Origin":"*"}`, 400},
		{"POST", "/v1/buckets/my-bucket/cache/purge", `{}`, 400},
		{"POST", "/v1/live-streams/" + unknown + "/playback-ids", `{"policy":"public"}`, 404},
		{"POST", "/v1/signing-keys", `{"stream_id":"` + strings.Repeat("x", 70_000) + `"}`, 413},
	} {
		a.call(t, c.method, c.path, c.body, c.status)
	}
	form := http.Header{"Authorization": {"Bearer " + a.token}, "Content-Type": {"application/x-www-form-urlencoded"}}
	a.callWith(t, "POST", "/v1/signing-keys", `{"stream_id":"`+streamID+`"}`, form, 400)
	if keys := a.Keys(""); len(keys) != 0 {
		t.Errorf("keys were made: %v", keys)
	}
	a.SetQuirks(sandbox.Quirks{Errors200: true})
	if answer := a.call(t, "GET", "/v1/signing-keys/"+unknown, "", 200); answer.Error == 0 {
		t.Errorf("%s holds no error", answer.text)
	}
}

func TestTwentyDomains(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	for i := range 20 {
		a.call(t, "POST", "/v1/domains", fmt.Sprintf(`{"name":"live%d.example.com","type":"live"}`, i), 200)
	}
	a.call(t, "POST", "/v1/domains", `{"name":"more.example.com","type":"live"}`, 400)
}

// TestSecretIsShownOnce mints more keys than there are ready-made ones, each another and each good.
func TestSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	seen := make(map[string]bool)
	for range 9 {
		kid, secret := a.mint(t)
		key, err := qencode.Scheme{}.Prepare(tokens.Material{ID: kid, Secret: secret})
		if err != nil {
			t.Fatal(err)
		}
		if seen[key.Fingerprint()] {
			t.Fatal("a key was given twice")
		}
		seen[key.Fingerprint()] = true
		a.call(t, "PUT", "/v1/signing-keys/"+kid, `{"name":"n"}`, 200)
		one := a.call(t, "GET", "/v1/signing-keys/"+kid, "", 200)
		if strings.Contains(one.text, "private_key") || one.Key.Name == nil || *one.Key.Name != "n" {
			t.Errorf("the key is described as %s", one.text)
		}
	}
	if list := a.call(t, "GET", "/v1/signing-keys", "", 200).text; strings.Contains(list, "PRIVATE") {
		t.Error("the list shows private keys")
	}
}

// TestEdgesLearnLate follows a key through an edge's eyes, with an API clock that is off.
func TestEdgesLearnLate(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	a.plan.SetSkew(-time.Hour)
	kid, secret := a.mint(t)
	key, err := qencode.Scheme{}.Prepare(tokens.Material{ID: kid, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	credential, err := key.Sign(qencode.Params{URI: "playback", Expire: a.now.Add(time.Hour), URL: "https://play-playback.qencode.com/x.m3u8"}, a.now)
	if err != nil {
		t.Fatal(err)
	}
	a.now = a.now.Add(time.Minute - time.Second)
	if ids := a.accepted(); len(ids) != 0 {
		t.Errorf("edges know %v too early", ids)
	}
	a.now = a.now.Add(time.Second)
	a.plan.SetSkew(time.Hour)
	if ids := a.accepted(); !slices.Equal(ids, []string{kid}) {
		t.Errorf("edges know %v, want %s", ids, kid)
	}
	if err := a.Accepted(stream, a.now)[0].Verify(tokens.Presented{Token: credential.Token, Resource: "playback"}, a.now); err != nil {
		t.Errorf("the edge refuses a good token: %v", err)
	}
	a.call(t, "DELETE", "/v1/signing-keys/"+kid, "", 200)
	a.call(t, "DELETE", "/v1/signing-keys/"+kid, "", 404)
	a.now = a.now.Add(time.Minute - time.Second)
	if ids := a.accepted(); len(ids) != 1 {
		t.Error("edges forget a deleted key at once")
	}
	a.now = a.now.Add(time.Second)
	if ids := a.accepted(); len(ids) != 0 {
		t.Errorf("edges go on to know %v", ids)
	}
}

// TestPerson lets a person work beside us, between the two sides of an effect.
func TestPerson(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	var phases []string
	a.plan.Observe(func(e fault.Event) {
		phases = append(phases, fmt.Sprintf("%s %d %d", e.Call, e.Phase, len(a.Keys(stream))))
	})
	kid, err := a.PersonCreatesKey(stream, "by hand")
	if err != nil {
		t.Fatal(err)
	}
	a.mint(t)
	a.call(t, "DELETE", "/v1/signing-keys/unknown", "", 404)
	want := []string{"create signing key 1 1", "create signing key 2 2"}
	if !slices.Equal(phases, want) {
		t.Errorf("got %q, want %q: refused calls have no effect", phases, want)
	}
	if err := a.PersonDeletesKey(kid); err != nil {
		t.Fatal(err)
	}
	if err := a.PersonDeletesKey(kid); err == nil {
		t.Error("the key was deleted twice")
	}
	if _, err := a.PersonCreatesKey("stream:x", ""); err == nil {
		t.Error("a key of nothing was made")
	}
}

// TestAKeyThatStoodBefore moves a key from one stand-in to a fresh one.
func TestAKeyThatStoodBefore(t *testing.T) {
	t.Parallel()
	before, after := newAccount(t), newAccount(t)
	kid, private := before.mint(t)
	if err := after.PutKey(stream, kid, private); err != nil {
		t.Fatal(err)
	}
	if ids := after.accepted(); !slices.Equal(ids, []string{kid}) {
		t.Errorf("edges know %v, want %s at once", ids, kid)
	}
	if got := after.call(t, "GET", "/v1/signing-keys/"+kid, "", 200).Key; got.ID != kid || got.StreamID != streamID {
		t.Errorf("the key is described as %+v", got)
	}
	for name, err := range map[string]error{
		"twice":     after.PutKey(stream, kid, private),
		"no stream": after.PutKey("stream:x", "other", private),
		"no key":    after.PutKey(stream, "other", tokens.NewSecret([]byte("none"))),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTwoHosts(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	a.api = a.CDN()
	a.call(t, "POST", "/v1/access_token/key", "", 404)
	a.api = a.Live()
	a.call(t, "GET", "/v1/signing-keys", "", 404)
	a.call(t, "POST", "/v1/live-streams/"+streamID+"/playback-ids", `{"policy":"authenticated"}`, 200)
}

func TestNew(t *testing.T) {
	t.Parallel()
	good := sandbox.Config{APIKey: tokens.NewSecret([]byte("key")), Now: time.Now}
	if _, err := sandbox.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*sandbox.Config){
		"no key":      func(c *sandbox.Config) { c.APIKey = tokens.Secret{} },
		"no clock":    func(c *sandbox.Config) { c.Now = nil },
		"propagation": func(c *sandbox.Config) { c.Propagation = -1 },
		"stream":      func(c *sandbox.Config) { c.Streams = []string{strings.ToUpper(streamID)} },
		"bucket":      func(c *sandbox.Config) { c.Buckets = []string{"A"} },
	} {
		cfg := good
		change(&cfg)
		if _, err := sandbox.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if bytes.Contains(fmt.Append(nil, good), []byte("key")) {
		t.Error("the configuration prints its API key")
	}
}

func TestServersOfOnePoolAreGivenTheSameKeys(t *testing.T) {
	pool := sandbox.NewPool()
	var given [2][]string
	for i := range given {
		server, err := sandbox.New(sandbox.Config{APIKey: tokens.NewSecret([]byte("key")), Now: time.Now, Streams: []string{streamID}, Pool: pool})
		if err != nil {
			t.Fatal(err)
		}
		for range 9 { // one more than there are ready-made
			if _, err := server.PersonCreatesKey(stream, ""); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range server.Accepted(stream, time.Now()) {
			given[i] = append(given[i], k.Fingerprint())
		}
	}
	if !slices.Equal(given[0], given[1]) {
		t.Errorf("servers of one pool have keys %v and %v", given[0], given[1])
	}
	slices.Sort(given[0])
	if len(slices.Compact(given[0])) != 9 {
		t.Error("a server was given a key twice")
	}
}

func TestEdgesForgetLateOrAtOnce(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		a := newAccount(t)
		a.SetQuirks(sandbox.Quirks{ForgetsAtOnce: atOnce})
		kid, err := a.PersonCreatesKey(stream, "")
		if err != nil {
			t.Fatal(err)
		}
		a.now = a.now.Add(time.Minute)
		if n := len(a.Accepted(stream, a.now)); n != 1 {
			t.Fatalf("%d keys are known", n)
		}
		if err := a.PersonDeletesKey(kid); err != nil {
			t.Fatal(err)
		}
		if forgotten := len(a.Accepted(stream, a.now)) == 0; forgotten != atOnce {
			t.Errorf("forgotten at once: %t, want %t", forgotten, atOnce)
		}
		if n := len(a.Accepted(stream, a.now.Add(time.Minute))); n != 0 {
			t.Errorf("%d keys are known after the propagation time", n)
		}
	}
}
