package tokens

import "time"

// DefaultMaxLifetime is the longest lifetime the strict door grants when the parameters name none.
const DefaultMaxLifetime = 24 * time.Hour

// MaxUnixSeconds is the largest time the strict door takes: 9,999,999,999 s, in the year 2286. Above
// it a number is taken for milliseconds and refused.
const MaxUnixSeconds = 9_999_999_999

// CheckWindow applies the strict rules on times, which every format shares: an expiry is required, in
// whole seconds, after now and after start, not in milliseconds, and no further than maxLifetime
// ahead of now (0 means DefaultMaxLifetime). A zero start means absent.
func CheckWindow(now, start, expire time.Time, maxLifetime time.Duration) error {
	if maxLifetime <= 0 {
		maxLifetime = DefaultMaxLifetime
	}
	if expire.IsZero() {
		return ParamError(NoExpiry, "expire", "a token needs an expiry; give an end time or a positive lifetime")
	}
	exp := expire.Unix()
	if exp <= 0 || exp > MaxUnixSeconds {
		return ParamError(InvalidArgument, "expire", "%d is not a time in Unix seconds between 1 and %d; milliseconds are not accepted", exp, int64(MaxUnixSeconds))
	}
	if exp <= now.Unix() {
		return ParamError(InvalidArgument, "expire", "%d is not after now (%d)", exp, now.Unix())
	}
	if !start.IsZero() {
		st := start.Unix()
		if st <= 0 || st > MaxUnixSeconds {
			return ParamError(InvalidArgument, "start", "%d is not a time in Unix seconds between 1 and %d; milliseconds are not accepted", st, int64(MaxUnixSeconds))
		}
		if st >= exp {
			return ParamError(InvalidArgument, "start", "%d is not before the expiry %d", st, exp)
		}
	}
	if expire.Sub(now) > maxLifetime {
		return ParamError(LifetimeTooLong, "expire", "a lifetime of %s is over the cap of %s", expire.Sub(now).Round(time.Second), maxLifetime)
	}
	return nil
}
