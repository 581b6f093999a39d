package tokens

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// SecretFingerprint identifies a shared secret of the named scheme without telling anything of it:
// the first 16 bytes, in hex, of HMAC-SHA256 with the secret as the key over a fixed text and the
// scheme's name. Equal secrets of one scheme have equal fingerprints. The same secret under two
// schemes does not, so that a fingerprint never shows that a secret is used twice.
//
// A fingerprint lets a guess be confirmed, as any token signed with the secret does; it is no
// easier to search than a token. Secrets too short to be safe stay so.
func SecretFingerprint(scheme string, secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("tokensvc fingerprint v1\x00" + scheme))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
