package signer

import (
	"errors"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

func TestExpiry(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	const hour = time.Hour
	for _, tc := range []struct {
		name    string
		window  window
		now     time.Time
		want    int64 // seconds after now
		clamped bool
		reason  tokens.Reason
	}{
		{name: "plain", window: window{ttl: hour, maxLifetime: 6 * hour}, want: 3600},
		{name: "a fraction of a second rounds up", window: window{ttl: hour, maxLifetime: 6 * hour}, now: now.Add(time.Millisecond), want: 3601},
		{name: "a fraction never passes T", window: window{ttl: 6 * hour, maxLifetime: 6 * hour}, now: now.Add(time.Millisecond), want: 6 * 3600},
		{name: "on a multiple of g", window: window{ttl: 400 * time.Second, granularity: 100 * time.Second, maxLifetime: hour}, want: 400},
		{name: "up to a multiple of g", window: window{ttl: 401 * time.Second, granularity: 100 * time.Second, maxLifetime: hour}, want: 500},
		{name: "just ttl + g", window: window{ttl: hour - time.Minute, granularity: time.Minute, maxLifetime: hour}, want: 3540 + 40},
		{name: "ttl + g over T", window: window{ttl: hour, granularity: time.Second, maxLifetime: hour}, reason: tokens.LifetimeTooLong},
		{name: "ttl over T", window: window{ttl: hour + time.Second, maxLifetime: hour}, reason: tokens.LifetimeTooLong},
		{name: "no ttl", window: window{maxLifetime: hour}, reason: tokens.InvalidArgument},
		{name: "negative ttl", window: window{ttl: -time.Second, maxLifetime: hour}, reason: tokens.InvalidArgument},
		{name: "half seconds", window: window{ttl: 1500 * time.Millisecond, maxLifetime: hour}, reason: tokens.InvalidArgument},
		{name: "horizon behind the expiry", window: window{ttl: hour, maxLifetime: hour, horizon: now.Add(2 * hour)}, want: 3600},
		{name: "horizon equals the expiry", window: window{ttl: hour, maxLifetime: hour, horizon: now.Add(hour)}, want: 3600},
		{name: "horizon clamps", window: window{ttl: hour, maxLifetime: hour, horizon: now.Add(10 * time.Minute)}, want: 600, clamped: true},
		{name: "a fraction of the horizon is cut off", window: window{ttl: hour, maxLifetime: hour, horizon: now.Add(600*time.Second + 900*time.Millisecond)}, want: 600, clamped: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			at := tc.now
			if at.IsZero() {
				at = now
			}
			exp, clamped, err := tc.window.expiry(at)
			if tc.reason != "" {
				if tokens.ReasonOf(err) != tc.reason || !errors.Is(err, tokens.ErrInvalidParams) {
					t.Fatalf("got %v, want reason %s", err, tc.reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := exp.Unix() - now.Unix(); got != tc.want || clamped != tc.clamped {
				t.Errorf("got now+%ds, clamped %t; want now+%ds, clamped %t", got, clamped, tc.want, tc.clamped)
			}
		})
	}
}

func TestRefreshAfterLeavesTimeAndSpreads(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	exp := now.Add(1000 * time.Second)
	latest, earliest := refreshAfter(now, exp, 0), refreshAfter(now, exp, 0.999999)
	if got := latest.Sub(now); got != 800*time.Second {
		t.Errorf("without jitter: %s, want 800s", got)
	}
	if got := earliest.Sub(now).Round(time.Second); got != 720*time.Second {
		t.Errorf("with all jitter: %s, want 720s", got)
	}
	for range 1000 {
		if j := jitter(); j < 0 || j >= 1 {
			t.Fatalf("jitter %v is not in [0, 1)", j)
		}
	}
}
