package offline

import (
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/akamai"
)

// edgeAuth is Akamai's EdgeAuth 2.0.
type edgeAuth struct{}

func (edgeAuth) sign(r *signRequest) (tokens.Credential, error) {
	secret, fields := r.line.secret("secret_hex"), r.line.fields()
	config, p := edgeAuthConfig(fields), edgeAuthParams(fields, r.now.Unix())
	if r.compat {
		if err := r.line.err(); err != nil {
			return tokens.Credential{}, err
		}
		token, err := akamai.Compat(secret, config, p, r.now)
		return tokens.Credential{Token: token}, err
	}
	fields.only()
	if err := r.line.err(); err != nil {
		return tokens.Credential{}, err
	}
	key, err := edgeAuthKey(secret, config)
	if err != nil {
		return tokens.Credential{}, err
	}
	strict, err := p.Strict(r.now)
	if err != nil {
		return tokens.Credential{}, err
	}
	strict.MaxLifetime = r.maxLifetime
	return key.Sign(strict, r.now)
}

func (edgeAuth) verify(r *verifyRequest) error {
	secret, config, p := r.line.secret("secret_hex"), edgeAuthConfig(r.line), r.presented
	parameter := config.TokenName
	if parameter == "" {
		parameter = akamai.DefaultTokenName
	}
	token, rawURL, err := r.carried(parameter)
	if err != nil {
		return err
	}
	if p.Resource = r.line.text("path"); p.Resource == "" {
		p.Resource = tokens.RawPath(rawURL)
	}
	if err := r.line.err(); err != nil {
		return err
	}
	p.Token = token
	if r.compat {
		return akamai.VerifyCompat(secret, config, p, r.now)
	}
	key, err := edgeAuthKey(secret, config)
	if err != nil {
		return err
	}
	return key.Verify(p, r.now)
}

func edgeAuthConfig(o *object) akamai.Config {
	return akamai.Config{
		TokenName: o.text("token_name"), Algorithm: akamai.Algorithm(o.text("algorithm")),
		FieldDelimiter: o.text("field_delimiter"), ACLDelimiter: o.text("acl_delimiter"),
		Salt: o.secret("salt"), EscapeEarly: o.truth("escape_early"),
	}
}

func edgeAuthParams(fields *object, now int64) akamai.CompatParams {
	p := akamai.CompatParams{
		IP: fields.text("ip"), SessionID: fields.text("session_id"), Payload: fields.text("payload"),
		StartTime: fields.clockSeconds("start_time", now), EndTime: fields.seconds("end_time"), WindowSeconds: fields.seconds("window_seconds"),
	}
	paths, isList := fields.texts("path")
	switch mode := fields.text("mode"); {
	case mode == "acl":
		p.ACL = paths
	case mode != "url":
		fields.fail("mode", "want acl or url")
	case isList:
		fields.fail("path", "want text; only an ACL token opens more than one path")
	case len(paths) == 1:
		p.URLPath = paths[0]
	}
	return p
}

func edgeAuthKey(secret tokens.Secret, config akamai.Config) (*akamai.Key, error) {
	scheme, err := akamai.New(config)
	if err != nil {
		return nil, err
	}
	return scheme.NewKey(tokens.Material{Secret: secret, AllowShort: true})
}
