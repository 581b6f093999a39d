package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tokensvc/tokensvc/tokens"
)

// refusal reads a refused HTTP answer.
func refusal(t *testing.T, a answer) outcome {
	t.Helper()
	s := &statuspb.Status{}
	if err := protojson.Unmarshal(a.body, s); err != nil {
		t.Fatalf("HTTP %d is no google.rpc.Status: %v\n%s", a.code, err, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	return outcome{status: s, http: a.code}
}

func TestBadHTTPIsRefusedInWordsAndChangesNothing(t *testing.T) {
	e := start(t, settings{})
	e.seed(t)
	before := e.dump(t)
	const (
		sign  = "/v1/playbacks/wowza:sign"
		batch = "/v1/playbacks:batchSign"
		imp   = "/v1/targets/wowza-live/keys:import"
		arg   = tokens.InvalidArgument
	)
	deep := strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		code                     int
		reason                   tokens.Reason
		says                     string
	}{
		{name: "unknown field", method: "POST", path: sign, body: `{"viewer":"a","colour":1}`, code: 400, reason: arg, says: `unknown field "colour"`},
		{name: "unknown field within", method: "POST", path: "/v1/playbacks", body: `{"id":"x","hdnts":{"colour":1}}`, code: 400, reason: arg, says: `unknown field "colour"`},
		{name: "field twice", method: "POST", path: sign, body: `{"viewer":"a","viewer":"b"}`, code: 400, reason: arg, says: `"viewer" is there twice`},
		{name: "both names of a field", method: "POST", path: sign, body: `{"viewer":"a","client_ip":"1.2.3.4","clientIp":"1.2.3.5"}`, code: 400, reason: arg, says: "twice"},
		{name: "two bindings", method: "POST", path: "/v1/playbacks", body: `{"hdnts":{},"agora":{}}`, code: 400, reason: arg, says: "line 1:13"},
		{name: "garbage behind", method: "POST", path: sign, body: `{"viewer":"a"}garbage`, code: 400, reason: arg, says: "JSON"},
		{name: "second message behind", method: "POST", path: sign, body: `{"viewer":"a"}{"viewer":"b"}`, code: 400, reason: arg, says: "JSON"},
		{name: "no JSON", method: "POST", path: sign, body: `viewer=alice`, code: 400, reason: arg, says: "JSON"},
		{name: "half JSON", method: "POST", path: sign, body: `{"viewer":`, code: 400, reason: arg, says: "JSON"},
		{name: "array", method: "POST", path: sign, body: `[]`, code: 400, reason: arg, says: "JSON"},
		{name: "null", method: "POST", path: sign, body: `null`, code: 400, reason: arg, says: "JSON"},
		{name: "empty body", method: "POST", path: sign, body: ``, code: 400, reason: arg, says: "viewer"},
		{name: "empty message", method: "POST", path: sign, body: `{}`, code: 400, reason: arg, says: "viewer"},
		{name: "deep nesting", method: "POST", path: sign, body: deep, code: 400, reason: arg, says: "a"},
		{name: "deep arrays", method: "POST", path: sign, body: strings.Repeat("[", 100_000), code: 400, reason: arg, says: "JSON"},
		{name: "NUL in JSON", method: "POST", path: sign, body: "{\"viewer\":\"a\x00b\"}", code: 400, reason: arg, says: "JSON"},
		{name: "escaped NUL", method: "POST", path: sign, body: `{"viewer":"a\u0000b"}`, code: 400, reason: arg, says: "viewer: control characters"},
		{name: "invalid UTF-8", method: "POST", path: sign, body: "{\"viewer\":\"a\xffb\"}", code: 400, reason: arg, says: "JSON"},
		{name: "half a surrogate", method: "POST", path: sign, body: `{"viewer":"\ud800"}`, code: 400, reason: arg, says: "JSON"},
		{name: "UTF-16", method: "POST", path: sign, body: "\xff\xfe{\x00}\x00", code: 400, reason: arg, says: "JSON"},
		{name: "invalid UTF-8 in the path", method: "GET", path: "/v1/playbacks/a%ffb", code: 400, reason: arg, says: "UTF-8"},
		{name: "invalid UTF-8 in the query", method: "GET", path: "/v1/playbacks?page_token=%ff", code: 400, reason: arg, says: "UTF-8"},
		{name: "number for text", method: "POST", path: sign, body: `{"viewer":5}`, code: 400, reason: arg, says: `"viewer"`},
		{name: "huge number", method: "POST", path: "/v1/targets/wowza-live/keys/1:retire", body: `{"force":1e999}`, code: 400, reason: arg, says: `"force"`},
		{name: "huge version", method: "GET", path: "/v1/targets/wowza-live/keys/99999999999999999999", code: 400, reason: arg, says: "version"},
		{name: "version in words", method: "POST", path: "/v1/targets/wowza-live/keys/one:activate", body: `{}`, code: 400, reason: arg, says: "version"},
		{name: "page size in words", method: "GET", path: "/v1/playbacks?page_size=many", code: 400, reason: arg, says: "page_size"},
		{name: "country in lower case", method: "POST", path: "/v1/grants", body: `{"grant":{"viewer":"a","playback_id":"wowza","limits":{"countries":["de"]}}}`, code: 400, reason: arg, says: `grant.limits.countries[0]: want two capital letters of ISO 3166-1 alpha-2, for example "DE"`},
		{name: "grant without a viewer", method: "POST", path: "/v1/grants", body: `{"grant":{"playback_id":"wowza"}}`, code: 400, reason: arg, says: "grant.viewer: is missing"},
		{name: "unknown parameter", method: "GET", path: "/v1/grants?veiwer=ann", code: 400, reason: arg, says: `unknown parameter "veiwer"`},
		{name: "parameter of another call", method: "GET", path: "/v1/playbacks?viewer=ann", code: 400, reason: arg, says: `unknown parameter "viewer"`},
		{name: "unknown parameter beside a body", method: "PATCH", path: "/v1/playbacks/wowza?update_msk=url", body: `{"description":"x"}`, code: 400, reason: arg, says: `unknown parameter "update_msk"`},
		{name: "field of the body as a parameter", method: "PATCH", path: "/v1/playbacks/wowza?playback.description=x", body: `{}`, code: 400, reason: arg, says: `unknown parameter "playback.description"`},
		{name: "parameter of a call that has a body for all", method: "POST", path: sign + "?ttl=30s", body: `{"viewer":"a"}`, code: 400, reason: arg, says: "in the body"},
		{name: "value for a parameter", method: "GET", path: "/v1/playbacks?a%20secret=", code: 400, reason: arg, says: "unknown parameter in the query"},
		{name: "no such enum", method: "POST", path: imp, body: `{"material":"YQ==","encoding":"ROT13"}`, code: 400, reason: arg, says: `"encoding"`},
		{name: "no base64", method: "POST", path: imp, body: `{"material":"-----BEGIN RSA"}`, code: 400, reason: arg, says: "base64"},
		{name: "ttl as a number", method: "POST", path: sign, body: `{"viewer":"a","ttl":3600}`, code: 400, reason: arg, says: `line 1:21: not the kind of JSON value that stands here; durations look like`},
		{name: "ttl in words", method: "POST", path: sign, body: `{"viewer":"a","ttl":"1 hour"}`, code: 400, reason: arg, says: `not a duration like`},
		{name: "ttl of 1e12 seconds", method: "POST", path: sign, body: `{"viewer":"a","ttl":"1000000000000s"}`, code: 400, reason: arg, says: `not a duration like`},
		{name: "year 10000", method: "POST", path: "/v1/targets/wowza-live/keys/1:retire", body: `{"horizon":"10000-01-01T00:00:00Z"}`, code: 400, reason: arg, says: "not a time like"},
		{name: "year 9999", method: "POST", path: "/v1/targets/wowza-live/keys/1:retire", body: `{"horizon":"9999-12-31T23:59:59Z"}`, code: 400, reason: arg, says: "2286"},
		{name: "ids that differ", method: "POST", path: sign, body: `{"id":"agora","viewer":"a"}`, code: 400, reason: arg, says: `"id"`},
		{name: "targets that differ", method: "POST", path: imp, body: `{"targetId":"agora-play","material":"YQ=="}`, code: 400, reason: arg, says: `"target_id"`},
		{name: "versions that differ", method: "POST", path: "/v1/targets/wowza-live/keys/1:retire", body: `{"version":2,"force":true}`, code: 400, reason: arg, says: `"version"`},
		{name: "ids that differ in an update", method: "PATCH", path: "/v1/playbacks/wowza", body: `{"id":"agora","description":"x"}`, code: 400, reason: arg, says: `"id"`},
		{name: "declared oversize", method: "POST", path: sign, body: `{"viewer":"` + strings.Repeat("a", maxBody) + `"}`, code: 413, reason: tokens.RequestTooLarge, says: "1048576 bytes"},
		{name: "no content type", method: "POST", path: sign, body: `{"viewer":"a"}`, header: []string{"Content-Type", ""}, code: 415, reason: tokens.UnsupportedMediaType, says: "application/json"},
		{name: "form", method: "POST", path: sign, body: `{"viewer":"a"}`, header: []string{"Content-Type", "application/x-www-form-urlencoded"}, code: 415, reason: tokens.UnsupportedMediaType, says: "application/json"},
		{name: "plain text", method: "PATCH", path: "/v1/playbacks/wowza", body: `{"description":"a"}`, header: []string{"Content-Type", "text/plain"}, code: 415, reason: tokens.UnsupportedMediaType, says: "application/json"},
		{name: "two content types", method: "POST", path: batch, body: `{}`, header: []string{"Content-Type", "text/plain, application/json"}, code: 415, reason: tokens.UnsupportedMediaType, says: "application/json"},
		{name: "foreign origin", method: "POST", path: imp, body: `{}`, header: []string{"Origin", "https://evil.example"}, code: 403, reason: tokens.ForbiddenOrigin, says: "origin"},
		{name: "null origin", method: "POST", path: imp, body: `{}`, header: []string{"Origin", "null"}, code: 403, reason: tokens.ForbiddenOrigin, says: "origin"},
		{name: "foreign origin reads", method: "GET", path: "/v1/targets", header: []string{"Origin", "https://evil.example"}, code: 403, reason: tokens.ForbiddenOrigin, says: "origin"},
		{name: "origin on another port", method: "DELETE", path: "/v1/playbacks/wowza", header: []string{"Origin", "http://127.0.0.1:1"}, code: 403, reason: tokens.ForbiddenOrigin, says: "origin"},
		{name: "preflight", method: "OPTIONS", path: imp, header: []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}, code: 403, reason: tokens.ForbiddenOrigin, says: "origin"},
		{name: "rebound host", method: "GET", path: "/v1/targets", header: []string{"Host", "evil.example"}, code: 403, reason: tokens.ForbiddenOrigin, says: "loopback"},
		{name: "rebound host with port", method: "POST", path: sign, body: `{"viewer":"a"}`, header: []string{"Host", "127.0.0.1.evil.example:80"}, code: 403, reason: tokens.ForbiddenOrigin, says: "loopback"},
		{name: "host on the network", method: "GET", path: "/.well-known/jwks.json", header: []string{"Host", "192.0.2.1"}, code: 403, reason: tokens.ForbiddenOrigin, says: "loopback"},
		{name: "no such path", method: "GET", path: "/v2/targets", code: 404, reason: tokens.NotFound, says: "/v2/targets"},
		{name: "no such verb", method: "POST", path: "/v1/playbacks/wowza:burn", body: `{}`, code: 405, reason: tokens.Unimplemented, says: "POST"},
		{name: "path with dots", method: "GET", path: "/v1/playbacks/../targets", code: 404, reason: tokens.NotFound, says: "openapi"},
		{name: "path with escaped dots", method: "GET", path: "/v1/playbacks/%2e%2e/targets", code: 404, reason: tokens.NotFound, says: "openapi"},
		{name: "path with two slashes", method: "GET", path: "//v1/targets", code: 404, reason: tokens.NotFound, says: "openapi"},
		{name: "method not allowed", method: "PUT", path: "/v1/targets", body: `{}`, code: 405, reason: tokens.Unimplemented, says: "PUT"},
		{name: "delete of a list", method: "DELETE", path: "/v1/targets", code: 405, reason: tokens.Unimplemented, says: "DELETE"},
		{name: "method override", method: "POST", path: "/v1/playbacks/wowza", body: `{}`, header: []string{"X-HTTP-Method-Override", "DELETE"}, code: 405, reason: tokens.Unimplemented, says: "POST"},
		{name: "bad time-out", method: "GET", path: "/v1/targets", header: []string{"Grpc-Timeout", "soon"}, code: 400, reason: arg, says: "grpc-timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var body []byte
			if c.method != "GET" && c.method != "DELETE" {
				body = []byte(c.body)
			}
			got := refusal(t, e.do(t, c.method, c.path, body, c.header...))
			if got.http != c.code || got.reason(t) != c.reason {
				t.Errorf("HTTP %d %s, want %d %s", got.http, got.reason(t), c.code, c.reason)
			}
			if text := got.status.GetMessage(); !strings.Contains(text, c.says) || len(text) > 300 || strings.Contains(text, "proto:") {
				t.Errorf("%.400q; want it to say %q, in our words", text, c.says)
			}
		})
	}
	if after := e.dump(t); after != before {
		t.Errorf("a refused request changed the store:\n%s\n%s", before, after)
	}
}

func TestOversizedBodyWithoutALengthIsRefused(t *testing.T) {
	e := start(t, settings{})
	body := io.MultiReader(strings.NewReader(`{"viewer":"`), bytes.NewReader(bytes.Repeat([]byte("a"), maxBody)), strings.NewReader(`"}`))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.base+"/v1/playbacks/x:sign", io.NopCloser(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if got := refusal(t, e.send(t, r)); got.http != http.StatusRequestEntityTooLarge || got.reason(t) != tokens.RequestTooLarge || codes.Code(got.status.GetCode()) != codes.ResourceExhausted {
		t.Errorf("%v", got)
	}
}

func TestLoopbackNamesAndOwnOriginPass(t *testing.T) {
	e := start(t, settings{})
	host := strings.TrimPrefix(e.base, "http://")
	_, port, _ := strings.Cut(host, ":")
	for _, header := range [][]string{
		{},
		{"Origin", e.base},
		{"Host", "localhost:" + port, "Origin", "http://LOCALHOST:" + port},
		{"Host", "localhost"},
		{"Host", "[::1]:" + port},
		{"Host", "127.0.0.1"},
		{"Host", "127.1.2.3:80"},
	} {
		if a := e.do(t, "GET", "/v1/targets", nil, header...); a.code != 200 {
			t.Errorf("%v: %d %s", header, a.code, a.body)
		}
	}
	if a := e.do(t, "POST", "/v1/playbacks:batchSign", []byte(`{"requests":[{"id":"x","viewer":"a"}]}`), "Content-Type", "application/json; charset=utf-8"); a.code != 200 {
		t.Errorf("charset: %d %s", a.code, a.body)
	}
	var all map[string]any
	if err := json.Unmarshal(e.do(t, "GET", "/v1/targets", nil).body, &all); err != nil || all["targets"] == nil || all["next_page_token"] == nil {
		t.Errorf("%v, %v; want the names of the .proto files and default values", all, err)
	}
}
