package providertest

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
)

// checkClass checks that err is a *provider.Error of exactly one class; a nil class wants no error.
func checkClass(t *testing.T, err, want error) {
	t.Helper()
	if want == nil {
		if err != nil {
			t.Errorf("got %v, want success", err)
		}
		return
	}
	var failure *provider.Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v (%T), want a *provider.Error", err, err)
	}
	if failure.Provider == "" || failure.Call == "" {
		t.Errorf("%v names no provider or no call", err)
	}
	for _, class := range []error{provider.ErrRejected, provider.ErrThrottled, provider.ErrDenied, provider.ErrAmbiguous} {
		if is := errors.Is(err, class); is != errors.Is(want, class) {
			t.Errorf("%v: errors.Is(%q) = %v, want class %q", err, class, is, want)
		}
	}
}

type faultCase struct {
	name  string
	fault fault.Fault
	want  error
}

// classOf is the class of an answer by its status.
func (s *suite) classOf(status int) error {
	gone := status == http.StatusNotFound || status == http.StatusGone
	if gone && s.call.GoneIsDone {
		return nil
	}
	if class, ok := s.Classes[status]; ok {
		return class
	}
	switch status {
	case 400, 404, 405, 409, 410, 415, 422:
		return provider.ErrRejected
	case 401, 403:
		return provider.ErrDenied
	case 423, 429:
		return provider.ErrThrottled
	default:
		return provider.ErrAmbiguous
	}
}

func (s *suite) faultCases() []faultCase {
	cases := []faultCase{
		{"lost before the effect", fault.LostBefore(), provider.ErrAmbiguous},
		{"lost after the effect", fault.LostAfter(), provider.ErrAmbiguous},
		{"reset", fault.Reset(), provider.ErrAmbiguous},
		{"huge", fault.Huge(rest.DefaultMaxBody), provider.ErrAmbiguous},
	}
	for _, status := range []int{
		400, 401, 402, 403, 404, 405, 409, 410, 415, 418, 422, 423, 429, 451, 500, 501, 502, 503, 504, 520, 599,
	} {
		cases = append(cases,
			faultCase{fmt.Sprintf("status %d", status), fault.Status(status), s.classOf(status)},
			faultCase{fmt.Sprintf("status %d in HTML", status), fault.HTML(status), s.classOf(status)})
	}
	if !s.call.NoBody {
		empty, list := fault.Status(http.StatusOK), fault.Status(http.StatusOK)
		empty.Body, list.Body = nil, []byte(`[]`)
		cases = append(cases,
			faultCase{"a page", fault.HTML(http.StatusOK), provider.ErrAmbiguous},
			faultCase{"nothing", empty, provider.ErrAmbiguous},
			faultCase{"a list", list, provider.ErrAmbiguous})
	}
	// Where gone is done, a second try finds that the first one took effect.
	if !s.call.NoBody && !s.call.GoneIsDone {
		cases = append(cases, faultCase{"truncated", fault.Truncated(), provider.ErrAmbiguous})
	}
	return cases
}

func (s *suite) classes(t *testing.T) {
	for _, c := range s.faultCases() {
		t.Run(c.name, func(t *testing.T) {
			f := s.start(t)
			f.stand.Plan.Add(fault.Rule{Call: s.call.Name, Times: fault.Forever, Fault: c.fault})
			err := s.do(t, f)
			checkClass(t, err, c.want)
			if gone := c.fault.Status == http.StatusNotFound || c.fault.Status == http.StatusGone; err != nil && gone != errors.Is(err, provider.ErrGone) {
				t.Errorf("%v: errors.Is(ErrGone) = %v, want %v", err, !gone, gone)
			}
			sent, most := f.stand.Plan.Count(s.call.Name), 1
			if s.Relogin && c.fault.Status == http.StatusUnauthorized {
				most = 2
			}
			if s.call.Repeat == rest.Once && (sent < 1 || sent > most) {
				t.Errorf("sent %d times; this call must be sent %d times at most", sent, most)
			}
		})
	}
}

func (s *suite) unreachable(t *testing.T) {
	f := s.start(t)
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	f.adapt = s.client(t, f, server.URL, patient())
	checkClass(t, s.do(t, f), provider.ErrThrottled)
}

// untrusted is a server whose certificate nobody vouches for: it must see no request.
func (s *suite) untrusted(t *testing.T) {
	f := s.start(t)
	var seen atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	f.adapt = s.client(t, f, server.URL, patient())
	checkClass(t, s.do(t, f), provider.ErrThrottled)
	if seen.Load() != 0 {
		t.Error("a request went to a server that could not prove who it is")
	}
}

func (s *suite) redirect(t *testing.T) {
	f := s.start(t)
	var seen atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer elsewhere.Close()
	f.hide(elsewhere.URL)
	f.stand.Plan.Add(fault.Rule{Call: s.call.Name, Times: fault.Forever, Fault: fault.Redirect(elsewhere.URL)})
	checkClass(t, s.do(t, f), provider.ErrAmbiguous)
	if seen.Load() != 0 {
		t.Error("the redirect was followed; credentials went to another server")
	}
}

func (s *suite) deadline(t *testing.T) {
	f := s.startWith(t, hasty())
	f.stand.Plan.Add(fault.Rule{Call: s.call.Name, Times: fault.Forever, Fault: fault.Slow(time.Minute)})
	begin := time.Now()
	checkClass(t, s.do(t, f), provider.ErrAmbiguous)
	// A busy machine may take longer, by far less than the provider does.
	if took, most := time.Since(begin), hasty().maxCall+5*time.Second; took > most {
		t.Errorf("the call took %v and may take %v", took, most)
	}
}
