package agora

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Credentials are those of the console's page "RESTful API".
type Credentials struct {
	// CustomerID is sent in clear. Printable ASCII without quotes and backslashes.
	CustomerID string
	// CustomerSecret is the HMAC key, used as it stands.
	CustomerSecret tokens.Secret
}

// check says what is wrong with the credentials, without repeating them.
func (c Credentials) check() error {
	unfit := func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }
	switch {
	case c.CustomerID == "" || c.CustomerSecret.Len() == 0:
		return errors.New("a customer id and a customer secret are needed; the console shows both under RESTful API")
	case strings.ContainsFunc(c.CustomerID, unfit):
		return errors.New("the customer id holds a space, a quote, a backslash, or a character outside ASCII; copy it from the console as it stands")
	default:
		return nil
	}
}

// Signature is what proves one call: the values of three headers.
type Signature struct {
	Date, Digest, Authorization string
}

// Sign signs one call with HTTP HMAC as Agora's page "RESTful authentication" states it. target is the
// request target as it travels, percent-encoded and with its query; host is the Host header as it is sent;
// body is what is sent, to the byte.
//
// The gateway rebuilds the request line from the line that it received, so the query belongs to what is
// signed, and so does the version: a call signed here must travel as HTTP/1.1.
func (c Credentials) Sign(method, target, host string, body []byte, now time.Time) Signature {
	sum := sha256.Sum256(body)
	s := Signature{
		Date:   now.UTC().Format(http.TimeFormat),
		Digest: "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:]),
	}
	mac := hmac.New(sha256.New, c.CustomerSecret.Reveal())
	mac.Write([]byte(signingString(method, target, host, s.Date, s.Digest)))
	s.Authorization = `hmac username="` + c.CustomerID +
		`", algorithm="hmac-sha256", headers="host date request-line digest", signature="` +
		base64.StdEncoding.EncodeToString(mac.Sum(nil)) + `"`
	return s
}

// signingString returns the text under the signature: lines without a line feed behind the last.
func signingString(method, target, host, date, digest string) string {
	return "host: " + host +
		"\ndate: " + date +
		"\n" + method + " " + target + " HTTP/1.1" +
		"\ndigest: " + digest
}
