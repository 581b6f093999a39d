package agora

import (
	"crypto/subtle"
	"strconv"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/refusal"
)

// maxToken bounds the text of a token: "ts=" and 19 digits, "&sign=" and 32 digits.
const maxToken = 64

// parsed is a token in its parts.
type parsed struct {
	text string // ts as it stands, which is what was signed
	ts   int64
	sign string
	form Form
}

// parse reads `ts=…&sign=…`, in either order and nothing else.
func parse(token string) (parsed, *tokens.Error) {
	if token == "" {
		return parsed{}, refusal.Malformed("the token is empty; want ts=…&sign=…")
	}
	if len(token) > maxToken {
		return parsed{}, refusal.Malformed("the token has %d bytes; at most %d", len(token), maxToken)
	}
	var out parsed
	var sawTS, sawSign bool
	for parameter := range strings.SplitSeq(token, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		switch {
		case name == "ts" && sawTS, name == "sign" && sawSign:
			return parsed{}, refusal.Malformed("%s stands twice", name)
		case name == "ts":
			out.text, sawTS = value, true
		case name == "sign":
			out.sign, sawSign = value, true
		default:
			return parsed{}, refusal.Malformed("holds something beside ts and sign; want ts=…&sign=…")
		}
	}
	switch {
	case !sawTS:
		return parsed{}, tokens.Refuse(tokens.NoExpiry, "ts is missing; want ts=…&sign=…")
	case !sawSign:
		return parsed{}, refusal.Malformed("sign is missing; want ts=…&sign=…")
	}
	if err := out.read(); err != nil {
		return parsed{}, err
	}
	return out, nil
}

func (t *parsed) read() *tokens.Error {
	for i := range len(t.text) {
		if !isDigit(t.text[i]) {
			return refusal.Malformed("ts is not a decimal number of Unix seconds")
		}
	}
	ts, err := strconv.ParseInt(t.text, 10, 64)
	if err != nil || len(t.text) > 1 && t.text[0] == '0' {
		return refusal.Malformed("ts is not a decimal number of Unix seconds")
	}
	t.ts = ts
	for i := range len(t.sign) {
		if c := t.sign[i]; !isDigit(c) && (c < 'a' || c > 'f') {
			return refusal.Malformed("sign holds other characters than 0-9 and a-f")
		}
	}
	switch len(t.sign) {
	case 32:
		t.form = FormMD5
	case 16:
		t.form = FormMid16
	default:
		return refusal.Malformed("sign has %d digits; want all 32 of the MD5, or the middle 16", len(t.sign))
	}
	return nil
}

// checkHygiene refuses what the strict door never signs, though an edge might take it.
func (t *parsed) checkHygiene(path string) *tokens.Error {
	if t.ts > tokens.MaxUnixSeconds {
		return refusal.Malformed("ts %d is over %d: milliseconds, or digits of the stream name moved into it", t.ts, int64(tokens.MaxUnixSeconds))
	}
	if kindOf(path) == kindNone {
		return tokens.Refuse(tokens.PathNotCovered, "the path is none of /{entry}/{stream}, /{entry}/{stream}.flv and /{entry}/{stream}/playlist.m3u8")
	}
	return nil
}

func (t *parsed) checkSign(s signer, path string) *tokens.Error {
	if path == "" {
		return tokens.Refuse(tokens.PathNotCovered, "the path of the URL is missing; a sign holds for one path")
	}
	digits := s.digest(path, t.text)
	if subtle.ConstantTimeCompare(t.form.of(&digits), []byte(t.sign)) != 1 {
		return tokens.Refuse(tokens.BadSignature, "the sign is not that of this path and ts under this key")
	}
	return nil
}

func (t *parsed) checkExpiry(now time.Time, leeway time.Duration) *tokens.Error {
	if late := now.Unix() - t.ts - int64(leeway/time.Second); late > 0 {
		return tokens.Refuse(tokens.Expired, "expired at %s", refusal.Time(t.ts))
	}
	return nil
}

func (t *parsed) checkLifetime(now time.Time, maxLifetime time.Duration) *tokens.Error {
	if maxLifetime > 0 && t.ts-now.Unix() > int64(maxLifetime/time.Second) {
		return tokens.Refuse(tokens.LifetimeTooLong, "ts lies %d s ahead; at most %s is accepted", t.ts-now.Unix(), maxLifetime)
	}
	return nil
}
