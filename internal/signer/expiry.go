package signer

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// window is what decides the expiry of one token.
type window struct {
	ttl         time.Duration // asked for
	granularity time.Duration // 0 means one second
	maxLifetime time.Duration // T
	horizon     time.Time     // zero: no cut is scheduled
	notAfter    time.Time     // zero: no end of the viewer's right is known
}

// expiry returns ceil((now + ttl) / g) * g, never past now + T, the end of the viewer's right or the
// horizon, and whether the horizon made it earlier.
func (w window) expiry(now time.Time) (exp time.Time, clamped bool, err error) {
	switch {
	case w.ttl <= 0:
		return exp, false, tokens.ParamError(tokens.InvalidArgument, "ttl", "%s is not a positive lifetime", w.ttl)
	case w.ttl%time.Second != 0:
		return exp, false, tokens.ParamError(tokens.InvalidArgument, "ttl", "%s is not a whole number of seconds", w.ttl)
	case w.ttl+w.granularity > w.maxLifetime:
		return exp, false, tokens.ParamError(tokens.LifetimeTooLong, "ttl", "%s with an expiry granularity of %s is over the target's max_token_lifetime of %s", w.ttl, w.granularity, w.maxLifetime)
	}
	step := max(int64(w.granularity/time.Second), 1)
	wanted := now.Add(w.ttl)
	seconds := wanted.Unix()
	if wanted.Nanosecond() > 0 {
		seconds++
	}
	seconds = (seconds + step - 1) / step * step
	seconds = min(seconds, now.Add(w.maxLifetime).Unix())
	if !w.notAfter.IsZero() {
		seconds = min(seconds, w.notAfter.Unix())
		if seconds <= now.Unix() {
			return exp, false, refuse(tokens.NotEntitled, 0, "the viewer's right ends at %s, within the second; no token could live", w.notAfter.UTC().Format(time.RFC3339))
		}
	}
	if !w.horizon.IsZero() && w.horizon.Unix() < seconds {
		return time.Unix(w.horizon.Unix(), 0).UTC(), true, nil
	}
	return time.Unix(seconds, 0).UTC(), false, nil
}

// refreshAfter is four fifths of the way to exp, less up to a tenth of that. jitter is in [0, 1).
func refreshAfter(now, exp time.Time, jitter float64) time.Time {
	wait := float64(exp.Sub(now)) * 0.8 * (1 - 0.1*jitter)
	return now.Add(time.Duration(wait)).UTC()
}
