package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const callbackPath = "/edge/streamapi/0123456789abcdef"

// callBack posts a body to StreamAPI's path, and returns status and answer.
func (r *running) callBack(t *testing.T, method, kind, body string, header ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.base+callbackPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := response.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("the answer may be cached: %q", got)
	}
	return response.StatusCode, string(text)
}

// logsIn tells whether the call-back admits a key to a playback.
func (r *running) logsIn(t *testing.T, playback, key string) bool {
	t.Helper()
	code, text := r.callBack(t, "POST", "application/x-www-form-urlencoded", url.Values{"action": {"login"}, "public_hostid": {playback}, "key": {key}}.Encode())
	admitted, refused := strings.Contains(text, "<code>0</code>"), strings.Contains(text, "<code>1</code>")
	if code != 200 || admitted == refused || admitted != strings.Contains(text, "<role>viewer</role>") {
		t.Errorf("%d %s", code, text)
	}
	return admitted
}

// TestStreamAPILogin: a session is the key that a viewer brings, for as long as it lives and for its playback only.
func TestStreamAPILogin(t *testing.T) {
	t.Parallel()
	cfg := managed(configIn(t.TempDir()))
	cfg.Edge.StreamAPIPath = callbackPath
	r := serve(t, cfg)
	importKey(t, r, "live", secret)
	for _, id := range []string{"1000016132", "1000016133"} {
		r.must(t, "POST", "/v1/playbacks", `{"id":"`+id+`","target_id":"live","url":"https://h/1/S/`+id+`/playlist.m3u8","hdnts":{"stream_id":"S"},"sessions":{"max_sessions":2,"rule":"SESSION_RULE_EVICT_OLDEST"}}`)
	}
	sign := func(viewer string) string {
		t.Helper()
		return fmt.Sprint(r.must(t, "POST", "/v1/playbacks/1000016132:sign", `{"viewer":"`+viewer+`"}`)["session_id"])
	}
	const host = "1000016132"
	good := sign("ann <&> böb")
	if !r.logsIn(t, host, good) {
		t.Error("a living session is refused")
	}
	if _, text := r.callBack(t, "POST", "application/x-www-form-urlencoded", "action=login&public_hostid="+host+"&key="+good); !strings.Contains(text, "<name>ann &lt;&amp;&gt; böb</name>") {
		t.Errorf("the viewer's name: %s", text)
	}
	for name, c := range map[string]struct{ playback, key string }{
		"another playback":   {"1000016133", good},
		"no playback":        {"", good},
		"unknown playback":   {"nobody", good},
		"unknown key":        {host, strings.Repeat("0", 32)},
		"key in upper case":  {host, strings.ToUpper(good)},
		"no session's form":  {host, "x"},
		"no key":             {host, ""},
		"the playback as id": {host, host},
		"a key and more":     {host, good + "\x00"},
	} {
		if r.logsIn(t, c.playback, c.key) {
			t.Errorf("%s: admitted", name)
		}
	}

	stopped := sign("ann")
	r.must(t, "POST", "/v1/sessions/"+stopped+":stop", `{}`)
	oldest := sign("bob")
	sign("bob")
	sign("bob")
	revoked := sign("eve")
	r.must(t, "POST", "/v1/sessions:revoke", `{"viewer":"eve"}`)
	for name, key := range map[string]string{"stopped": stopped, "evicted": oldest, "of a viewer who was revoked": revoked} {
		if r.logsIn(t, host, key) {
			t.Errorf("a session %s is admitted", name)
		}
	}
	if !r.logsIn(t, host, good) {
		t.Error("another viewer's session is refused")
	}
	r.must(t, "POST", "/v1/sessions:revoke", `{"playback_id":"`+host+`"}`)
	if r.logsIn(t, host, good) {
		t.Error("a session of a revoked playback is admitted")
	}
}

// TestStreamAPIBadCallBacks: whatever is posted, nobody is admitted by it, and the path that nobody can guess is the
// only one.
func TestStreamAPIBadCallBacks(t *testing.T) {
	t.Parallel()
	cfg := managed(configIn(t.TempDir()))
	cfg.Edge.StreamAPIPath = callbackPath
	cfg.Playbacks[0].Sessions.Rule = "deny_new"
	r := serve(t, cfg)
	importKey(t, r, "live", secret)
	key := fmt.Sprint(r.must(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"ann"}`)["session_id"])
	const form = "application/x-www-form-urlencoded"
	login := "action=login&public_hostid=event&key=" + key
	for name, c := range map[string]struct {
		method, kind, body string
		status             int
		says               string
	}{
		"as it should be":        {"POST", form, login, 200, "<code>0</code>"},
		"GET":                    {"GET", form, login, 405, "POST"},
		"PUT":                    {"PUT", form, login, 405, "POST"},
		"XML":                    {"POST", "text/xml", "<request><action>login</action><key>" + key + "</key></request>", 200, "<code>1</code>"},
		"an entity bomb":         {"POST", "text/xml", `<!DOCTYPE a [<!ENTITY b "` + key + `">]><a>&b;</a>`, 200, "<code>1</code>"},
		"JSON":                   {"POST", "application/json", `{"action":"login","public_hostid":"event","key":"` + key + `"}`, 200, "<code>1</code>"},
		"several parts":          {"POST", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"action\"\r\n\r\nlogin\r\n--x--\r\n", 200, "<code>1</code>"},
		"nothing":                {"POST", form, "", 200, "<code>1</code>"},
		"no form":                {"POST", form, "%zz=%", 400, "form"},
		"semicolons":             {"POST", form, strings.ReplaceAll(login, "&", ";"), 400, "form"},
		"a kind that is none":    {"POST", "text/;", login, 400, "form"},
		"17 KiB":                 {"POST", form, login + "&x=" + strings.Repeat("x", 17<<10), 400, "16 KiB"},
		"2 MiB":                  {"POST", form, login + "&x=" + strings.Repeat("x", 2<<20), 400, "16 KiB"},
		"2 MiB before the login": {"POST", form, "x=" + strings.Repeat("x", 2<<20) + "&" + login, 400, "16 KiB"},
		"the key twice":          {"POST", form, login + "&key=" + key, 200, "<code>1</code>"},
		"another action":         {"POST", form, strings.Replace(login, "login", "admit", 1), 200, "<code>1</code>"},
		"the end of a broadcast": {"POST", form, "action=end_live&public_hostid=event", 200, "<code>0</code>"},
	} {
		// The provider's call-back names no origin; whoever's browser does is judged alike.
		code, text := r.callBack(t, c.method, c.kind, c.body, "Origin", "https://elsewhere.example")
		if code != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %s; want %d and %q", name, code, text, c.status, c.says)
		}
		if strings.Contains(text, key) {
			t.Errorf("%s: the answer repeats the key", name)
		}
	}
	for _, path := range []string{"/edge/streamapi", "/edge/streamapi/", "/edge/streamapi/0123456789abcdeg", callbackPath + "/"} {
		if code, _ := r.call(t, "POST", path, "{}"); code != 404 {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code, out := serve(t, managed(configIn(t.TempDir()))).call(t, "POST", callbackPath, "{}"); code != 404 {
		t.Errorf("a path that is not configured: %d %v", code, out)
	}
}
