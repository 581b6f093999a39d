package tokenstest

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

func (s *suite) deterministic(t *testing.T) {
	first := s.mustSign(t, s.Params(s.expire))
	again := s.mustSign(t, s.Params(s.expire))
	if first != again {
		t.Errorf("the same parameters made %+v, then %+v", first, again)
	}
	key, err := s.Scheme.Prepare(s.Material)
	if err != nil {
		t.Fatal(err)
	}
	other, err := key.Sign(s.Params(s.expire), s.Now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if first != other {
		t.Errorf("prepared anew and a minute later the same parameters made %+v, not %+v", other, first)
	}
	s.checkText(t, "the credential", fmt.Sprintf("%+v", first))
}

func (s *suite) expiryIsAsked(t *testing.T) {
	// The last of them has a fraction, which a token cannot carry and must not round up.
	for _, d := range []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour, time.Hour + 999*time.Millisecond} {
		want := s.Now.Add(d)
		c := s.mustSign(t, s.Params(want))
		s.checkExpiry(t, c, s.Presented(c), want)
	}
}

// checkExpiry fails the test unless credential and token say want, to the second and once.
func (s *suite) checkExpiry(t *testing.T, c tokens.Credential, p tokens.Presented, want time.Time) {
	t.Helper()
	if c.ExpiresAt.Unix() != want.Unix() || c.ExpiresAt.Nanosecond() != 0 {
		t.Errorf("the credential expires at %v, want %v", c.ExpiresAt, want)
	}
	var seen []string
	for _, f := range s.Scheme.Explain(p, s.Now, s.key).Fields {
		if f.Name == s.ExpiryField {
			seen = append(seen, f.Value)
		}
	}
	if !slices.Equal(seen, []string{strconv.FormatInt(want.Unix(), 10)}) {
		t.Errorf("the token says %s %q, want %d once", s.ExpiryField, seen, want.Unix())
	}
}

func (s *suite) fieldsCannotInject(t *testing.T) {
	if len(s.Fields) == 0 {
		t.Fatal("the format names no text field")
	}
	for _, f := range s.Fields {
		t.Run(f.Name, func(t *testing.T) {
			for _, value := range Nasty() {
				s.fieldHolds(t, f, value)
			}
		})
	}
}

// fieldHolds fails the test unless value is refused in f, or comes out as it went in and changes
// nothing else.
func (s *suite) fieldHolds(t *testing.T, f Field, value string) {
	t.Helper()
	c, err := s.key.Sign(f.Params(value, s.expire), s.Now)
	s.checkParamsAgrees(t, f.Params(value, s.expire), err)
	if err != nil {
		s.checkError(t, err, tokens.ErrInvalidParams)
		return
	}
	p := s.Presented(c)
	if f.Presented != nil {
		p = f.Presented(c, value)
	}
	if err := s.key.Verify(p, s.Now); err != nil {
		t.Errorf("%.80q was signed, but the token is refused: %v", value, err)
		return
	}
	s.checkExpiry(t, c, p, s.expire)
	explanation := s.Scheme.Explain(p, s.Now, s.key)
	if err := explanation.Err(); err != nil {
		t.Errorf("%.80q was signed, but the explanation fails: %v", value, err)
	}
	names := map[string]bool{}
	var shown []string
	for _, field := range explanation.Fields {
		if names[field.Name] {
			t.Errorf("%.80q made the token hold %q twice", value, field.Name)
		}
		names[field.Name] = true
		if field.Name == f.Explained {
			shown = append(shown, field.Value)
		}
	}
	if f.Explained == "" || value == "" {
		return
	}
	if f.Decode != nil {
		for i, text := range shown {
			if shown[i], err = f.Decode(text); err != nil {
				t.Errorf("%.80q: %v", value, err)
			}
		}
	}
	if !slices.Equal(shown, []string{value}) {
		t.Errorf("%.80q came out as %s %.80q", value, f.Explained, shown)
	}
}

// checkParamsAgrees fails the test unless the check without a key says what signing said.
func (s *suite) checkParamsAgrees(t *testing.T, p tokens.Params, signed error) {
	t.Helper()
	checked := s.Scheme.CheckParams(p, s.Now)
	if tokens.ReasonOf(checked) != tokens.ReasonOf(signed) || (checked == nil) != (signed == nil) {
		t.Errorf("signing says %v, the check without a key %v", signed, checked)
	}
}

func (s *suite) windowsAreChecked(t *testing.T) {
	type window struct {
		name   string
		params tokens.Params
		want   tokens.Reason
	}
	cases := []window{
		{"no expiry", s.Params(time.Time{}), tokens.NoExpiry},
		{"expiry at the epoch", s.Params(time.Unix(0, 0)), tokens.InvalidArgument},
		{"expiry before the epoch", s.Params(time.Unix(-1, 0)), tokens.InvalidArgument},
		{"expiry in the past", s.Params(s.Now.Add(-time.Second)), tokens.InvalidArgument},
		{"expiry now", s.Params(s.Now), tokens.InvalidArgument},
		{"expiry in milliseconds", s.Params(time.Unix(s.expire.UnixMilli(), 0)), tokens.InvalidArgument},
		{"expiry over the default cap", s.Params(s.Now.Add(tokens.DefaultMaxLifetime + time.Second)), tokens.LifetimeTooLong},
		{"expiry over a cap of its own", s.CappedParams(s.Now.Add(time.Minute+time.Second), time.Minute), tokens.LifetimeTooLong},
	}
	if s.StartingParams != nil {
		cases = append(cases,
			window{"start at the expiry", s.StartingParams(s.expire, s.expire), tokens.InvalidArgument},
			window{"start after the expiry", s.StartingParams(s.expire.Add(time.Second), s.expire), tokens.InvalidArgument},
			window{"start before the epoch", s.StartingParams(time.Unix(-1, 0), s.expire), tokens.InvalidArgument},
			window{"start in milliseconds", s.StartingParams(time.Unix(s.Now.UnixMilli(), 0), s.expire), tokens.InvalidArgument},
		)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.key.Sign(c.params, s.Now)
			s.checkReason(t, err, tokens.ErrInvalidParams, c.want)
			s.checkParamsAgrees(t, c.params, err)
		})
	}
	t.Run("expiry at a cap of its own", func(t *testing.T) {
		s.mustSign(t, s.CappedParams(s.Now.Add(time.Minute), time.Minute))
	})
	t.Run("a cap above the default", func(t *testing.T) {
		s.mustSign(t, s.CappedParams(s.Now.Add(2*tokens.DefaultMaxLifetime), 3*tokens.DefaultMaxLifetime))
	})
}

// foreign is the parameters of no format.
type foreign struct{}

func (foreign) SchemeName() string { return "foreign" }

func (s *suite) foreignParams(t *testing.T) {
	if got, want := s.Params(s.expire).SchemeName(), s.Scheme.Name(); got != want {
		t.Errorf("the parameters name the format %q, the scheme %q", got, want)
	}
	for _, p := range []tokens.Params{nil, foreign{}, &foreign{}} {
		_, err := s.key.Sign(p, s.Now)
		s.checkReason(t, err, tokens.ErrInvalidParams, tokens.InvalidArgument)
		s.checkParamsAgrees(t, p, err)
	}
}

func (s *suite) concurrentUse(t *testing.T) {
	const workers, rounds = 8, 8
	want := s.mustSign(t, s.Params(s.expire))
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for round := range rounds {
				// Every second worker signs something else, so that shared state would show.
				expire := s.expire
				if worker%2 == 1 {
					expire = s.expire.Add(time.Duration(round+1) * time.Second)
				}
				c, err := s.key.Sign(s.Params(expire), s.Now)
				if err != nil {
					t.Errorf("sign: %v", err)
					return
				}
				if worker%2 == 0 && c != want {
					t.Errorf("signed %+v beside others, %+v alone", c, want)
				}
				if err := s.key.Verify(s.Presented(c), s.Now); err != nil {
					t.Errorf("verify: %v", err)
				}
			}
		})
	}
	wg.Wait()
}
