package offline

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/agora"
)

// agoraTimestamp is Agora's timestamp authentication.
type agoraTimestamp struct{}

func (agoraTimestamp) sign(r *signRequest) (tokens.Credential, error) {
	secret, fields := r.line.secret("secret"), r.line.fields()
	p := agora.CompatParams{URL: fields.text("url"), Form: agora.Form(fields.text("form"))}
	ts := fields.seconds("ts")
	if !r.compat {
		fields.only()
	}
	if err := r.line.err(); err != nil {
		return tokens.Credential{}, err
	}
	if ts == nil {
		return tokens.Credential{}, tokens.ParamError(tokens.NoExpiry, "fields.ts", "required: the expiry in Unix seconds")
	}
	if r.compat {
		p.TS = *ts
		return agora.Compat(secret, p)
	}
	key, err := agora.NewKey(tokens.Material{Secret: secret, AllowShort: true}, p.Form)
	if err != nil {
		return tokens.Credential{}, err
	}
	return key.Sign(agora.Params{URL: p.URL, Expire: time.Unix(*ts, 0), MaxLifetime: r.maxLifetime}, r.now)
}

func (agoraTimestamp) verify(r *verifyRequest) error {
	secret, p := r.line.secret("secret"), r.presented
	var err error
	if p.Token, p.Resource, err = agoraCarried(r.line); err != nil {
		return err
	}
	if r.compat {
		return agora.CompatVerify(secret, p, r.now)
	}
	key, err := agora.NewKey(tokens.Material{Secret: secret, AllowShort: true}, agora.FormMD5)
	if err != nil {
		return err
	}
	return key.Verify(p, r.now)
}

// agoraCarried returns token and path. The url is needed for its path; the token is that of the url,
// or the member token.
func agoraCarried(line *object) (token, path string, err error) {
	given := line.has("token")
	token, rawURL := line.text("token"), line.text("url")
	if err := line.err(); err != nil {
		return "", "", err
	}
	if rawURL == "" {
		return "", "", tokens.ParamError(tokens.InvalidArgument, "url", "required: its path is signed and not in the token")
	}
	_, ts := tokens.FindQuery(rawURL, "ts")
	_, sign := tokens.FindQuery(rawURL, "sign")
	if given && ts+sign == 0 {
		return token, tokens.RawPath(rawURL), nil
	}
	inURL, path, err := agora.Split(rawURL)
	switch {
	case err != nil:
		return "", "", err
	case given && token != inURL:
		return "", "", differentTokens()
	}
	return inURL, path, nil
}
