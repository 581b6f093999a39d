package edge_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/edge"
	"github.com/tokensvc/tokensvc/internal/provider/agora"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/tokens"
)

func (w *world) agora(secret string) *edge.Agora {
	check := func(header http.Header, body []byte) error {
		return agora.CheckCallback(tokens.NewSecret([]byte(secret)), header, body)
	}
	return &edge.Agora{Decider: w.Decider, Signed: check, PushHosts: []string{"push.example.com"}, Log: slog.New(slog.DiscardHandler)}
}

func callback(t *testing.T, handler http.Handler, body, contentType, signature string) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, edge.AgoraPath, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	if signature != "" {
		r.Header.Set("Agora-Signature-V2", signature)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	return recorder.Code
}

func signed(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// The vectors carry signatures of Agora's own samples. What is signed and about a push is admitted; what is
// signed and about nothing here is refused, and so is everything with another signature.
func TestAgoraVectors(t *testing.T) {
	w := newWorld(t)
	text, err := os.ReadFile("testdata/agora_callback_public.json")
	w.must(err)
	var vectors []struct {
		ID, Body, Secret string
		V1               string `json:"agora_signature"`
		V2               string `json:"agora_signature_v2"`
	}
	w.must(json.Unmarshal(text, &vectors))
	if len(vectors) != 7 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for _, v := range vectors {
		want := http.StatusUnauthorized
		if v.ID == "origin-min" { // the push domain
			want = http.StatusOK
		}
		handler := w.agora(v.Secret)
		if got := callback(t, handler, v.Body, "application/json;charset=utf-8", v.V2); got != want {
			t.Errorf("%s: %d, want %d", v.ID, got, want)
		}
		for name, bad := range map[string]string{"none": "", "V1": v.V1, "upper case": strings.ToUpper(v.V2), "another": strings.Repeat("0", 64)} {
			if got := callback(t, handler, v.Body, "application/json", bad); got != http.StatusUnauthorized {
				t.Errorf("%s with signature %s: %d", v.ID, name, got)
			}
		}
		if got := callback(t, handler, v.Body+" ", "application/json", v.V2); got != http.StatusUnauthorized {
			t.Errorf("%s changed: %d", v.ID, got)
		}
		if got := callback(t, w.agora("other"), v.Body, "application/json", v.V2); got != http.StatusUnauthorized {
			t.Errorf("%s under another secret: %d", v.ID, got)
		}
	}
}

func TestAgoraAsksAboutPlays(t *testing.T) {
	w := newWorld(t)
	handler := w.agora("s3cret")
	ask := func(body string) int { return callback(t, handler, body, "application/json", signed("s3cret", body)) }
	const sid = "0123456789abcdef0123456789abcdef"
	w.open("derby", sid)
	for body, want := range map[string]int{
		`{"host":"play.example","entryPoint":"live","streamName":"match"}`:                                         200,
		`{"host":"PLAY.example","entryPoint":"live","streamName":"match","token":"","cdnIp":"203.0.113.9"}`:        200,
		`{"host":"other.example","entryPoint":"live","streamName":"match"}`:                                        401,
		`{"host":"play.example","entryPoint":"vod","streamName":"match"}`:                                          401,
		`{"host":"play.example","entryPoint":"live","streamName":"x/../match"}`:                                    401,
		`{"host":"play.example","entryPoint":"live","streamName":"derby"}`:                                         401,
		`{"host":"play.example","entryPoint":"live","streamName":"derby","token":"` + sid + `"}`:                   200,
		`{"host":"play.example","entryPoint":"live","streamName":"match","token":"` + sid + `"}`:                   401,
		`{"host":"play.example","entryPoint":"live","streamName":"derby","token":"00` + sid[2:] + `"}`:             401,
		`{"host":"play.example","entryPoint":"live","streamName":"derby","token":"` + sid + `&token=` + sid + `"}`: 401,
		`{"host":"play.example","entryPoint":"live"}`:                                                              401,
		`[]`: 401, ``: 401, `{`: 401,
	} {
		if got := ask(body); got != want {
			t.Errorf("%s: %d, want %d", body, got, want)
		}
	}
	form := "host=play.example&entryPoint=live&streamName=match"
	if got := callback(t, handler, form, "application/x-www-form-urlencoded", signed("s3cret", form)); got != 200 {
		t.Errorf("a form: %d", got)
	}
	get := httptest.NewRequestWithContext(t.Context(), http.MethodGet, edge.AgoraPath+"?"+form, http.NoBody)
	get.Header.Set("Agora-Signature-V2", signed("s3cret", ""))
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, get)
	if recorder.Code != http.StatusUnauthorized {
		t.Errorf("GET: %d", recorder.Code)
	}
	big := `{"host":"` + strings.Repeat("x", 70_000) + `"}`
	if got := ask(big); got != http.StatusUnauthorized {
		t.Errorf("a huge body: %d", got)
	}
	ended := w.sessions.all[sid]
	ended.EndedAt, ended.End = w.now(), session.Ended
	w.sessions.put(ended)
	if got := ask(`{"host":"play.example","entryPoint":"live","streamName":"derby","token":"` + sid + `","cdnIp":"later"}`); got != 401 {
		t.Errorf("a revoked session: %d", got)
	}
}

// A retry is answered as the first call was; a replay is not answered.
func TestAgoraReplays(t *testing.T) {
	w := newWorld(t)
	handler := w.agora("s3cret")
	ask := func(body string) int { return callback(t, handler, body, "application/json", signed("s3cret", body)) }
	body := `{"host":"play.example","entryPoint":"live","streamName":"match","requestId":"r-1"}`
	wants := func(when, body string, want int) {
		t.Helper()
		if got := ask(body); got != want {
			t.Errorf("%s: %d, want %d", when, got, want)
		}
	}
	wants("at first", body, 200)
	w.advance(4 * time.Minute)
	wants("a retry", body, 200)
	wants("another body under the same id", strings.Replace(body, "match", "match ", 1), 401)
	w.advance(2 * time.Minute)
	wants("a replay", body, 401)
	wants("without an id", strings.Replace(body, `,"requestId":"r-1"`, "", 1), 200)
	const sid = "0123456789abcdef0123456789abcdef"
	w.open("derby", sid)
	derby := `{"host":"play.example","entryPoint":"live","streamName":"derby","token":"` + sid + `","requestId":"r-3"}`
	wants("with a session", derby, 200)
	ended := w.sessions.all[sid]
	ended.EndedAt, ended.End = w.now(), session.Ended
	w.sessions.put(ended)
	wants("its retry when the session was revoked", derby, 401)
	w.sessions.stale = true
	wants("while nothing is known", strings.Replace(body, "r-1", "r-2", 1), 401)
	w.sessions.stale = false
	wants("its retry", strings.Replace(body, "r-1", "r-2", 1), 200)
}
