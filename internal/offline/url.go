package offline

import "github.com/tokensvc/tokensvc/tokens"

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
	inURL, count := tokens.FindQuery(rawURL, parameter)
	switch {
	case count > 1:
		return "", "", tokens.Refuse(tokens.Malformed, "the URL has the parameter %s %d times", tokens.Clip(parameter), count)
	case count == 0 && !given:
		return "", "", tokens.Refuse(tokens.Malformed, "the URL has no parameter %s", tokens.Clip(parameter))
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
