package providertest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// shortest is the length from which on a text that went over the wire counts as seen again in an error; shorter
// ones are there by chance.
const shortest = 6

// Write takes the client's log lines.
func (f *fixture) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Write(line)
}

func (f *fixture) hide(texts ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, text := range texts {
		if len(text) >= shortest {
			f.hidden = append(f.hidden, text)
		}
	}
}

// record notes what a client sends, and checks what every request has to have.
func (f *fixture) record(t *testing.T, next http.Handler) http.Handler {
	plain := []string{"Accept", "Accept-Encoding", "Connection", "Content-Length", "Content-Type", "User-Agent"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading a request: %v", err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		f.hide(r.URL.EscapedPath(), r.URL.RawQuery, string(body))
		for name, values := range r.Header {
			if !slices.Contains(plain, name) {
				f.hide(values...)
			}
		}
		if agent := r.UserAgent(); !strings.HasPrefix(agent, "tokensvc/") {
			t.Errorf("User-Agent %q, want tokensvc/VERSION", agent)
		}
		if r.ProtoMajor != 1 {
			t.Errorf("%s, want HTTP/1.1", r.Proto)
		}
		next.ServeHTTP(w, r)
	})
}

func (f *fixture) checkLeaks(t *testing.T, err error) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	shown := f.log.String()
	if err != nil {
		shown += fmt.Sprintf("\n%v\n%+v\n%#v", err, err, err)
	}
	for _, hidden := range f.hidden {
		if strings.Contains(shown, hidden) {
			t.Errorf("an error or a log line shows %q, which went over the wire:\n%s", hidden, shown)
		}
	}
	for i, secret := range f.stand.Secrets {
		if strings.Contains(shown, string(secret.Reveal())) {
			t.Errorf("an error or a log line shows secret number %d", i)
		}
	}
	if strings.Contains(shown, "Something is wrong") {
		t.Errorf("an error or a log line shows the body of an answer:\n%s", shown)
	}
}
