package agora

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// maxAuthKey is the longest authKey, in bytes.
const maxAuthKey = 128

// domain is a domain of the project. It stays, deleted, for the edges to forget it.
type domain struct {
	kind, region string
	keys         []keyChange // oldest first
	deleted      time.Time
}

type keyChange struct {
	at  time.Time
	key tokens.Secret
}

func (d *domain) isThere() bool { return d != nil && d.deleted.IsZero() }

// authKey returns the authKey as the API shows it.
func (d *domain) authKey() tokens.Secret {
	if len(d.keys) == 0 {
		return tokens.Secret{}
	}
	return d.keys[len(d.keys)-1].key
}

// set changes the authKey and forgets what no edge can know any more.
func (d *domain) set(key tokens.Secret, now time.Time, propagation time.Duration) {
	known := 0
	for i, k := range d.keys {
		if !now.Before(k.at.Add(propagation)) {
			known = i
		}
	}
	d.keys = append(d.keys[known:], keyChange{at: now, key: key})
}

// domainAnswer is a domain in JSON.
type domainAnswer struct {
	AppID   string `json:"appid"`
	Name    string `json:"name"`
	Type    string `json:"type"`
	Region  string `json:"region,omitempty"`
	AuthKey string `json:"authKey,omitempty"`
	CName   string `json:"cname,omitempty"`
}

func (s *Server) describe(name string, d *domain) domainAnswer {
	return domainAnswer{AppID: s.cfg.AppID, Name: name, Type: d.kind, Region: d.region, AuthKey: string(d.authKey().Reveal())}
}

func (s *Server) createDomain(r *http.Request, body []byte) (status int, answer any) {
	var in struct{ Type, Region string }
	name := r.URL.Query().Get("id")
	if !read(r, body, &in) || !domainName().MatchString(name) {
		return http.StatusBadRequest, nil
	}
	isPlay := in.Type == "play" && in.Region == ""
	isPublish := in.Type == "publish" && slices.Contains([]string{"cn", "ap", "eu", "na"}, in.Region)
	if !isPlay && !isPublish {
		return http.StatusBadRequest, nil
	}
	d := &domain{kind: in.Type, region: in.Region}
	status = http.StatusBadRequest
	s.change(r.Context(), "domain "+name, func() {
		if !s.domains[name].isThere() {
			s.domains[name] = d
			status = http.StatusCreated
		}
	})
	if status != http.StatusCreated {
		return status, nil
	}
	out := s.describe(name, d)
	out.CName = name + ".cname.example"
	return status, out
}

func (s *Server) listDomains(*http.Request, []byte) (status int, answer any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []domainAnswer{}
	for _, name := range slices.Sorted(maps.Keys(s.domains)) {
		if d := s.domains[name]; d.isThere() {
			list = append(list, s.describe(name, d))
		}
	}
	return http.StatusOK, map[string]any{"domainList": list}
}

func (s *Server) getDomain(r *http.Request, _ []byte) (status int, answer any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.PathValue("domain")
	d := s.domains[name]
	if !d.isThere() {
		return http.StatusNotFound, nil
	}
	return http.StatusOK, s.describe(name, d)
}

func (s *Server) setAuthKey(r *http.Request, body []byte) (status int, answer any) {
	var in struct {
		AuthKey string `json:"authKey"`
	}
	if !read(r, body, &in) || in.AuthKey == "" || len(in.AuthKey) > maxAuthKey {
		return http.StatusBadRequest, nil
	}
	name := r.PathValue("domain")
	if !s.hasDomain(name) {
		return http.StatusNotFound, nil
	}
	s.change(r.Context(), "authKey of "+name, func() {
		s.domains[name].set(tokens.NewSecret([]byte(in.AuthKey)), s.cfg.Now(), s.cfg.Propagation)
	})
	return http.StatusOK, nil
}

func (s *Server) deleteDomain(r *http.Request, _ []byte) (status int, answer any) {
	name := r.PathValue("domain")
	if !s.hasDomain(name) {
		return http.StatusNotFound, nil
	}
	s.change(r.Context(), "domain "+name, func() { s.domains[name].deleted = s.cfg.Now() })
	return http.StatusOK, nil
}

func (s *Server) hasDomain(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.domains[name].isThere()
}

// read decodes the JSON object of a request. Members that the vendor does not document are refused, so that
// a client's slips show here and not at the vendor.
func read(r *http.Request, body []byte, v any) bool {
	in := json.NewDecoder(bytes.NewReader(body))
	in.DisallowUnknownFields()
	if r.Header.Get("Content-Type") != "application/json" || in.Decode(v) != nil {
		return false
	}
	_, err := in.Token()
	return errors.Is(err, io.EOF)
}
