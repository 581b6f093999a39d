package wowza

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// Signature returns the value of the header wsc-signature: the lower-case hex HMAC-SHA256, keyed with the API
// key, of TIMESTAMP:PATH:API_KEY. The timestamp is in Unix seconds. The path is the escaped path of the
// request; what stands from the first "?" on does not count, a missing slash in front is added, and one at the
// end is taken away. A path that is empty is an error: Wowza's samples do not agree on it.
func Signature(apiKey tokens.Secret, path string, timestamp int64) (string, error) {
	path, _, _ = strings.Cut(path, "?")
	if path == "" {
		return "", errors.New("an empty path cannot be signed; want one that starts with a slash")
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	path = strings.TrimSuffix(path, "/")
	key := apiKey.Reveal()
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strconv.FormatInt(timestamp, 10) + ":" + path + ":"))
	mac.Write(key)
	return hex.EncodeToString(mac.Sum(nil)), nil
}
