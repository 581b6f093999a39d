package agora

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const defaultEntryPoint = "live"

// banTime is how long a ban lasts that names no end.
const banTime = 7 * 24 * time.Hour

// webhook is the settings of origin authentication.
type webhook struct {
	Enabled bool   `json:"enabled"`
	URL     string `json:"url"`
	Secret  string `json:"secret"`
}

type entryPoint struct {
	banned map[string]time.Time // by stream, until when
	online map[string]time.Time // by stream, since when
}

func newEntryPoint() *entryPoint {
	return &entryPoint{banned: make(map[string]time.Time), online: make(map[string]time.Time)}
}

func (s *Server) getWebhook(*http.Request, []byte) (status int, answer any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return http.StatusOK, s.webhook
}

func (s *Server) setWebhook(r *http.Request, body []byte) (status int, answer any) {
	var in struct {
		Enabled     *bool
		URL, Secret *string
	}
	if !read(r, body, &in) || in.Enabled == nil || in.URL != nil && !isHTTPS(*in.URL) {
		return http.StatusBadRequest, nil
	}
	s.change(r.Context(), "origin authentication", func() {
		s.webhook.Enabled = *in.Enabled
		if in.URL != nil {
			s.webhook.URL = *in.URL
		}
		if in.Secret != nil {
			s.webhook.Secret = *in.Secret
		}
	})
	return http.StatusOK, nil
}

func isHTTPS(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != ""
}

func (s *Server) createEntryPoint(r *http.Request, body []byte) (status int, answer any) {
	name := r.URL.Query().Get("id")
	status = http.StatusBadRequest
	if len(body) > 0 || !entryPointName().MatchString(name) {
		return status, nil
	}
	s.change(r.Context(), "entry point "+name, func() {
		if s.entryPoints[name] == nil {
			s.entryPoints[name] = newEntryPoint()
			status = http.StatusCreated
		}
	})
	return status, nil
}

func (s *Server) listEntryPoints(*http.Request, []byte) (status int, answer any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.entryPoints)) {
		list = append(list, map[string]string{"name": name})
	}
	return http.StatusOK, map[string]any{"entryPointList": list}
}

func (s *Server) deleteEntryPoint(r *http.Request, _ []byte) (status int, answer any) {
	name := r.PathValue("ep")
	if name == defaultEntryPoint {
		return http.StatusBadRequest, nil
	}
	if !s.withEntryPoint(r, func(*entryPoint) {}) {
		return http.StatusNotFound, nil
	}
	s.change(r.Context(), "entry point "+name, func() { delete(s.entryPoints, name) })
	return http.StatusOK, nil
}

// withEntryPoint looks at the entry point in the path, under the lock; it reports whether there is one.
func (s *Server) withEntryPoint(r *http.Request, look func(*entryPoint)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ep := s.entryPoints[r.PathValue("ep")]
	if ep != nil {
		look(ep)
	}
	return ep != nil
}

func (s *Server) ban(r *http.Request, body []byte) (status int, answer any) {
	now := s.cfg.Now()
	in := struct{ ResumeTime time.Time }{now.Add(banTime)}
	if len(body) > 0 && !read(r, body, &in) {
		return http.StatusBadRequest, nil
	}
	if !in.ResumeTime.After(now) {
		return http.StatusBadRequest, nil
	}
	if !s.withEntryPoint(r, func(*entryPoint) {}) {
		return http.StatusNotFound, nil
	}
	name, stream := r.PathValue("ep"), r.PathValue("stream")
	s.change(r.Context(), "ban of "+name+"/"+stream, func() {
		if ep := s.entryPoints[name]; ep != nil {
			ep.banned[stream] = in.ResumeTime
			delete(ep.online, stream)
		}
	})
	return http.StatusOK, nil
}

func (s *Server) unban(r *http.Request, _ []byte) (status int, answer any) {
	name, stream := r.PathValue("ep"), r.PathValue("stream")
	isBanned := false
	s.withEntryPoint(r, func(ep *entryPoint) { isBanned = ep.banned[stream].After(s.cfg.Now()) })
	if !isBanned {
		return http.StatusNotFound, nil
	}
	s.change(r.Context(), "ban of "+name+"/"+stream, func() {
		if ep := s.entryPoints[name]; ep != nil {
			delete(ep.banned, stream)
		}
	})
	return http.StatusOK, nil
}

func (s *Server) listBans(r *http.Request, _ []byte) (status int, answer any) {
	list := []map[string]string{}
	now := s.cfg.Now()
	if !s.withEntryPoint(r, func(ep *entryPoint) {
		for _, stream := range slices.Sorted(maps.Keys(ep.banned)) {
			if until := ep.banned[stream]; until.After(now) {
				list = append(list, map[string]string{"name": stream, "resumeTime": until.UTC().Format(time.RFC3339)})
			}
		}
	}) {
		return http.StatusNotFound, nil
	}
	return http.StatusOK, map[string]any{"bannedStreamList": list}
}

func (s *Server) listOnline(r *http.Request, _ []byte) (status int, answer any) {
	list := []map[string]string{}
	if !s.withEntryPoint(r, func(ep *entryPoint) {
		for _, stream := range slices.Sorted(maps.Keys(ep.online)) {
			list = append(list, map[string]string{"name": stream, "startTime": ep.online[stream].UTC().Format(time.RFC3339)})
		}
	}) {
		return http.StatusNotFound, nil
	}
	return http.StatusOK, map[string]any{"streamList": list}
}

func (s *Server) getOnline(r *http.Request, _ []byte) (status int, answer any) {
	var since time.Time
	s.withEntryPoint(r, func(ep *entryPoint) { since = ep.online[r.PathValue("stream")] })
	if since.IsZero() {
		return http.StatusNotFound, nil
	}
	return http.StatusOK, map[string]string{"startTime": since.UTC().Format(time.RFC3339)}
}

// Publish lets a stream go online, as an encoder does. It reports whether the platform takes it: the entry
// point exists and the stream is not banned.
func (s *Server) Publish(entryPoint, stream string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ep := s.entryPoints[entryPoint]
	now := s.cfg.Now()
	if ep == nil || stream == "" || strings.Contains(stream, "/") || ep.banned[stream].After(now) {
		return false
	}
	ep.online[stream] = now
	return true
}
