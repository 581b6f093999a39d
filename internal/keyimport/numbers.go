package keyimport

import (
	"crypto/rsa"
	"math"
	"math/big"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

// minExponent is the least that NIST SP 800-56B and FIPS 186-5 allow.
const minExponent = 65537

// rsaParts are the numbers of a two-prime RSA private key. A JWK may lack dp, dq and qi.
type rsaParts struct{ n, e, d, p, q, dp, dq, qi *big.Int }

// key checks that the numbers are a sound key and makes it.
func (r rsaParts) key() (*rsa.PrivateKey, error) {
	bits := r.n.BitLen()
	switch {
	case r.n.Sign() <= 0:
		return nil, tokens.KeyError("the RSA modulus is not a positive number")
	case bits < qencode.MinBits:
		return nil, tokens.KeyError("the RSA key has %d bits; at least %d are wanted", bits, qencode.MinBits)
	case bits > qencode.MaxBits:
		return nil, tokens.KeyError("the RSA key has %d bits; at most %d are taken, as a signature costs the cube of them", bits, qencode.MaxBits)
	case r.e.Sign() <= 0 || r.e.BitLen() > 31 || r.e.Int64() < minExponent || r.e.Bit(0) == 0:
		return nil, tokens.KeyError("the RSA public exponent is unusual; want an odd one from %d to %d, and %d is the one in use everywhere", minExponent, math.MaxInt32, minExponent)
	}
	if fault := r.fault(); fault != "" {
		return nil, tokens.KeyError("the numbers of the RSA key do not belong together: %s; the file is damaged, get the key anew", fault)
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: r.n, E: int(r.e.Int64())},
		D:         r.d,
		Primes:    []*big.Int{r.p, r.q},
	}
	key.Precompute()
	if key.Validate() != nil {
		return nil, tokens.KeyError("the numbers of the RSA key do not belong together; the file is damaged, get the key anew")
	}
	return key, nil
}

// fault names the first relation of RFC 8017, section 3.2, that the numbers break.
func (r rsaParts) fault() string {
	bits := r.n.BitLen()
	for _, x := range []*big.Int{r.d, r.p, r.q} {
		if x.Sign() <= 0 || x.BitLen() > bits {
			return "d, p or q is not between 1 and n"
		}
	}
	one := big.NewInt(1)
	switch {
	case new(big.Int).Mul(r.p, r.q).Cmp(r.n) != 0:
		return "n is not p times q"
	case r.p.Cmp(r.q) == 0:
		return "p equals q"
	case !r.p.ProbablyPrime(0) || !r.q.ProbablyPrime(0):
		return "p or q is not prime"
	}
	p1, q1 := new(big.Int).Sub(r.p, one), new(big.Int).Sub(r.q, one)
	de := new(big.Int).Mul(r.d, r.e)
	switch {
	case new(big.Int).Mod(de, p1).Cmp(one) != 0 || new(big.Int).Mod(de, q1).Cmp(one) != 0:
		return "d is not the inverse of e"
	case r.dp != nil && r.dp.Cmp(new(big.Int).Mod(r.d, p1)) != 0:
		return "dp is not d mod p-1"
	case r.dq != nil && r.dq.Cmp(new(big.Int).Mod(r.d, q1)) != 0:
		return "dq is not d mod q-1"
	case r.qi != nil && r.qi.Cmp(new(big.Int).ModInverse(r.q, r.p)) != 0:
		return "qi is not the inverse of q"
	}
	return ""
}
