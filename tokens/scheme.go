package tokens

import (
	"crypto"
	"time"
)

// Scheme is one token format.
type Scheme interface {
	// Name returns the format's stable name, for example "wowza-hdnts".
	Name() string
	// CheckKey refuses material that this format cannot sign with, or should not: empty, short, of
	// the wrong type. The error wraps ErrInvalidKey and never shows the material.
	CheckKey(Material) error
	// Prepare checks the material as CheckKey does and readies it (HMAC pads, RSA precomputation),
	// so that signing does no more than sign.
	Prepare(Material) (Key, error)
	// CheckParams applies the strict rules to parameters without a key, so that what cannot be signed
	// is refused when it is configured. Errors wrap ErrInvalidParams.
	CheckParams(p Params, now time.Time) error
	// Explain decodes a presented token and checks it as far as the keys at hand allow: with none,
	// everything but the signature. It never returns an expected MAC.
	Explain(p Presented, now time.Time, keys ...Key) Explanation
}

// Material is a key as it is imported and stored.
type Material struct {
	// ID is the name by which a token refers to its key (kid). Only some formats have one.
	ID string
	// Secret is what the format signs with: the text of a shared secret, or an RSA private key as
	// PKCS#1 or PKCS#8, PEM or DER.
	Secret Secret
	// AllowShort admits shared secrets that are well-formed but too short to be safe.
	AllowShort bool
}

// Key is checked material, ready to sign and to verify. It is safe for concurrent use and prints
// nothing of its secret.
type Key interface {
	// ID returns the key id that tokens carry, or "" where the format has none.
	ID() string
	// Fingerprint identifies the key without telling anything of a secret: SHA-256 of the public key
	// (SubjectPublicKeyInfo) where there is one, else a keyed digest of the shared secret.
	Fingerprint() string
	// Public returns the public half, or nil for a shared secret. A key with a public half costs
	// milliseconds a signature; one without costs under a microsecond.
	Public() crypto.PublicKey
	// Sign makes a credential for p, which must be the Params type of the key's own format. The
	// strict rules of the format apply. Errors wrap ErrInvalidParams where the caller is at fault.
	Sign(p Params, now time.Time) (Credential, error)
	// Verify accepts a token or returns an error that wraps ErrRefused and carries a Reason.
	// MACs are compared in constant time.
	Verify(p Presented, now time.Time) error
}

// Prover is a key whose signature checks cost enough to be remembered: what it proved once about a token
// holds for as long as the key does.
type Prover interface {
	Key
	// Prove checks the form and the signature of a token, and returns what the token says. Errors wrap
	// ErrRefused. Prove and then Statement.Check decide as Verify does.
	Prove(token string) (Statement, error)
}

// Statement is what a token says whose signature has been checked. It is safe for concurrent use.
type Statement interface {
	// Check holds what the token says against the moment and what is asked for. p.Token is not looked at.
	Check(p Presented, now time.Time) error
}

// Params is what a format needs to sign one token. Each format has a type of its own, so that a Go
// caller gets typed fields: wowza.Params, akamai.Params, qencode.Params, agora.Params.
type Params interface {
	// SchemeName returns the name of the format the parameters belong to.
	SchemeName() string
}

// ParamsAs returns p as a format's own type, which may be given as a value or a pointer. Any other
// type is an error that wraps ErrInvalidParams.
func ParamsAs[P Params](p Params) (P, error) {
	if own, ok := p.(P); ok {
		return own, nil
	}
	if own, ok := any(p).(*P); ok && own != nil {
		return *own, nil
	}
	var none P
	return none, ParamError(InvalidArgument, "params", "want the parameters of %s, not %T", none.SchemeName(), p)
}

// Credential is a signed token and where it goes.
type Credential struct {
	// Token is the value: `exp=…~hmac=…`, a JWT, or `ts=…&sign=…`.
	Token string
	// URL is the playback URL with the token in place; empty when the parameters gave no URL.
	URL string
	// ExpiresAt is the expiry inside the token.
	ExpiresAt time.Time
}

// Presented is a token as an edge sees it.
type Presented struct {
	// Token is the value without its parameter name.
	Token string
	// Resource is what is asked for: hdnts the stream id, EdgeAuth and Agora the path of the URL,
	// Qencode the playback id or object key.
	Resource string
	// VODStreamID is the recording that is asked for, for hdnts tokens alone, which may be bound to one:
	// the part of the path in which a live stream has "live". Empty means that it is not known here; the
	// binding is then left to the edge.
	VODStreamID string
	// ClientIP is the address of the viewer. A token bound to an address is refused without it.
	ClientIP string
	// Leeway is how long past its expiry, or before its start, a token still passes. Not negative.
	Leeway time.Duration
	// MaxLifetime refuses tokens that expire further ahead than this. 0 means no cap.
	MaxLifetime time.Duration
}
