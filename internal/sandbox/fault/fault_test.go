package fault_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
)

// stand is a stand-in that counts its effects.
type stand struct {
	plan   *fault.Plan
	url    string
	client *http.Client

	mu      sync.Mutex
	effects int
}

func (s *stand) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.effects
}

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{plan: fault.New(time.Now)}
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		fault.Effect(r.Context(), "counted", func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.effects++
		})
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"made":true}`))
	})
	server := httptest.NewServer(s.plan.Handler(func(r *http.Request) string { return r.Method }, api))
	t.Cleanup(server.Close)
	s.url = server.URL
	s.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s
}

func (s *stand) send(ctx context.Context, method string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, s.url, strings.NewReader("body"))
	if err != nil {
		return 0, "", err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), errors.Join(err, resp.Body.Close())
}

func TestFaults(t *testing.T) {
	cases := []struct {
		name    string
		fault   fault.Fault
		status  int // 0 for a broken connection
		broken  bool
		body    string
		effects int
	}{
		{"lost before", fault.LostBefore(), 0, true, "", 0},
		{"lost after", fault.LostAfter(), 0, true, "", 1},
		{"reset", fault.Reset(), 0, true, "", 0},
		{"reset after", fault.Reset().AfterEffect(), 0, true, "", 1},
		{"truncated", fault.Truncated(), 201, true, "", 1},
		{"status", fault.Status(503), 503, false, "{}", 0},
		{"status after", fault.Status(500).AfterEffect(), 500, false, "{}", 1},
		{"conflict", fault.Conflict(), 409, false, "{}", 0},
		{"locked", fault.Locked(), 423, false, "{}", 0},
		{"throttled", fault.Throttled("3"), 429, false, "{}", 0},
		{"page", fault.HTML(502), 502, false, "<!doctype", 0},
		{"redirect", fault.Redirect("http://127.0.0.1:1/"), 302, false, "{}", 0},
		{"huge", fault.Huge(1000), 200, false, `{"filler":"xxx`, 0},
		{"slow", fault.Slow(time.Millisecond), 201, false, `{"made":true}`, 1},
		{"foreign", fault.Foreign(func() {}), 201, false, `{"made":true}`, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newStand(t)
			s.plan.Add(fault.Rule{Fault: c.fault})
			status, body, err := s.send(t.Context(), http.MethodPost)
			if (err != nil) != c.broken || status != c.status || !strings.HasPrefix(body, c.body) && !c.broken || s.count() != c.effects {
				t.Errorf("status %d, body %.20q, %v, %d effects; want %+v", status, body, err, s.count(), c)
			}
			status, body, err = s.send(t.Context(), http.MethodPost)
			if err != nil || status != http.StatusCreated || body != `{"made":true}` {
				t.Errorf("the next call: status %d, body %q, %v; want it to go well", status, body, err)
			}
		})
	}
}

func TestRulesCountTheirOwnCalls(t *testing.T) {
	s := newStand(t)
	s.plan.Add(
		fault.Rule{Call: "PATCH", From: 2, Times: 2, Fault: fault.Status(500)},
		fault.Rule{From: 4, Fault: fault.Status(418)},
	)
	var got []int
	for _, method := range []string{"POST", "PATCH", "PATCH", "PATCH", "POST", "PATCH"} {
		status, _, err := s.send(t.Context(), method)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, status)
	}
	if want := []int{201, 201, 500, 500, 201, 201}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: the first rule that strikes counts", got, want)
	}
	if s.plan.Count("PATCH") != 4 || s.plan.Count("") != 6 {
		t.Errorf("counted %d and %d, want 4 and 6", s.plan.Count("PATCH"), s.plan.Count(""))
	}
	s.plan.Clear()
	if len(s.plan.Calls()) != 0 {
		t.Error("Clear forgot nothing")
	}
}

func TestForever(t *testing.T) {
	s := newStand(t)
	s.plan.Add(fault.Rule{Call: "POST", From: 2, Times: fault.Forever, Fault: fault.Status(500)})
	for i, want := range []int{201, 500, 500, 500} {
		if status, _, err := s.send(t.Context(), http.MethodPost); err != nil || status != want {
			t.Errorf("call %d: %d, %v; want %d", i+1, status, err, want)
		}
	}
}

func TestObserversSeeBothSidesOfEffects(t *testing.T) {
	s := newStand(t)
	var mu sync.Mutex
	var seen []fault.Event
	var counts []int
	s.plan.Observe(func(e fault.Event) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, e)
		counts = append(counts, s.count())
	})
	s.plan.Add(fault.Rule{Fault: fault.LostBefore()}, fault.Rule{From: 2, Fault: fault.LostAfter()})
	for range 2 {
		if _, _, err := s.send(t.Context(), http.MethodPost); err == nil {
			t.Error("the answer was not lost")
		}
	}
	mu.Lock()
	defer mu.Unlock()
	want := []fault.Event{
		{Call: "POST", Effect: "counted", Phase: fault.Before}, {Call: "POST", Effect: "counted", Phase: fault.After},
	}
	if !slices.Equal(seen, want) || !slices.Equal(counts, []int{0, 1}) {
		t.Errorf("seen %v with counts %v, want %v and [0 1]", seen, counts, want)
	}
}

func TestClockCanBeOff(t *testing.T) {
	s := newStand(t)
	s.plan.SetSkew(time.Hour)
	resp, err := s.client.Get(s.url) //nolint:noctx // a test of one header
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if ahead := time.Until(date); err != nil || ahead < 59*time.Minute || ahead > 61*time.Minute {
		t.Errorf("Date is ahead by %v, %v; want an hour", ahead, err)
	}
}

func TestSlowEndsWithTheCaller(t *testing.T) {
	s := newStand(t)
	s.plan.Add(fault.Rule{Fault: fault.Slow(time.Hour)})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := s.send(ctx, http.MethodPost); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	if s.count() != 1 {
		t.Error("a slow call took no effect")
	}
}

func TestEffectOutsideOfAPlan(t *testing.T) {
	done := false
	fault.Effect(t.Context(), "anything", func() { done = true })
	if !done {
		t.Error("the change was not made")
	}
}

func TestPlanIsSafeForConcurrentUse(t *testing.T) {
	s := newStand(t)
	s.plan.Add(fault.Rule{Times: 10, Fault: fault.Status(500)})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			s.plan.SetSkew(time.Second)
			s.plan.Observe(func(fault.Event) {})
			if _, _, err := s.send(t.Context(), http.MethodPost); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if s.count() != 10 || s.plan.Count("") != 20 {
		t.Errorf("%d effects of %d calls, want 10 of 20", s.count(), s.plan.Count(""))
	}
}
