package streamapi

import (
	"crypto/md5" //nolint:gosec // G501: the vendor's format.
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// Credentials are those of the account page: 32 upper-case letters and digits each.
type Credentials struct {
	// APIKey is sent in clear.
	APIKey string
	// SecretKey signs.
	SecretKey tokens.Secret
}

// keyLength is the length of an API key, of a secret key and of a private host id.
const keyLength = 32

// check says what is wrong with the credentials, without repeating them.
func (c Credentials) check() error {
	if !isPrivateID(c.APIKey) || !isPrivateID(string(c.SecretKey.Reveal())) {
		return errors.New("an API key and a secret key are needed, of 32 upper-case letters and digits each; the account page showed both")
	}
	return nil
}

// Sign returns the sig parameter of a call: the lower-case hex MD5 of the values of params and of the API
// key, sorted by the names of the parameters (the API key's is "key"), then the secret key, then rid. params are
// those of the call itself, unescaped. MD5 without separators is the vendor's format, and weak: a
// character that moves between neighboring values leaves the signature as it is, and neither path nor
// method are signed.
func (c Credentials) Sign(params map[string]string, rid int64) string {
	all := maps.Clone(params)
	if all == nil {
		all = make(map[string]string, 1)
	}
	all["key"] = c.APIKey
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		text.WriteString(all[name])
	}
	text.Write(c.SecretKey.Reveal())
	text.WriteString(strconv.FormatInt(rid, 10))
	sum := md5.Sum([]byte(text.String())) //nolint:gosec // G401: the vendor's format.
	return hex.EncodeToString(sum[:])
}
