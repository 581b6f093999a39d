package offline

import (
	"bytes"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// hdnts is the scheme of Wowza CDN on Fastly.
type hdnts struct{}

func (hdnts) sign(r *signRequest) (tokens.Credential, error) {
	secret, fields := r.line.secret("secret"), r.line.fields()
	p := wowza.CompatParams{
		StreamID: fields.text("stream_id"), VODStreamID: fields.text("vod_stream_id"), IP: fields.text("ip"),
		StartTime: fields.clockSeconds("start_time", r.now.Unix()), EndTime: fields.seconds("end_time"), Lifetime: fields.seconds("lifetime"),
	}
	if r.compat {
		if err := r.line.err(); err != nil {
			return tokens.Credential{}, err
		}
		token, err := wowza.Compat(secret, p, r.now)
		return tokens.Credential{Token: token}, err
	}
	fields.only()
	if err := r.line.err(); err != nil {
		return tokens.Credential{}, err
	}
	key, err := hdntsKey(secret)
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

func (hdnts) verify(r *verifyRequest) error {
	secret, p := r.line.secret("secret"), r.presented
	token, rawURL, err := r.carried(wowza.QueryName)
	if err != nil {
		return err
	}
	path, _ := wowza.ReadPath(tokens.RawPath(rawURL))
	p.VODStreamID = path.VODStreamID
	if p.Resource = r.line.text("stream_id"); p.Resource == "" {
		p.Resource = path.StreamID
	}
	if err := r.line.err(); err != nil {
		return err
	}
	p.Token = token
	if r.compat {
		return wowza.VerifyCompat(secret, p, r.now)
	}
	key, err := hdntsKey(secret)
	if err != nil {
		return err
	}
	return key.Verify(p, r.now)
}

// hdntsKey readies a secret, with the blanks that copying leaves around it taken off. Whoever brings
// a short secret line by line has it configured at the edge already.
func hdntsKey(secret tokens.Secret) (*wowza.Key, error) {
	text := bytes.Trim(secret.Reveal(), " \t\r\n\f\v")
	return wowza.NewKey(tokens.Material{Secret: tokens.NewSecret(text), AllowShort: true})
}
