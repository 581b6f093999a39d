package agora

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"github.com/tokensvc/tokensvc/tokens"
)

// CallbackHeader carries the signature of a call-back of Agora's that counts here: HMAC-SHA256 over the
// raw body, in lower-case hex. The older Agora-Signature (HMAC-SHA1) is not enough.
const CallbackHeader = "Agora-Signature-V2"

// ErrCallback says that Agora did not sign a call-back with our secret, or not as V2.
var ErrCallback = errors.New("agora: the call-back is not signed")

// CheckCallback checks the signature of a call-back (origin authentication, or an event notification)
// over the body as it came, before anything reads it. secret is the one of the origin-authentication
// settings, or of the notification service; an empty one never verifies. The comparison takes constant
// time. Errors wrap ErrCallback.
//
// The signature covers no time and no nonce: a call-back that is sent again verifies again.
func CheckCallback(secret tokens.Secret, header http.Header, body []byte) error {
	if secret.Len() == 0 {
		return fmt.Errorf("%w: no secret is configured", ErrCallback)
	}
	sent := header.Values(CallbackHeader)
	if len(sent) != 1 {
		return fmt.Errorf("%w: %d headers %s, want one", ErrCallback, len(sent), CallbackHeader)
	}
	mac := hmac.New(sha256.New, secret.Reveal())
	mac.Write(body)
	if !hmac.Equal([]byte(sent[0]), []byte(hex.EncodeToString(mac.Sum(nil)))) {
		return fmt.Errorf("%w: %s is not the HMAC-SHA256 of the body under this secret, in lower-case hex", ErrCallback, CallbackHeader)
	}
	return nil
}
