package offline

import (
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// carried returns the token of a line, from the member token or from the parameter of the member url,
// and that URL. Where both carry one they must be the same, since an edge sees one.
func (r *verifyRequest) carried(parameter string) (token, rawURL string, err error) {
	given := r.line.has("token")
	token, rawURL = r.line.text("token"), r.line.text("url")
	if err := r.line.err(); err != nil {
		return "", "", err
	}
	if rawURL == "" {
		if !given {
			return "", "", noToken()
		}
		return token, "", nil
	}
	inURL, count := queryValue(rawURL, parameter)
	switch {
	case count > 1:
		return "", "", tokens.Refuse(tokens.Malformed, "the URL has the parameter %s %d times", clip(parameter), count)
	case count == 0 && !given:
		return "", "", tokens.Refuse(tokens.Malformed, "the URL has no parameter %s", clip(parameter))
	case count == 1 && given && token != inURL:
		return "", "", differentTokens()
	case count == 1:
		token = inURL
	}
	return token, rawURL, nil
}

func noToken() error {
	return tokens.ParamError(tokens.InvalidArgument, "token", "required; or give the url that carries it")
}

func differentTokens() error {
	return tokens.Refuse(tokens.Malformed, "token and url carry different tokens; give one of the two")
}

// queryValue returns the last value of a query parameter as it stands, and how often it is there.
func queryValue(rawURL, parameter string) (value string, count int) {
	base, _, _ := strings.Cut(rawURL, "#")
	_, query, _ := strings.Cut(base, "?")
	for pair := range strings.SplitSeq(query, "&") {
		if name, v, _ := strings.Cut(pair, "="); name == parameter {
			value = v
			count++
		}
	}
	return value, count
}

// rawPath returns the path of a URL as it stands, not decoded.
func rawPath(rawURL string) string {
	base, _, _ := strings.Cut(rawURL, "#")
	base, _, _ = strings.Cut(base, "?")
	if _, rest, absolute := strings.Cut(base, "://"); absolute {
		_, path, found := strings.Cut(rest, "/")
		if !found {
			return ""
		}
		return "/" + path
	}
	return base
}
