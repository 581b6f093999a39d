package keyimport

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/agora"
	"github.com/tokensvc/tokensvc/tokens/akamai"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// proofLifetime is how long the token of a proof would live.
const proofLifetime = time.Minute

// Prove shows that a key works: a token is signed with it for a resource that does not exist, is
// verified, and is refused once its last character is another. The token is thrown away. Errors wrap
// tokens.ErrInvalidKey.
func Prove(scheme tokens.Scheme, m tokens.Material, now time.Time) error {
	key, err := scheme.Prepare(m)
	if err != nil {
		return err
	}
	params, resource, err := sample(scheme.Name(), now.Add(proofLifetime))
	if err != nil {
		return err
	}
	credential, err := key.Sign(params, now)
	if err != nil {
		return tokens.KeyError("the key does not sign: %s", err)
	}
	presented := tokens.Presented{Token: credential.Token, Resource: resource}
	if err := key.Verify(presented, now); err != nil {
		return tokens.KeyError("the key refuses what it signed: %s", err)
	}
	presented.Token = withOtherEnd(credential.Token)
	if key.Verify(presented, now) == nil {
		return tokens.KeyError("the key accepts a token that was changed")
	}
	return nil
}

// sample returns what to sign for each format, and the resource that the token is for.
func sample(scheme string, expire time.Time) (tokens.Params, string, error) {
	switch scheme {
	case wowza.Name:
		return wowza.Params{StreamID: "proof", Expire: expire}, "proof", nil
	case akamai.Name:
		return akamai.Params{URLPath: "/proof", Expire: expire}, "/proof", nil
	case qencode.Name:
		return qencode.Params{URI: "proof", Expire: expire}, "proof", nil
	case agora.Name:
		return agora.Params{URL: "https://proof.invalid/live/proof.flv", Expire: expire}, "/live/proof.flv", nil
	}
	return nil, "", tokens.KeyError("keys of format %s cannot be proved", scheme)
}

// withOtherEnd changes a token near its end. The last two characters of an RSA signature hold spare
// bits, so the one before them is changed.
func withOtherEnd(token string) string {
	const fromEnd = 3
	if len(token) < fromEnd {
		return ""
	}
	at := len(token) - fromEnd
	other := byte('0')
	if token[at] == other {
		other = '1'
	}
	return token[:at] + string(other) + token[at+1:]
}
