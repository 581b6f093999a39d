package qencode

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// projectID is the one project of the sandbox's account.
const projectID = 130

// bearers are the access tokens that count, with their ends.
type bearers struct {
	seal   []byte // signs tokens
	expiry map[string]time.Time
}

func newBearers() *bearers {
	return &bearers{seal: []byte(rand.Text()), expiry: make(map[string]time.Time)}
}

// issue returns a new access token: an HS256 JWT that ends after tokenLife.
func (b *bearers) issue(now time.Time) (string, error) {
	for token, end := range b.expiry {
		if !now.Before(end) {
			delete(b.expiry, token)
		}
	}
	end := now.Add(tokenLife)
	payload, err := json.Marshal(object{"iat": now.Unix(), "sub": projectID, "exp": end.Unix(), "jti": rand.Text()})
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	mac := hmac.New(sha256.New, b.seal)
	mac.Write([]byte(signed))
	token := signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	b.expiry[token] = end
	return token, nil
}

// accept judges the Authorization header of a request.
func (b *bearers) accept(header []string, now time.Time) error {
	denied := &refusal{status: http.StatusUnauthorized, code: codeNoToken, message: "token not found or expired"}
	if len(header) != 1 {
		return denied
	}
	token, ok := strings.CutPrefix(header[0], "Bearer ")
	if !ok {
		return &refusal{status: http.StatusUnauthorized, code: codeBadToken, message: "bad token"}
	}
	if end, known := b.expiry[token]; !known || !now.Before(end) {
		return denied
	}
	return nil
}

// login gives an access token for the API key in the path.
func (s *Server) login(r *http.Request) (any, error) {
	if err := empty(r); err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(r.PathValue("api_key")), s.cfg.APIKey.Reveal()) != 1 {
		return nil, &refusal{status: http.StatusUnauthorized, code: codeBadAPIKey, message: "bad api key"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	token, err := s.bearers.issue(s.cfg.clock())
	if err != nil {
		return nil, err
	}
	s.logins++
	return object{"access_token": token}, nil
}

// Logins returns how many access tokens were given.
func (s *Server) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

// ExpireTokens ends every access token at once.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.bearers.expiry)
}
