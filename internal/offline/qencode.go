package offline

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

// qencodeJWT is the scheme of Qencode. Reading an RSA key costs more than anything else that is done
// for a line, so the last one is kept.
type qencodeJWT struct {
	strictKey last[tokens.Key]
	compatKey last[*qencode.CompatKey]
	publicKey last[verifier]
}

type verifier interface {
	Verify(p tokens.Presented, now time.Time) error
}

func (q *qencodeJWT) sign(r *signRequest) (tokens.Credential, error) {
	m, fields := qencodeMaterial(r.line), r.line.fields()
	uri, rawURL, wholeBucket := fields.text("uri"), fields.text("url"), fields.truth("whole_bucket")
	exp, nbf := fields.seconds("exp"), fields.seconds("nbf")
	claims := qencodeClaims(fields, r.compat)
	if !fields.has("uri") && !wholeBucket {
		fields.fail("uri", "required: a playback id, an object key or a key prefix")
	}
	if !r.compat {
		fields.only()
	}
	if err := r.line.err(); err != nil {
		return tokens.Credential{}, err
	}
	if r.compat {
		key, err := q.compatSigner(m)
		if err != nil {
			return tokens.Credential{}, err
		}
		return key.Compat(qencode.CompatParams{URI: uri, Expire: exp, NotBefore: nbf, Claims: claims, URL: rawURL})
	}
	key, err := q.strictSigner(m)
	if err != nil {
		return tokens.Credential{}, err
	}
	p := qencode.Params{URI: uri, WholeBucket: wholeBucket && uri == "", Claims: claims, MaxLifetime: r.maxLifetime, URL: rawURL}
	if exp != nil {
		p.Expire = time.Unix(*exp, 0)
	}
	if nbf != nil {
		if *nbf < 1 {
			return tokens.Credential{}, tokens.ParamError(tokens.InvalidArgument, "fields.nbf", "%d is not a positive number of Unix seconds", *nbf)
		}
		p.NotBefore = time.Unix(*nbf, 0)
	}
	return key.Sign(p, r.now)
}

func (q *qencodeJWT) verify(r *verifyRequest) error {
	m, publicKey, p := qencodeMaterial(r.line), r.line.text("public_key"), r.presented
	p.Resource = r.line.text("resource")
	token, _, err := r.carried(qencode.QueryName)
	if err != nil {
		return err
	}
	p.Token = token
	key, err := q.verifier(m, publicKey, r.compat)
	if err != nil {
		return err
	}
	return key.Verify(p, r.now)
}

// verifier returns the key that verifies: the public half where one is given.
func (q *qencodeJWT) verifier(m tokens.Material, publicKey string, compat bool) (verifier, error) {
	switch {
	case publicKey == "" && compat:
		return q.compatSigner(m)
	case publicKey == "":
		return q.strictSigner(m)
	}
	m.Secret = tokens.NewSecret([]byte(publicKey))
	return q.publicKey.get(m, func() (verifier, error) {
		if compat {
			return qencode.NewCompatVerifyKey(m.ID, []byte(publicKey))
		}
		return qencode.NewVerifyKey(m.ID, []byte(publicKey))
	})
}

func (q *qencodeJWT) strictSigner(m tokens.Material) (tokens.Key, error) {
	return q.strictKey.get(m, func() (tokens.Key, error) { return qencode.Scheme{}.Prepare(m) })
}

func (q *qencodeJWT) compatSigner(m tokens.Material) (*qencode.CompatKey, error) {
	return q.compatKey.get(m, func() (*qencode.CompatKey, error) { return qencode.NewCompatKey(m) })
}

func qencodeMaterial(line *object) tokens.Material {
	return tokens.Material{ID: line.text("key_id"), Secret: line.secret("private_key")}
}

// qencodeClaims keeps the order of the claims and every digit of their numbers.
func qencodeClaims(fields *object, compat bool) qencode.Claims {
	text, ok := fields.value("claims")
	if !ok {
		return qencode.Claims{}
	}
	parse := qencode.ParseClaims
	if compat {
		parse = qencode.ParseCompatClaims
	}
	claims, err := parse(text)
	if err != nil && *fields.fault == nil {
		*fields.fault = err
	}
	return claims
}

// last keeps the key that was made last, for as long as the material stays the same.
type last[K any] struct {
	id     string
	secret tokens.Secret
	key    K
	made   bool
}

func (l *last[K]) get(m tokens.Material, prepare func() (K, error)) (K, error) {
	if l.made && l.id == m.ID && l.secret.Equal(m.Secret) {
		return l.key, nil
	}
	key, err := prepare()
	if err == nil {
		*l = last[K]{id: m.ID, secret: m.Secret, key: key, made: true}
	}
	return key, err
}
