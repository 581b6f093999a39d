package webhook_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/entitle/webhook"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/tokens"
)

const document = "../../../docs/webhooks.md"

const secret = "correct horse battery staple"

// clock is a clock that stands still until it is moved.
type clock struct{ moved atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Date(2026, 11, 20, 20, 0, 0, 0, time.UTC).Add(time.Duration(c.moved.Load()))
}

func (c *clock) move(d time.Duration) { c.moved.Add(int64(d)) }

// shop is a web hook whose behavior can be changed.
type shop struct {
	*httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc
	asked  atomic.Int64
	gone   chan struct{}
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{gone: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.mu.Lock()
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(func() {
		close(s.gone)
		s.Close()
	})
	return s
}

func (s *shop) does(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func says(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the client may have gone
	}
}

func answers(body string) http.HandlerFunc { return says(http.StatusOK, "application/json", body) }

func hooks(t *testing.T, c *clock, configs ...webhook.Config) *webhook.Hooks {
	t.Helper()
	for i := range configs {
		configs[i].ID, configs[i].Secret = "shop", tokens.NewSecret([]byte(secret))
	}
	h, err := webhook.New(configs, c.now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func request(viewer string) *entitle.Request {
	return &entitle.Request{
		Playback: &playback.Playback{ID: "final", TargetID: "live"}, Viewer: viewer,
		Viewing: entitle.Viewing{ClientIP: netip.MustParseAddr("203.0.113.7"), Attributes: map[string]string{"tier": "gold"}},
	}
}

// faults are those of the table in docs/webhooks.md, by their names.
func faults(s *shop, other string) map[string]http.HandlerFunc {
	const good = `{"allowed":true}`
	return map[string]http.HandlerFunc{
		"slow": func(http.ResponseWriter, *http.Request) { <-s.gone },
		"trickling": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"allowed":`) // the client may have gone
			_ = http.NewResponseController(w).Flush()
			<-s.gone
		},
		"500":       says(http.StatusInternalServerError, "application/json", good),
		"403":       says(http.StatusForbidden, "application/json", `{"allowed":false}`),
		"204":       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, http.StatusTemporaryRedirect) },
		"garbage":   answers("<<<"),
		"truncated": answers(`{"allowed":true`),
		"trailing":  answers(good + good),
		"huge":      answers(`{"allowed":true` + strings.Repeat(" ", 16<<10) + `}`),
		"html":      says(http.StatusOK, "text/html", good),
		"text":      answers(`{"allowed":"true"}`),
		"missing":   answers(`{"reason":"paid"}`),
		"twice":     answers(`{"allowed":false,"allowed":true}`),
		"capitals":  answers(`{"Allowed":true}`),
		"expired":   answers(`{"allowed":true,"until":"2026-11-20T20:00:00Z"}`),
		"reason":    answers(`{"allowed":true,"reason":"` + strings.Repeat("x", 257) + `"}`),
		"down":      nil,
		"flapping":  says(http.StatusInternalServerError, "application/json", good),
	}
}

// TestFaultTable holds the hooks to the table of the document, cell by cell.
func TestFaultTable(t *testing.T) {
	t.Parallel()
	columns, rows := table(t)
	other := newShop(t)
	other.does(answers(`{"allowed":true}`))
	untried := faults(nil, "")
	for name := range rows {
		delete(untried, name)
	}
	for name := range untried {
		t.Errorf("the document lacks the fault %q", name)
	}
	for name, cells := range rows {
		for i, column := range columns {
			t.Run(name+"/"+column, func(t *testing.T) {
				t.Parallel()
				if got := verdict(t, name, column, other.URL); got != cells[i] {
					t.Errorf("got %s; the document says %s", got, cells[i])
				}
			})
		}
	}
}

// verdict plays one cell of the table: what is known before, then the fault, then the question.
func verdict(t *testing.T, fault, column, other string) string {
	t.Helper()
	c, s := &clock{}, newShop(t)
	config := webhook.Config{URL: s.URL, Timeout: 2 * time.Second, OnError: webhook.Deny}
	if strings.HasPrefix(column, "last_known") {
		config.OnError, config.MaxAge = webhook.LastKnown, 10*time.Minute
	}
	h := hooks(t, c, config)
	for known, body := range map[string]string{"yes known": `{"allowed":true}`, "no known": `{"allowed":false}`} {
		if strings.Contains(column, known) {
			s.does(answers(body))
			prime(t, c, h)
		}
	}
	if strings.Contains(column, "too long ago") {
		c.move(10 * time.Minute)
	} else {
		c.move(9 * time.Minute)
	}
	behavior := faults(s, other)[fault]
	if behavior == nil {
		s.Close()
	} else {
		s.does(behavior)
	}
	got := said(h.Ask(t.Context(), "shop", request("ann")))
	if fault == "flapping" {
		for range 10 {
			s.does(answers(`{"allowed":true}`))
			if between := said(h.Ask(t.Context(), "shop", request("bob"))); between != "yes" && between != "unknown" {
				t.Errorf("between two failures: %s", between)
			}
			s.does(behavior)
			if again := said(h.Ask(t.Context(), "shop", request("ann"))); again != got {
				t.Errorf("first %s, then %s", got, again)
			}
		}
	}
	return got
}

// prime asks until there is an answer: a busy machine may take longer than the time-out.
func prime(t *testing.T, c *clock, h *webhook.Hooks) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; c.move(time.Minute) {
		_, err := h.Ask(t.Context(), "shop", request("ann"))
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func said(answer entitle.HookAnswer, err error) string {
	switch {
	case err != nil:
		return "unknown"
	case answer.Allowed:
		return "yes"
	default:
		return "no"
	}
}

// table reads the fault table of the document.
func table(t *testing.T) (columns []string, rows map[string][]string) {
	t.Helper()
	f, err := os.Open(document)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	rows = make(map[string][]string)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		cells := strings.Split(strings.Trim(lines.Text(), "| "), " | ")
		switch {
		case cells[0] == "fault":
			columns = cells[1:]
		case len(cells) == len(columns)+1 && len(columns) > 0 && !strings.HasPrefix(cells[0], "---"):
			name, _, _ := strings.Cut(cells[0], ":")
			rows[name] = cells[1:]
		}
	}
	if len(columns) != 6 || len(rows) == 0 {
		t.Fatalf("the document has no table: %v", columns)
	}
	return columns, rows
}

// TestSignatureIsThatOfTheDocument holds Sign to the example for users.
func TestSignatureIsThatOfTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^[0-9a-f]{64}$`).FindString(string(text))
	got := webhook.Sign(tokens.NewSecret([]byte(secret)), time.Unix(1795204800, 0), []byte(`{"webhook":"shop","viewer":"ann"}`))
	if got != "v1="+want {
		t.Errorf("got %s, the document has %s", got, want)
	}
}

func TestQuestion(t *testing.T) {
	t.Parallel()
	c, s := &clock{}, newShop(t)
	seen := make(chan string, 10)
	s.does(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		stamp, _ := strconv.ParseInt(r.Header.Get(webhook.HeaderTimestamp), 10, 64) // 0 gives another signature
		if err != nil || r.Header.Get(webhook.HeaderSignature) != webhook.Sign(tokens.NewSecret([]byte(secret)), time.Unix(stamp, 0), body) {
			http.Error(w, "bad signature", http.StatusUnauthorized)
			return
		}
		seen <- string(body)
		answers(`{"allowed":true,"until":"2026-11-20T21:00:00Z","reason":"paid"}`)(w, r)
	})
	h := hooks(t, c, webhook.Config{URL: s.URL, Timeout: time.Minute, OnError: webhook.Deny})
	id := regexp.MustCompile(`"id":"[A-Z2-7]{26}"`)
	var bodies []string
	for range 2 {
		answer, err := h.Ask(t.Context(), "shop", request("ann"))
		if err != nil || !answer.Allowed || answer.Detail != "says yes: paid" || !answer.Until.Equal(c.now().Add(time.Hour)) {
			t.Fatal(answer, err)
		}
		bodies = append(bodies, <-seen)
	}
	if bodies[0] == bodies[1] {
		t.Error("two questions have one id")
	}
	want := `{"id":X,"time":"2026-11-20T20:00:00Z","webhook":"shop","playback_id":"final","target_id":"live","viewer":"ann","client_ip":"203.0.113.7","attributes":{"tier":"gold"}}`
	if got := id.ReplaceAllString(bodies[0], `"id":X`); got != want {
		t.Errorf("asked %s", got)
	}
}

func TestCache(t *testing.T) {
	t.Parallel()
	c, s := &clock{}, newShop(t)
	s.does(answers(`{"allowed":true,"until":"2026-11-20T20:00:40Z"}`))
	h := hooks(t, c, webhook.Config{URL: s.URL, Timeout: time.Minute, OnError: webhook.Deny, CacheTTL: 30 * time.Second})
	ask := func(viewer string, want int64) {
		t.Helper()
		if _, err := h.Ask(t.Context(), "shop", request(viewer)); err != nil {
			t.Fatal(err)
		}
		if got := s.asked.Load(); got != want {
			t.Errorf("asked %d times, want %d", got, want)
		}
	}
	ask("ann", 1)
	ask("ann", 1)
	ask("bob", 2)
	c.move(29 * time.Second)
	ask("ann", 2)
	c.move(time.Second)
	ask("ann", 3)
	c.move(9 * time.Second)
	ask("ann", 3)
	c.move(time.Second) // the answer held until now
	if _, err := h.Ask(t.Context(), "shop", request("ann")); err == nil {
		t.Error("an answer whose end has come was used")
	}
}

func TestEqualQuestionsAreAskedOnce(t *testing.T) {
	t.Parallel()
	const callers = 32
	c, s := &clock{}, newShop(t)
	release := make(chan struct{})
	s.does(func(w http.ResponseWriter, r *http.Request) {
		<-release
		answers(`{"allowed":true}`)(w, r)
	})
	h := hooks(t, c, webhook.Config{URL: s.URL, Timeout: time.Minute, OnError: webhook.Deny, CacheTTL: time.Hour})
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			if answer, err := h.Ask(t.Context(), "shop", request("ann")); err != nil || !answer.Allowed {
				t.Error(answer, err)
			}
		})
	}
	close(release)
	group.Wait()
	if got := s.asked.Load(); got != 1 {
		t.Errorf("asked %d times", got)
	}
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	c, s := &clock{}, newShop(t)
	s.does(says(http.StatusInternalServerError, "application/json", "{}"))
	h := hooks(t, c, webhook.Config{URL: s.URL, Timeout: time.Minute, OnError: webhook.Deny})
	ask := func(wantAsked int64, want string) {
		t.Helper()
		if got := said(h.Ask(t.Context(), "shop", request("ann"))); got != want || s.asked.Load() != wantAsked {
			t.Errorf("got %s after %d questions, want %s after %d", got, s.asked.Load(), want, wantAsked)
		}
	}
	for i := range int64(5) {
		ask(i+1, "unknown")
	}
	ask(5, "unknown")
	c.move(5 * time.Second)
	ask(6, "unknown") // one is tried
	ask(6, "unknown")
	s.does(answers(`{"allowed":true}`))
	c.move(5 * time.Second)
	ask(7, "yes")
	ask(8, "yes")
}

// TestLastKnownBoundsTokens holds that no token outlives what is known.
func TestLastKnownBoundsTokens(t *testing.T) {
	t.Parallel()
	c, s := &clock{}, newShop(t)
	s.does(answers(`{"allowed":true}`))
	h := hooks(t, c, webhook.Config{URL: s.URL, Timeout: time.Minute, OnError: webhook.LastKnown, MaxAge: 10 * time.Minute})
	began := c.now()
	if _, err := h.Ask(t.Context(), "shop", request("ann")); err != nil {
		t.Fatal(err)
	}
	c.move(time.Minute)
	s.does(says(http.StatusInternalServerError, "text/plain", ""))
	answer, err := h.Ask(t.Context(), "shop", request("ann"))
	if err != nil || !answer.Allowed || !answer.Until.Equal(began.Add(10*time.Minute)) || !strings.Contains(answer.Detail, "does not answer") {
		t.Error(answer, err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := webhook.Config{ID: "shop", URL: "https://shop.example.com/x", Secret: tokens.NewSecret([]byte(secret)), Timeout: time.Second, OnError: webhook.Deny}
	for want, change := range map[string]func(*webhook.Config){
		"":                  func(*webhook.Config) {},
		"at least 16":       func(c *webhook.Config) { c.Secret = tokens.NewSecret([]byte("short")) },
		"want https":        func(c *webhook.Config) { c.URL = "http://shop.example.com" },
		"not an absolute":   func(c *webhook.Config) { c.URL = "shop.example.com/x" },
		"must not hold":     func(c *webhook.Config) { c.URL = "https://u:p@shop.example.com" },
		"needs a max_age":   func(c *webhook.Config) { c.OnError = webhook.LastKnown },
		"want deny or last": func(c *webhook.Config) { c.OnError = "allow" },
		"needs a time-out":  func(c *webhook.Config) { c.Timeout = 0 },
	} {
		config := good
		change(&config)
		h, err := webhook.New([]webhook.Config{config}, time.Now, slog.New(slog.DiscardHandler))
		if want == "" {
			if err != nil || !h.Has("shop") || h.Has("other") {
				t.Error(err)
			}
			h.Close()
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(fmt.Sprint(err), secret) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1/x", "http://[::1]/x", "http://localhost/x"} {
		if err := webhook.CheckURL(url); err != nil {
			t.Error(err)
		}
	}
}
