package wowza

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// admit returns the refusal of a request, or nil.
func (s *Server) admit(r *http.Request, v version) *refusal {
	if account := s.quirksNow().Account; account != "" {
		return refuse(http.StatusUnauthorized, account, "The account cannot use this.")
	}
	if bearer, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); found && v.takesJWT() {
		return s.admitJWT(bearer)
	}
	if !v.takesKeys() {
		return refuse(http.StatusUnauthorized, "InvalidToken", "A JWT is needed.")
	}
	access := r.Header.Get("Wsc-Access-Key")
	switch {
	case access == "":
		return refuse(http.StatusUnauthorized, "NoAccessKey", "No access key was sent.")
	case s.cfg.AccessKey.Len() == 0 || !s.cfg.AccessKey.Equal(tokens.NewSecret([]byte(access))):
		return refuse(http.StatusUnauthorized, "InvalidAccessKey", "The access key is not valid.")
	}
	if signature := r.Header.Get("Wsc-Signature"); signature != "" {
		return s.admitSignature(r, signature)
	}
	key := r.Header.Get("Wsc-Api-Key")
	switch {
	case key == "":
		return refuse(http.StatusUnauthorized, "NoApiKey", "No API key was sent.")
	case !s.cfg.APIKey.Equal(tokens.NewSecret([]byte(key))):
		return refuse(http.StatusUnauthorized, "InvalidApiKey", "The API key is not valid.")
	}
	return nil
}

func (s *Server) admitJWT(bearer string) *refusal {
	switch {
	case s.cfg.JWT.Len() == 0 || !s.cfg.JWT.Equal(tokens.NewSecret([]byte(bearer))):
		return refuse(http.StatusUnauthorized, "InvalidToken", "The JWT is not valid.")
	case !s.cfg.JWTExpires.IsZero() && !s.cfg.clock().Before(s.cfg.JWTExpires):
		return refuse(http.StatusUnauthorized, "ExpiredToken", "Token has exired.")
	}
	return nil
}

// admitSignature checks time and signature. Wowza has one code for both.
func (s *Server) admitSignature(r *http.Request, signature string) *refusal {
	bad := refuse(http.StatusUnauthorized, "InvalidSignature", "The signature is not valid.")
	sent := r.Header.Get("Wsc-Timestamp")
	seconds, err := strconv.ParseInt(sent, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != sent {
		return bad
	}
	if age := s.cfg.clock().Sub(time.Unix(seconds, 0)); age.Abs() > signatureAge {
		return bad
	}
	key := s.cfg.APIKey.Reveal()
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(sent + ":" + strings.TrimSuffix(r.URL.EscapedPath(), "/") + ":"))
	mac.Write(key)
	if !hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(signature)) {
		return bad
	}
	return nil
}
