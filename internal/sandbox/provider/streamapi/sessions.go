package streamapi

import (
	"crypto/rand"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	"github.com/tokensvc/tokensvc/tokens"
)

// firstPublicID is where the ids begin that the server gives itself.
const firstPublicID = 1_000_000_001

type session struct {
	public, private, username, fmeKey string
	isPrivate                         bool
	live                              time.Time // since when; zero when it is not
}

type video struct {
	id, public string
	created    time.Time
}

func (s *Server) createSession(r *http.Request, in url.Values) (code, []node) {
	isPrivate := in.Get("is_video_private")
	if !only(in.Get("site_user_id"), isDigit) || !only(in.Get("username"), isWord) || !only(in.Get("fme_key"), isWord) ||
		isPrivate != "" && isPrivate != "true" && isPrivate != "false" {
		return unknownError, nil
	}
	created := &session{
		public: in.Get("site_user_id"), private: privateID(), username: in.Get("username"), fmeKey: in.Get("fme_key"),
		isPrivate: isPrivate == "true",
	}
	fault.Effect(r.Context(), "session", func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if created.public == "" {
			created.public = strconv.Itoa(firstPublicID + len(s.sessions))
		}
		s.sessions[created.public] = created
	})
	return ok, created.ids()
}

// privateID returns 32 upper-case letters and digits.
func privateID() string { return (rand.Text() + rand.Text())[:32] }

func (h *session) ids() []node {
	return []node{leaf("private_hostid", h.private), leaf("public_hostid", h.public)}
}

func (h *session) describe() []node {
	return append(h.ids(), leaf("username", h.username), leaf("start_time", strconv.FormatInt(h.live.UnixMilli(), 10)), leaf("channel_id", "1"))
}

// find returns the first session, by public id, that fits.
func (s *Server) find(fits func(*session) bool) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.sessions)) {
		if fits(s.sessions[id]) {
			found := *s.sessions[id]
			return &found
		}
	}
	return nil
}

func (s *Server) byPublic(id string) *session {
	return s.find(func(h *session) bool { return h.public == id })
}

func (s *Server) liveSession(_ *http.Request, in url.Values) (code, []node) {
	h := s.byPublic(in.Get("public_hostid"))
	switch {
	case h == nil:
		return noUser, nil
	case h.live.IsZero():
		return ok, []node{leaf("is_live", "false")}
	}
	duration := strconv.FormatInt(int64(s.cfg.Now().Sub(h.live)/time.Second), 10)
	return ok, append(h.describe(), leaf("is_live", "true"), leaf("duration", duration))
}

func (s *Server) liveSessions(*http.Request, url.Values) (code, []node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []node
	for _, id := range slices.Sorted(maps.Keys(s.sessions)) {
		if h := s.sessions[id]; !h.live.IsZero() {
			list = append(list, wrap("session", append(h.describe(), leaf("current_viewers", "0"), leaf("max_viewers", "0"))...))
		}
	}
	return ok, []node{wrap("live_sessions", list...)}
}

func (s *Server) publicID(_ *http.Request, in url.Values) (code, []node) {
	if h := s.find(func(h *session) bool { return h.private == in.Get("private_hostid") }); h != nil {
		return ok, h.ids()
	}
	return noSession, nil
}

func (s *Server) privateID(_ *http.Request, in url.Values) (code, []node) {
	if h := s.byPublic(in.Get("public_hostid")); h != nil {
		return ok, h.ids()
	}
	return noSession, nil
}

func (s *Server) recordings(_ *http.Request, in url.Values) (code, []node) {
	from, to := int64(0), int64(1)<<62
	for name, bound := range map[string]*int64{"start_date": &from, "end_date": &to} {
		if text := in.Get(name); text != "" {
			ms, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return unknownError, nil
			}
			*bound = ms
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []node
	for _, v := range s.videos {
		ms := v.created.UnixMilli()
		if public := in.Get("public_hostid"); public != "" && public != v.public || ms < from || ms > to {
			continue
		}
		n := wrap("video", leaf("public_hostid", v.public), leaf("duration", "60"), leaf("channel_id", "1"),
			leaf("creation_date", strconv.FormatInt(ms, 10)), leaf("filename", v.id+".flv"), leaf("size", "1024"),
			leaf("url", "http://video.example/"+v.id+".flv?a=1&b=2"), leaf("embed_code", `<object data="x"/>`))
		n.ID = v.id
		list = append(list, n)
	}
	return ok, []node{wrap("videos", list...)}
}

func (s *Server) themes(*http.Request, url.Values) (code, []node) {
	n := wrap("theme", leaf("name", "Default"), leaf("width", "640"), leaf("height", "480"),
		leaf("layout_path", "/layouts/default.xml"), leaf("skin_path", "/skins/default.swf"))
	n.ID = "1"
	return ok, []node{wrap("themes", n)}
}

// GoLive lets the holder of a private host id broadcast. It reports whether there is such a session.
func (s *Server) GoLive(privateID tokens.Secret) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.sessions {
		if privateID.Equal(tokens.NewSecret([]byte(h.private))) {
			h.live = s.cfg.Now()
			return true
		}
	}
	return false
}

// EndLive ends the broadcast of a session and leaves a recording.
func (s *Server) EndLive(publicID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.sessions[publicID]
	if h == nil || h.live.IsZero() {
		return
	}
	s.videos = append(s.videos, video{id: strconv.Itoa(len(s.videos) + 1), public: publicID, created: h.live})
	h.live = time.Time{}
}

func only(text string, fits func(rune) bool) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !fits(r) })
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

func isWord(r rune) bool { return isDigit(r) || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
