package wowza

import (
	"crypto"
	"crypto/sha256"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/fieldtoken"
)

const delimiter = "~"

// Key is a checked secret, ready to sign. It is safe for concurrent use.
type Key struct {
	mac         *fieldtoken.MAC
	secret      tokens.Secret
	fingerprint string
}

// NewKey checks the material as Scheme.CheckKey does and readies it.
func NewKey(m tokens.Material) (*Key, error) {
	if err := (Scheme{}).CheckKey(m); err != nil {
		return nil, err
	}
	return newKey(m.Secret), nil
}

func newKey(secret tokens.Secret) *Key {
	return &Key{
		mac:         fieldtoken.NewMAC(sha256.New, secret),
		secret:      secret,
		fingerprint: tokens.SecretFingerprint(Name, secret.Reveal()),
	}
}

// ID implements tokens.Key. hdnts tokens name no key.
func (*Key) ID() string { return "" }

// Fingerprint implements tokens.Key.
func (k *Key) Fingerprint() string { return k.fingerprint }

// Public implements tokens.Key. A shared secret has no public half.
func (*Key) Public() crypto.PublicKey { return nil }

// Sign implements tokens.Key for Params and *Params.
func (k *Key) Sign(p tokens.Params, now time.Time) (tokens.Credential, error) {
	own, err := tokens.ParamsAs[Params](p)
	if err != nil {
		return tokens.Credential{}, err
	}
	token, err := k.Token(own, now)
	if err != nil {
		return tokens.Credential{}, err
	}
	out := tokens.Credential{Token: token, ExpiresAt: time.Unix(own.Expire.Unix(), 0).UTC()}
	if own.URL != "" {
		out.URL = tokens.AppendQuery(own.URL, QueryName, "=", token)
	}
	return out, nil
}

// Token signs p and returns the value of the hdnts parameter. Errors wrap tokens.ErrInvalidParams.
// It allocates the returned string and nothing else.
func (k *Key) Token(p Params, now time.Time) (string, error) {
	if err := p.check(now); err != nil {
		return "", err
	}
	d := k.mac.Begin()
	b := d.Buf
	if p.IP.IsValid() {
		b = append(b, "ip="...)
		b = fieldtoken.Canonical(p.IP).AppendTo(b)
		b = append(b, delimiter...)
	}
	var start int64
	if !p.Start.IsZero() {
		start = p.Start.Unix()
	}
	d.Buf = appendFields(b, start, p.VODStreamID, p.Expire.Unix())
	return finish(k.mac, d, p.StreamID), nil
}

// Compat makes the token that Wowza's example scripts make, whatever it holds: nothing keeps a value
// from forging a field. Where the scripts differ it takes the reading of most of them, and refuses
// times below 1 and over 9,999,999,999, a missing stream id and blanks inside the secret.
func Compat(secret tokens.Secret, p CompatParams, now time.Time) (string, error) {
	secret, err := compatSecret(secret)
	if err != nil {
		return "", err
	}
	if p.StreamID == "" {
		return "", tokens.ParamError(tokens.InvalidArgument, "stream_id", "required: the second part of the playback URL's path")
	}
	start, expire, windowErr := p.window(now)
	if windowErr != nil {
		return "", windowErr
	}
	mac := fieldtoken.NewMAC(sha256.New, secret)
	d := mac.Begin()
	if p.IP != "" {
		d.Buf = append(append(append(d.Buf, "ip="...), p.IP...), delimiter...)
	}
	d.Buf = appendFields(d.Buf, start, p.VODStreamID, expire)
	return finish(mac, d, p.StreamID), nil
}

// appendFields writes the fields that follow ip. start 0 and an empty vod are left out.
func appendFields(b []byte, start int64, vod string, expire int64) []byte {
	if start != 0 {
		b = append(b, "st="...)
		b = fieldtoken.AppendSeconds(b, start)
		b = append(b, delimiter...)
	}
	if vod != "" {
		b = append(b, "vod="...)
		b = append(b, vod...)
		b = append(b, delimiter...)
	}
	b = append(b, "exp="...)
	return fieldtoken.AppendSeconds(b, expire)
}

func finish(mac *fieldtoken.MAC, d *fieldtoken.Draft, streamID string) string {
	emitted := len(d.Buf)
	d.Buf = append(d.Buf, hiddenField...)
	d.Buf = append(d.Buf, streamID...)
	return mac.Finish(d, emitted, delimiter)
}

// hiddenField stands in front of the stream id, which is hashed but not sent.
const hiddenField = delimiter + "stream_id="
