package fieldtoken

import (
	"strconv"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// MaxSeconds is the largest time that the Compat door reads or writes: 18 digits, so that sums of two
// never overflow. Milliseconds and microseconds pass.
const MaxSeconds = 999_999_999_999_999_999

// Window is the validity period as the vendors' scripts take it, in Unix seconds; nil is absent. End
// wins over Lifetime, which counts from Start, or from now without one.
type Window struct{ Start, End, Lifetime *int64 }

// Resolve returns start (0 when absent) and expiry. Times must lie between 1 and limit.
// lifetimeName is how the format calls the lifetime.
func (w Window) Resolve(now, limit int64, lifetimeName string) (start, expire int64, err *tokens.Error) {
	from := now
	if w.Start != nil {
		start, from = *w.Start, *w.Start
		if start < 1 || start > limit {
			return 0, 0, tokens.ParamError(tokens.InvalidArgument, "start_time", "%d is not between 1 and %d Unix seconds", start, limit)
		}
	}
	switch {
	case w.End != nil:
		expire = *w.End
		if expire < 1 || expire > limit {
			return 0, 0, tokens.ParamError(tokens.InvalidArgument, "end_time", "%d is not between 1 and %d Unix seconds", expire, limit)
		}
	case w.Lifetime != nil:
		if *w.Lifetime < 1 || *w.Lifetime > limit-from {
			return 0, 0, tokens.ParamError(tokens.InvalidArgument, lifetimeName, "%d is not positive, or leads past %d", *w.Lifetime, limit)
		}
		expire = from + *w.Lifetime
	default:
		return 0, 0, tokens.ParamError(tokens.NoExpiry, "end_time", "a token needs an expiry; give end_time or %s", lifetimeName)
	}
	if start >= expire {
		return 0, 0, tokens.ParamError(tokens.InvalidArgument, "start_time", "%d is not before the expiry %d", start, expire)
	}
	return start, expire, nil
}

// Times are the times inside a token, in Unix seconds. Start is 0 when absent.
type Times struct{ Start, Expire int64 }

// Times reads st and exp. An empty or missing exp is refused: verifiers exist that take it for
// "never expires".
func (t Token) Times(door Door) (Times, *tokens.Error) {
	var out Times
	exp, ok := t.Value("exp")
	if !ok || exp == "" {
		return out, tokens.Refuse(tokens.NoExpiry, "the token has no exp; a token without an expiry is never accepted")
	}
	var err *tokens.Error
	if out.Expire, err = parseSeconds("exp", exp, door); err != nil {
		return out, err
	}
	if st, ok := t.Value("st"); ok {
		out.Start, err = parseSeconds("st", st, door)
	}
	return out, err
}

func parseSeconds(name, text string, door Door) (int64, *tokens.Error) {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, tokens.Refuse(tokens.Malformed, "%s is not a whole number of Unix seconds; digits only", name)
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil, n > MaxSeconds:
		return 0, tokens.Refuse(tokens.Malformed, "%s is not a time in Unix seconds", name)
	case door == Strict && n > tokens.MaxUnixSeconds:
		return 0, tokens.Refuse(tokens.Malformed, "%s is %d, over %d: milliseconds? Unix seconds are wanted", name, n, int64(tokens.MaxUnixSeconds))
	case door == Strict && (n == 0 || text[0] == '0'):
		return 0, tokens.Refuse(tokens.Malformed, "%s must be positive and have no leading zero", name)
	}
	return n, nil
}

// CheckExpiry refuses what expired before now, less the leeway. A token is good in the second of its
// expiry.
func (t Times) CheckExpiry(now time.Time, leeway time.Duration) *tokens.Error {
	if at := now.Add(-max(leeway, 0)).Unix(); at > t.Expire {
		return tokens.Refuse(tokens.Expired, "expired at %s, %d s ago", Clock(t.Expire), now.Unix()-t.Expire)
	}
	return nil
}

// CheckStart refuses what starts after now and the leeway.
func (t Times) CheckStart(now time.Time, leeway time.Duration) *tokens.Error {
	if at := now.Add(max(leeway, 0)).Unix(); t.Start > at {
		return tokens.Refuse(tokens.NotYetValid, "not valid before %s, in %d s", Clock(t.Start), t.Start-now.Unix())
	}
	return nil
}

// CheckLifetime refuses what expires further ahead than limit. 0 means no limit.
func (t Times) CheckLifetime(now time.Time, limit time.Duration) *tokens.Error {
	if limit <= 0 {
		return nil
	}
	if left := t.Expire - now.Unix(); left > int64(limit/time.Second) {
		return tokens.Refuse(tokens.LifetimeTooLong, "expires in %d s; at most %d s ahead is accepted", left, int64(limit/time.Second))
	}
	return nil
}

// Check makes all three checks.
func (t Times) Check(p tokens.Presented, now time.Time) *tokens.Error {
	if err := t.CheckExpiry(now, p.Leeway); err != nil {
		return err
	}
	if err := t.CheckStart(now, p.Leeway); err != nil {
		return err
	}
	return t.CheckLifetime(now, p.MaxLifetime)
}

// AppendSeconds writes a time in decimal. The ten digits of every time between 2001 and 2286 are found
// independently of each other, three times as fast as strconv does.
func AppendSeconds(b []byte, seconds int64) []byte {
	if seconds < 1_000_000_000 || seconds > tokens.MaxUnixSeconds {
		return strconv.AppendInt(b, seconds, 10)
	}
	high, low := uint32(seconds/100_000), uint32(seconds%100_000)
	return append(b,
		'0'+byte(high/10_000), '0'+byte(high/1000%10), '0'+byte(high/100%10), '0'+byte(high/10%10), '0'+byte(high%10),
		'0'+byte(low/10_000), '0'+byte(low/1000%10), '0'+byte(low/100%10), '0'+byte(low/10%10), '0'+byte(low%10))
}

// Clock writes Unix seconds for a person.
func Clock(seconds int64) string {
	if seconds > tokens.MaxUnixSeconds {
		return strconv.FormatInt(seconds, 10) + " (as milliseconds: " + time.UnixMilli(seconds).UTC().Format(time.RFC3339) + ")"
	}
	return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
}
