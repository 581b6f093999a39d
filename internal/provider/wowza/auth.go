package wowza

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Headers of credentials.
const (
	headerAccessKey = "Wsc-Access-Key"
	headerAPIKey    = "Wsc-Api-Key"
	headerTimestamp = "Wsc-Timestamp"
	headerSignature = "Wsc-Signature"
)

type method int

const (
	methodHMAC method = iota + 1
	methodAPIKey
	methodJWT
)

// Auth is the credentials of one account and how they are presented: HMAC, APIKey or JWT. The zero Auth is
// refused.
type Auth struct {
	method    method
	accessKey tokens.Secret
	secret    tokens.Secret
	name      string
}

// HMAC signs each request with the API key, which is never sent. Up to v1.8.
func HMAC(accessKey, apiKey tokens.Secret) Auth {
	return Auth{method: methodHMAC, accessKey: accessKey, secret: apiKey, name: "HMAC"}
}

// APIKey sends the API key itself; Wowza means it for tests. Up to v1.8.
func APIKey(accessKey, apiKey tokens.Secret) Auth {
	return Auth{method: methodAPIKey, accessKey: accessKey, secret: apiKey, name: "an API key"}
}

// JWT sends a token from Wowza's token management as a bearer. From v1.8 on.
func JWT(token tokens.Secret) Auth {
	return Auth{method: methodJWT, secret: token, name: "a JWT"}
}

// check refuses credentials that are no credentials, or that the version does not take.
func (a Auth) check(v Version) error {
	if _, _, err := v.number(); err != nil {
		return err
	}
	switch a.method {
	case methodHMAC, methodAPIKey:
		if !isHeaderValue(a.accessKey) || !isHeaderValue(a.secret) {
			return errors.New("credentials for Wowza: want an access key and an API key, each of visible ASCII characters")
		}
		if !v.allowsKeys() {
			return fmt.Errorf("credentials for Wowza: %s counts up to %s, and %s wants a JWT", a.name, turn, v)
		}
	case methodJWT:
		if !isHeaderValue(a.secret) {
			return errors.New("credentials for Wowza: want a JWT, of visible ASCII characters")
		}
		if !v.allowsJWT() {
			return fmt.Errorf("credentials for Wowza: a JWT counts from %s on, and %s wants HMAC", turn, v)
		}
	default:
		return errors.New("credentials for Wowza: want HMAC or an API key up to v1.8, or a JWT from v1.8 on")
	}
	return nil
}

func isHeaderValue(s tokens.Secret) bool {
	for _, c := range s.Reveal() {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return s.Len() > 0
}

// sign adds the credentials to a request.
func (a Auth) sign(req *http.Request, now time.Time) error {
	switch a.method {
	case methodHMAC:
		at := now.Unix()
		signature, err := Signature(a.secret, req.URL.EscapedPath(), at)
		if err != nil {
			return err
		}
		req.Header.Set(headerAccessKey, string(a.accessKey.Reveal()))
		req.Header.Set(headerTimestamp, strconv.FormatInt(at, 10))
		req.Header.Set(headerSignature, signature)
	case methodAPIKey:
		req.Header.Set(headerAccessKey, string(a.accessKey.Reveal()))
		req.Header.Set(headerAPIKey, string(a.secret.Reveal()))
	case methodJWT:
		req.Header.Set("Authorization", "Bearer "+string(a.secret.Reveal()))
	default:
		return errors.New("no credentials")
	}
	return nil
}

// Expires reads when a JWT expires, without checking its signature. ok is false for other credentials, and for
// a JWT that does not say.
func (a Auth) Expires() (at time.Time, ok bool) {
	if a.method != methodJWT {
		return time.Time{}, false
	}
	parts := strings.Split(string(a.secret.Reveal()), ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		Exp *float64 `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.Exp == nil || *claims.Exp <= 0 || *claims.Exp > 1e11 {
		return time.Time{}, false
	}
	return time.Unix(int64(*claims.Exp), 0), true
}
