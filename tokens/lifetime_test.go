package tokens_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

func TestCheckWindow(t *testing.T) {
	now := time.Unix(1735689600, 0)
	after := now.Add
	cases := []struct {
		name          string
		start, expire time.Time
		maxLifetime   time.Duration
		want          tokens.Reason // empty: sound
		field         string
	}{
		{name: "an hour", expire: after(time.Hour)},
		{name: "one second", expire: after(time.Second)},
		{name: "the default cap", expire: after(tokens.DefaultMaxLifetime)},
		{name: "a cap of its own", expire: after(time.Minute), maxLifetime: time.Minute},
		{name: "a negative cap is the default", expire: after(time.Hour), maxLifetime: -1},
		{name: "a start in the past", start: after(-time.Minute), expire: after(time.Hour)},
		{name: "a start in the future", start: after(time.Minute), expire: after(time.Hour)},
		{name: "the last second of all", expire: time.Unix(tokens.MaxUnixSeconds, 0), maxLifetime: 290 * 365 * 24 * time.Hour},

		{name: "no expiry", want: tokens.NoExpiry, field: "expire"},
		{name: "no expiry but a start", start: now, want: tokens.NoExpiry, field: "expire"},
		{name: "the epoch", expire: time.Unix(0, 0), want: tokens.InvalidArgument, field: "expire"},
		{name: "before the epoch", expire: time.Unix(-5, 0), want: tokens.InvalidArgument, field: "expire"},
		{name: "past", expire: after(-time.Second), want: tokens.InvalidArgument, field: "expire"},
		{name: "now", expire: now, want: tokens.InvalidArgument, field: "expire"},
		{name: "a fraction after now", expire: after(900 * time.Millisecond), want: tokens.InvalidArgument, field: "expire"},
		{name: "milliseconds", expire: time.Unix(now.UnixMilli(), 0), want: tokens.InvalidArgument, field: "expire"},
		{name: "a second past the last", expire: time.Unix(tokens.MaxUnixSeconds+1, 0), maxLifetime: 290 * 365 * 24 * time.Hour, want: tokens.InvalidArgument, field: "expire"},
		{name: "over the default cap", expire: after(tokens.DefaultMaxLifetime + time.Second), want: tokens.LifetimeTooLong, field: "expire"},
		{name: "over a cap of its own", expire: after(time.Minute + time.Second), maxLifetime: time.Minute, want: tokens.LifetimeTooLong, field: "expire"},
		{name: "further than a duration can say", expire: time.Unix(tokens.MaxUnixSeconds, 0), want: tokens.LifetimeTooLong, field: "expire"},
		{name: "a start at the expiry", start: after(time.Hour), expire: after(time.Hour), want: tokens.InvalidArgument, field: "start"},
		{name: "a start after the expiry", start: after(2 * time.Hour), expire: after(time.Hour), want: tokens.InvalidArgument, field: "start"},
		{name: "a start at the epoch", start: time.Unix(0, 0), expire: after(time.Hour), want: tokens.InvalidArgument, field: "start"},
		{name: "a start in milliseconds", start: time.Unix(now.UnixMilli(), 0), expire: after(time.Hour), want: tokens.InvalidArgument, field: "start"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := tokens.CheckWindow(now, c.start, c.expire, c.maxLifetime)
			if c.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			var e *tokens.Error
			if !errors.As(err, &e) || !errors.Is(err, tokens.ErrInvalidParams) || e.Reason != c.want || e.Field != c.field {
				t.Errorf("got %#v, want %s in %s", err, c.want, c.field)
			}
		})
	}
}

func TestCheckWindowLooksAtTheInstantOnly(t *testing.T) {
	now := time.Unix(1735689600, 0)
	far := time.FixedZone("far", 14*3600)
	if err := tokens.CheckWindow(now.In(far), time.Time{}, now.Add(time.Minute).UTC(), time.Minute); err != nil {
		t.Errorf("refused: %v", err)
	}
}
