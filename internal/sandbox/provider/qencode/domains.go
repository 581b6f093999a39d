package qencode

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"
)

// Types of domains. The reference shows "live" alone; storageType is a guess.
const (
	liveType    = "live"
	storageType = "storage"
)

type domain struct {
	id, name, kind string
	created        time.Time
}

func (d *domain) describe() object {
	return object{"created": d.created.UTC().Format(dateForm), "id": d.id, "type": d.kind, "domain_name": d.name}
}

type subscription struct {
	id      string
	domain  *domain
	created time.Time
}

func (t *subscription) describe() object {
	return object{"status": "pending", "created": t.created.UTC().Format(dateForm), "domain_id": t.domain.id, "id": t.id}
}

// domain returns a domain by its id, or nil. The caller holds the lock.
func (s *Server) domain(id string) *domain {
	i := slices.IndexFunc(s.domains, func(d *domain) bool { return d.id == id })
	if i < 0 {
		return nil
	}
	return s.domains[i]
}

func hostName() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$`)
}

func (s *Server) createDomain(r *http.Request) (any, error) {
	var asked struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	if err := read(r, &asked); err != nil {
		return nil, err
	}
	check := func() error {
		switch {
		case len(asked.Name) > 253 || !hostName().MatchString(asked.Name):
			return invalid("name must be a domain name")
		case asked.Type != liveType && asked.Type != storageType:
			return invalid("type must be %s or %s", liveType, storageType)
		case slices.ContainsFunc(s.domains, func(d *domain) bool { return d.name == asked.Name }):
			return invalid("the domain exists")
		case len(s.domains) >= maxDomains:
			return invalid("at most %d domains; contact support", maxDomains)
		}
		return nil
	}
	made := &domain{id: newID(), name: asked.Name, kind: asked.Type, created: s.cfg.clock()}
	err := s.change(r.Context(), "make domain "+asked.Name, check, func() { s.domains = append(s.domains, made) })
	return object{"domain": made.describe()}, err
}

// getDomain answers for an id with the domain, and for a type with a list: both have one path.
func (s *Server) getDomain(r *http.Request) (any, error) {
	id := r.PathValue("id")
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == liveType || id == storageType {
		return s.domainsOf(id), nil
	}
	d := s.domain(id)
	if d == nil {
		return nil, notFound("domain")
	}
	return object{"domain": d.describe()}, nil
}

func (s *Server) listDomains(*http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.domainsOf(""), nil
}

func (s *Server) domainsOf(kind string) object {
	shown := make([]object, 0, len(s.domains))
	for _, d := range s.domains {
		if kind == "" || d.kind == kind {
			shown = append(shown, d.describe())
		}
	}
	return object{"domains": s.ordered(shown)}
}

// deleteDomain takes the domain's keys and its TLS subscription with it.
func (s *Server) deleteDomain(r *http.Request) (any, error) {
	if err := empty(r); err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	check := func() error {
		if s.domain(id) == nil {
			return notFound("domain")
		}
		return nil
	}
	err := s.change(r.Context(), "delete domain "+id, check, func() {
		s.domains = slices.DeleteFunc(s.domains, func(d *domain) bool { return d.id == id })
		s.tls = slices.DeleteFunc(s.tls, func(t *subscription) bool { return t.domain.id == id })
		for _, k := range s.standing(kindDomain + ":" + id) {
			k.deleted = s.cfg.Now()
		}
	})
	return okay(), err
}

func (s *Server) createTLS(r *http.Request) (any, error) {
	var asked struct {
		DomainID string `json:"domain_id"`
	}
	if err := read(r, &asked); err != nil {
		return nil, err
	}
	check := func() error {
		if s.domain(asked.DomainID) == nil {
			return notFound("domain")
		}
		if slices.ContainsFunc(s.tls, func(t *subscription) bool { return t.domain.id == asked.DomainID }) {
			return invalid("the domain has a TLS subscription")
		}
		return nil
	}
	var shown object
	err := s.change(r.Context(), "make a TLS subscription of "+asked.DomainID, check, func() {
		t := &subscription{id: newID(), domain: s.domain(asked.DomainID), created: s.cfg.clock()}
		s.tls = append(s.tls, t)
		shown = t.describe()
		shown["message"] = fmt.Sprintf("TLS subscription created. You should verify your domain ownership. "+
			"Create a CNAME for '%s' and point it to 'sandbox.invalid.'.", t.domain.name)
	})
	return object{"tls_subscription": shown}, err
}

// subscription returns the index of a TLS subscription. The caller holds the lock.
func (s *Server) subscription(id string) (int, error) {
	i := slices.IndexFunc(s.tls, func(t *subscription) bool { return t.id == id })
	if i < 0 {
		return 0, notFound("TLS subscription")
	}
	return i, nil
}

func (s *Server) getTLS(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.subscription(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return object{"tls_subscription": s.tls[i].describe()}, nil
}

func (s *Server) listTLS(*http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := make([]object, 0, len(s.tls))
	for _, t := range s.tls {
		shown = append(shown, t.describe())
	}
	return object{"tls_subscriptions": s.ordered(shown)}, nil
}

func (s *Server) deleteTLS(r *http.Request) (any, error) {
	if err := empty(r); err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	at := 0
	check := func() (err error) {
		at, err = s.subscription(id)
		return err
	}
	err := s.change(r.Context(), "delete TLS subscription "+id, check, func() { s.tls = slices.Delete(s.tls, at, at+1) })
	return okay(), err
}
