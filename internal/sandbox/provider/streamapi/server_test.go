package streamapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/provider/streamapi"
	"github.com/tokensvc/tokensvc/tokens"
)

type vector struct {
	ID, Method, URL, Encoded string
	APIKey                   string `json:"api_key"`
	SecretKey                string `json:"secret_key"`
}

func vectors(t *testing.T) []vector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "provider", "streamapi", "testdata", "streamapi_sig_public.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil || len(all) == 0 {
		t.Fatalf("%d vectors, %v", len(all), err)
	}
	return all
}

func newServer(t *testing.T, v vector) *streamapi.Server {
	t.Helper()
	s, err := streamapi.New(streamapi.Config{APIKey: v.APIKey, SecretKey: tokens.NewSecret([]byte(v.SecretKey)), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// send presents a vector, with its encoded parameters changed, and returns the answer's code.
func send(t *testing.T, s http.Handler, v vector, change ...string) string {
	t.Helper()
	encoded := strings.NewReplacer(change...).Replace(v.Encoded)
	u, err := url.Parse(v.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), v.Method, u.Path+"?"+encoded, http.NoBody)
	if v.Method == http.MethodPost {
		r = httptest.NewRequestWithContext(t.Context(), v.Method, u.Path, strings.NewReader(encoded))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	_, rest, _ := strings.Cut(w.Body.String(), "<code>")
	code, _, _ := strings.Cut(rest, "<")
	if w.Code != http.StatusOK || code == "" {
		t.Fatalf("%s: %d %s", v.ID, w.Code, w.Body)
	}
	return code
}

func TestVectorsAreLetIn(t *testing.T) {
	for _, v := range vectors(t) {
		s := newServer(t, v)
		switch code := send(t, s, v); code {
		case "0", "8", "46": // let in; whom it asks for may not exist
		default:
			t.Errorf("%s: code %s", v.ID, code)
		}
		if code := send(t, s, v); code != "203" {
			t.Errorf("%s: the same request id again: code %s, want 203", v.ID, code)
		}
	}
}

func TestStrictAuthentication(t *testing.T) {
	v := vectors(t)[1] // create a session with username=Peter
	const sig = "sig=768488102f0673ed617cddcd657e3146"
	for name, c := range map[string]struct {
		change []string
		want   string
	}{
		"as it is":          {nil, "0"},
		"another value":     {[]string{"Peter", "Paul"}, "202"},
		"another sig":       {[]string{sig, sig[:len(sig)-1] + "f"}, "202"},
		"another rid":       {[]string{"rid=1284000000001", "rid=1284000000002"}, "202"},
		"no sig":            {[]string{"&" + sig, ""}, "1"},
		"no rid":            {[]string{"&rid=1284000000001", ""}, "1"},
		"another key":       {[]string{v.APIKey, strings.Repeat("A", 32)}, "200"},
		"a value twice":     {[]string{"username=Peter", "username=Peter&username=Peter"}, "100"},
		"a parameter extra": {[]string{"username=Peter", "username=Peter&x=1"}, "100"},
	} {
		if code := send(t, newServer(t, v), v, c.change...); code != c.want {
			t.Errorf("%s: code %s, want %s", name, code, c.want)
		}
	}
}

func TestAWrongCallUsesUpNoRID(t *testing.T) {
	v := vectors(t)[1]
	s := newServer(t, v)
	if code := send(t, s, v, "Peter", "Paul"); code != "202" {
		t.Fatalf("code %s", code)
	}
	if code := send(t, s, v); code != "0" {
		t.Errorf("code %s, want 0", code)
	}
	s.SawRID(1 << 60)
	if code := send(t, s, v); code != "203" {
		t.Errorf("code %s, want 203", code)
	}
}
