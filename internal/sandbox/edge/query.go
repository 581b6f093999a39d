package edge

import (
	"net/url"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/akamai"
)

// param returns the value of the one parameter among names that rawQuery holds, as it stands there: tokens
// are not percent-decoded, so that there is one spelling of each. A second parameter of these names, also in
// another spelling of the name, is refused: what comes first or last must not decide. found is false when
// there is none.
func param(rawQuery string, names ...string) (value string, found bool, err error) {
	for pair := range strings.SplitSeq(rawQuery, "&") {
		rawName, v, _ := strings.Cut(pair, "=")
		name, unescapeErr := url.QueryUnescape(rawName)
		if unescapeErr != nil {
			return "", false, tokens.Refuse(tokens.Malformed, "the query holds a broken percent-escape in a parameter name")
		}
		for _, want := range names {
			switch {
			case name != want:
			case found:
				return "", false, tokens.Refuse(tokens.Malformed, "more than one token parameter (%s); send one", strings.Join(names, ", "))
			case rawName != want:
				return "", false, tokens.Refuse(tokens.Malformed, "the parameter name %s is percent-encoded; send it as it was signed", want)
			default:
				value, found = v, true
			}
		}
	}
	if strings.Contains(value, "%") {
		return "", false, tokens.Refuse(tokens.Malformed, "the token is percent-encoded; send it as it was signed")
	}
	return value, found, nil
}

// field returns the value of the named field of a verified token in the form name=value~name=value. Verified
// tokens hold no field twice.
func field(token, name string) (string, bool) {
	for f := range strings.SplitSeq(token, akamai.DefaultFieldDelimiter) {
		if n, v, ok := strings.Cut(f, "="); ok && n == name {
			return v, true
		}
	}
	return "", false
}
