package app_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/app"
	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	agorastandin "github.com/tokensvc/tokensvc/internal/sandbox/provider/agora"
)

// serveSync is serve with the job in the same process.
func serveSync(t *testing.T, cfg config.Config, log io.Writer) *running {
	t.Helper()
	in := inputs(log)
	in.Sync = true
	a, err := app.New(t.Context(), cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, "http://"+a.HTTPAddr(), a.Run)
}

// layer is what a revocation says of one place.
type layer struct {
	refuses bool
	detail  string
}

func layersOf(t *testing.T, answer map[string]any) map[string]layer {
	t.Helper()
	all, _ := field(t, answer, "revocation", "layers").([]any)
	out := map[string]layer{}
	for _, one := range all {
		l, _ := one.(map[string]any)
		refuses, _ := l["refuses"].(bool)
		detail, _ := l["detail"].(string)
		out[fmt.Sprint(l["layer"])] = layer{refuses, detail}
	}
	if len(out) != 4 {
		t.Fatalf("layers %v", all)
	}
	return out
}

func timeAt(t *testing.T, m map[string]any, path ...string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, fmt.Sprint(field(t, m, path...)))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestRevokedPlaybackIsBanned: only when it is asked for, only a whole playback, and with the truth about a vendor
// that refuses. A stream that is banned does not go online.
func TestRevokedPlaybackIsBanned(t *testing.T) {
	t.Parallel()
	plan := fault.New(time.Now)
	at, cfg := atVendors(t, plan)
	withTarget(t, at, &cfg, "agora", "domain:a.example")
	cfg.Playbacks[0].Sessions = config.Sessions{Rule: "deny_new"}
	log := &lines{}
	r := serveSync(t, cfg, log)
	signed(t, r, "live/1")
	goesOnline := func(when string, want bool) {
		t.Helper()
		if got := at.Agora.Publish("live", "event"); got != want {
			t.Errorf("%s: the stream goes online: %t, want %t", when, got, want)
		}
	}
	if code, out := r.call(t, "POST", "/v1/sessions:revoke", `{"viewer":"a","ban":true}`); code != 400 {
		t.Errorf("a ban of a viewer: %d %v", code, out)
	}
	r.must(t, "POST", "/v1/sessions:revoke", `{"viewer":"a","hold":"0s"}`)
	r.must(t, "POST", "/v1/sessions:revoke", `{"playback_id":"event","hold":"0s"}`)
	if n := plan.Count(agorastandin.CallBan); n != 0 {
		t.Errorf("%d bans that nobody asked for", n)
	}
	goesOnline("without a ban", true)
	signed(t, r, "live/1")

	const revoke = `{"playback_id":"event","ban":true}`
	plan.Add(fault.Rule{Call: agorastandin.CallBan, Fault: fault.HTML(403)})
	code, out := r.call(t, "POST", "/v1/sessions:revoke", revoke)
	message := fmt.Sprint(out["message"])
	if code == 200 || !strings.Contains(fmt.Sprint(out), "PROVIDER_FAILED") || !strings.Contains(message, "holds here, ") ||
		!strings.Contains(message, "but the provider did not confirm the ban") || strings.Contains(message, "<html") || !strings.Contains(log.String(), "stream not banned") {
		t.Errorf("the vendor refuses: %d %v", code, out)
	}
	if code, out := r.call(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"b"}`); code != 403 {
		t.Errorf("what the vendor refuses is revoked here all the same: %d %v", code, out)
	}
	goesOnline("refused by the vendor", true)

	began := time.Now()
	out = r.must(t, "POST", "/v1/sessions:revoke", revoke)
	if l := layersOf(t, out)["LAYER_VENDOR"]; !l.refuses || !strings.Contains(l.detail, "banned for every viewer until "+began.Add(7*24*time.Hour).UTC().Format("2006-")) {
		t.Errorf("vendor: %+v", l)
	}
	goesOnline("banned", false)
	all, _ := r.must(t, "GET", "/v1/revocations", "")["revocations"].([]any)
	for _, one := range all {
		held, _ := one.(map[string]any)
		r.call(t, "POST", "/v1/revocations/"+fmt.Sprint(held["id"])+":lift", `{}`)
	}
	signed(t, r, "live/1")
	goesOnline("lifted here", false)
}

// TestBansTheStreamOfTheURL: whichever form of play URL the playback has.
func TestBansTheStreamOfTheURL(t *testing.T) {
	t.Parallel()
	at, cfg := atVendors(t, nil)
	withTarget(t, at, &cfg, "agora", "domain:a.example")
	form := cfg.Playbacks[0]
	forms := []struct{ url, stream string }{
		{"https://a.example/live/hls/playlist.m3u8", "hls"},
		{"https://a.example/live/flv.flv", "flv"},
		{"rtmp://a.example/live/rtmp", "rtmp"},
		{"https://a.example/live/odd.flv/playlist.m3u8", "odd.flv"},
		{"https://a.example/live/playlist.m3u8/playlist.m3u8", "playlist.m3u8"},
	}
	cfg.Playbacks = nil
	for n, f := range forms {
		form.ID, form.URL = fmt.Sprint("p", n), f.url
		cfg.Playbacks = append(cfg.Playbacks, form)
	}
	r := serveSync(t, cfg, io.Discard)
	for n, f := range forms {
		before := at.Agora.Publish("live", f.stream)
		r.must(t, "POST", "/v1/sessions:revoke", fmt.Sprintf(`{"playback_id":"p%d","ban":true}`, n))
		if !before || at.Agora.Publish("live", f.stream) {
			t.Errorf("%s: stream %s went online before: %t; it is not banned", f.url, f.stream, before)
		}
	}
}

// TestRevokedPlaybackRotatesKeys: the answer names the operation that it has begun, which ends the tokens of the
// target at the vendor before effective_at.
func TestRevokedPlaybackRotatesKeys(t *testing.T) {
	t.Parallel()
	at, cfg := atVendors(t, nil)
	withTarget(t, at, &cfg, "wowza", "targetA")
	r := serveSync(t, cfg, io.Discard)
	expires := timeAt(t, signed(t, r, "live/1"), "credential", "expires_at")
	first := fingerprint(t, r, "1")
	plain := r.must(t, "POST", "/v1/sessions:revoke", `{"playback_id":"event","hold":"0s"}`)
	if l := layersOf(t, plain)["LAYER_VENDOR"]; l.refuses || !strings.Contains(l.detail, "accepts tokens that are out until effective_at") {
		t.Errorf("nothing was asked of the vendor: %+v", l)
	}
	if operations, _ := r.must(t, "GET", "/v1/operations?target_id=live", "")["operations"].([]any); len(operations) != 1 {
		t.Errorf("operations %v, want that of the first key", operations)
	}

	out := r.must(t, "POST", "/v1/sessions:revoke", `{"playback_id":"event","rotate_keys":true,"reason":"leaked"}`)
	operations, _ := r.must(t, "GET", "/v1/operations?target_id=live", "")["operations"].([]any)
	if len(operations) != 2 {
		t.Fatalf("operations %v", operations)
	}
	newest, _ := operations[0].(map[string]any)
	id := fmt.Sprint(newest["id"])
	if l := layersOf(t, out)["LAYER_VENDOR"]; l.refuses || !strings.Contains(l.detail, "operation "+id+" replaces the key of target \"live\" at once") || newest["immediate"] != true {
		t.Errorf("vendor: %+v; the newest operation is %v", l, newest)
	}
	// Of what no session knows, the longest life of a token counts, and what another replica may sign yet.
	effective := timeAt(t, out, "revocation", "effective_at")
	if until := time.Until(effective); effective.Before(expires) || until > cfg.Targets[0].MaxTokenLifetime+cfg.SnapshotMaxAge+cfg.ClockSkew {
		t.Errorf("effective at %s, in %s; the token expires at %s", effective, until, expires)
	}
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		operation := r.must(t, "GET", "/v1/operations/"+id, "")
		if field(t, operation, "operation", "outcome") == "OPERATION_OUTCOME_DONE" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the rotation does not end: %v", operation)
		}
	}
	second := fingerprint(t, r, "2")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		edges := known(at, "wowza", "targetA")
		if slices.Contains(edges, second) && !slices.Contains(edges, first) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the vendor's edges know %v; want %s and not %s", edges, second, first)
		}
	}
	r.must(t, "POST", "/v1/revocations/"+fmt.Sprint(field(t, out, "revocation", "id"))+":lift", `{}`)
	signed(t, r, "live/2")
}

// TestRotationThatCannotBeIsRefusedFirst: nothing has been revoked when keys are imported by hand.
func TestRotationThatCannotBeIsRefusedFirst(t *testing.T) {
	t.Parallel()
	r := serve(t, managed(configIn(t.TempDir())))
	importKey(t, r, "live", secret)
	code, out := r.call(t, "POST", "/v1/sessions:revoke", `{"playback_id":"event","rotate_keys":true}`)
	if code == 200 || !strings.Contains(fmt.Sprint(out), "NOT_ROTATED") {
		t.Errorf("%d %v", code, out)
	}
	if all, _ := r.must(t, "GET", "/v1/revocations", "")["revocations"].([]any); len(all) != 0 {
		t.Errorf("refused, and yet there: %v", all)
	}
	r.must(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`)
}

// asks returns whether an edge that asks about a signed URL lets it through.
func (r *running) asks(t *testing.T, signedURL string) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+"/edge/auth", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	_, uri, _ := strings.Cut(strings.TrimPrefix(signedURL, "https://"), "/")
	request.Header.Set("X-Original-URI", "/"+uri)
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	return response.StatusCode == http.StatusOK
}

// TestLayersSayWhatHappens: whatever a revocation says that a place refuses, it refuses, and where it says "not yet"
// there is a way to play on.
func TestLayersSayWhatHappens(t *testing.T) {
	t.Parallel()
	const counts, counted = `,"sessions":{"rule":"SESSION_RULE_DENY_NEW"}`, `,"access":{"grant":{}}`
	for name, c := range map[string]struct {
		playback, limits string // of the playback and of the viewer's grant
		revoke           string // %s is the session, grant or order
		by               string
		edge, sign       bool
		says             string
		again            bool // the token plays again when the revocation is lifted
	}{
		"session":                       {counts, "", `{"session_id":%q}`, "session", true, false, "the sessions that ended within a second", false},
		"viewer":                        {counts, "", `{"viewer":"ada"}`, "", true, true, "the sessions that ended within a second", false},
		"viewer, not held":              {counts, "", `{"viewer":"ada","hold":"0s"}`, "", true, false, "the sessions that ended within a second", false},
		"playback":                      {counts, "", `{"playback_id":"p"}`, "", true, true, "refuse the playback within a second", false},
		"playback, not held":            {counts, "", `{"playback_id":"p","hold":"0s"}`, "", true, false, "the sessions that ended within a second", false},
		"grant":                         {counts + counted, "{}", `{"grant_id":%q}`, "grant", true, true, "the sessions that ended within a second", false},
		"order":                         {counts + counted, "{}", `{"order_id":%q}`, "order", true, true, "the sessions that ended within a second", false},
		"viewer, no sessions":           {"", "", `{"viewer":"ada"}`, "", false, true, "plays until effective_at", true},
		"playback, no sessions":         {"", "", `{"playback_id":"p"}`, "", true, true, "for as long as it is held; when that ends before effective_at", true},
		"playback, no sessions or hold": {"", "", `{"playback_id":"p","hold":"0s"}`, "", false, false, "plays until effective_at", false},
		"grant, no sessions":            {counted, "{}", `{"grant_id":%q}`, "grant", false, true, "plays until effective_at", false},
		"order, no sessions":            {counted, "{}", `{"order_id":%q}`, "order", false, true, "plays until effective_at", false},
		"grant with limits":             {counted, `{"max_sessions":1}`, `{"grant_id":%q}`, "grant", false, true, "plays until effective_at", false},
		"session by a grant's limits":   {counted, `{"max_sessions":1}`, `{"session_id":%q}`, "session", false, false, "plays until effective_at", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := configIn(t.TempDir())
			cfg.TrustedProxies = []string{"127.0.0.1/32"}
			r := serve(t, cfg)
			r.must(t, "POST", "/v1/targets", `{"id":"live","provider":"wowza"}`)
			importKey(t, r, "live", secret)
			r.must(t, "POST", "/v1/playbacks", `{"id":"p","target_id":"live","url":"https://h/1/S/n/playlist.m3u8","hdnts":{"stream_id":"S"},"ttl":"300s"`+c.playback+`}`)
			ids := map[string]any{"order": "4711"}
			if c.limits != "" {
				out := r.must(t, "POST", "/v1/grants", `{"grant":{"viewer":"ada","playback_id":"p","order_id":"4711","limits":`+c.limits+`}}`)
				ids["grant"] = field(t, out, "grant", "id")
			}
			out := r.must(t, "POST", "/v1/playbacks/p:sign", `{"viewer":"ada"}`)
			ids["session"] = out["session_id"]
			whole := fmt.Sprint(field(t, out, "credential", "url"))
			without, _, _ := strings.Cut(whole, "&sid=")
			plays := func() bool { t.Helper(); return r.asks(t, whole) || r.asks(t, without) }
			if !plays() {
				t.Fatalf("does not play at first: %v", out)
			}
			revoke := c.revoke
			if c.by != "" {
				revoke = fmt.Sprintf(revoke, ids[c.by])
			}
			done := r.must(t, "POST", "/v1/sessions:revoke", revoke)
			layers := layersOf(t, done)
			if l := layers["LAYER_EDGE"]; l.refuses != c.edge || !strings.Contains(l.detail, c.says) || plays() == c.edge {
				t.Errorf("edge: %+v; the token plays: %t", l, plays())
			}
			code, _ := r.call(t, "POST", "/v1/playbacks/p:sign", `{"viewer":"ada"}`)
			if l := layers["LAYER_SIGN"]; l.refuses != c.sign || (code == 200) == c.sign {
				t.Errorf("sign: %+v; it answers %d", l, code)
			}
			if id := ids["session"]; id != "" {
				code, _ := r.call(t, "POST", fmt.Sprintf("/v1/sessions/%s:refresh", id), `{"viewer":"ada"}`)
				if l := layers["LAYER_REFRESH"]; !l.refuses || code == 200 {
					t.Errorf("refresh: %+v; it answers %d", l, code)
				}
			}
			if l := layers["LAYER_VENDOR"]; l.refuses || !strings.Contains(l.detail, "until effective_at") ||
				timeAt(t, done, "revocation", "effective_at").Before(timeAt(t, out, "credential", "expires_at")) {
				t.Errorf("vendor: %+v, of a token that lives until %v: %v", l, field(t, out, "credential", "expires_at"), done)
			}
			code, _ = r.call(t, "POST", fmt.Sprintf("/v1/revocations/%s:lift", field(t, done, "revocation", "id")), `{}`)
			if code == 200 && plays() != c.again {
				t.Errorf("lifted: the token plays again: %t, want %t", !c.again, c.again)
			}
		})
	}
}
