package agora

import (
	"fmt"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/refusal"
)

// Explain implements tokens.Scheme. Presented.Resource is the path of the URL; without it, or
// without a key of this format, the sign is not checked. Keys are tried in turn.
func (Scheme) Explain(p tokens.Presented, now time.Time, keys ...tokens.Key) tokens.Explanation {
	out := tokens.Explanation{Scheme: Name}
	t, err := parse(p.Token)
	if err != nil {
		out.Fail("form", withHint(err, p.Token))
		return out
	}
	out.Pass("form", "ts and sign are there once")
	out.Fields = []tokens.Field{
		{Name: "ts", Value: t.text, Note: "expires at " + refusal.Time(t.ts)},
		{Name: "sign_form", Value: string(t.form), Note: fmt.Sprintf("%d digits of the MD5", len(t.sign))},
	}
	explainPath(&out, &t, p.Resource)
	explainSign(&out, &t, p.Resource, keys)
	out.Record("expiry", t.checkExpiry(now, p.Leeway), fmt.Sprintf("%d s are left", t.ts-now.Unix()))
	switch {
	case p.MaxLifetime > 0:
		out.Record("lifetime", t.checkLifetime(now, p.MaxLifetime), "within "+p.MaxLifetime.String())
	default:
		out.Skip("lifetime", "no cap was given")
	}
	return out
}

func explainPath(out *tokens.Explanation, t *parsed, path string) {
	if path == "" {
		out.Skip("path", "the path of the URL was not given")
		return
	}
	if err := t.checkHygiene(path); err != nil {
		out.Fail("path", err)
		return
	}
	message := "one of the three forms"
	if kindOf(path) == kindRTMP && isDigit(path[len(path)-1]) {
		message += "; the stream name ends in a digit, so the same sign also belongs to a shorter name with a longer ts"
	}
	out.Pass("path", message)
}

func explainSign(out *tokens.Explanation, t *parsed, path string, keys []tokens.Key) {
	if path == "" {
		out.Skip("signature", "needs the path of the URL, which is signed but not in the token")
		return
	}
	var err *tokens.Error
	tried := 0
	for _, key := range keys {
		own, ok := key.(*Key)
		if !ok {
			continue
		}
		tried++
		if err = t.checkSign(own.signer, path); err == nil {
			out.Pass("signature", "signed by key "+own.fingerprint)
			return
		}
	}
	if tried == 0 {
		out.Skip("signature", "needs the key")
		return
	}
	err.Message += "; the path is signed as it stands in the URL, not decoded, without host and query, and ts in seconds"
	out.Fail("signature", err)
}

// withHint adds what commonly lies behind a token that cannot be read.
func withHint(err *tokens.Error, token string) *tokens.Error {
	switch {
	case strings.Contains(token, "://"):
		err.Message += "; this is a whole URL, part it first"
	case strings.Contains(token, "sign=") && strings.ToLower(token) != token:
		err.Message += "; the digits of the sign are small letters"
	case strings.Contains(token, "%"):
		err.Message += "; the token is percent-encoded, decode it once"
	}
	return err
}
