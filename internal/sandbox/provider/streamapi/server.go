// Package streamapi is a stand-in for the HTTP API of StreamAPI (by Stickam), whose servers no longer exist.
// It was made from the vendor's public pages and from three clients of the time, not from the service:
//
//   - Every call carries key, sig and rid. The signature is the MD5 over the values sorted by name, and rid has to
//     be greater than the last that was seen. Errors are codes in the XML, always with status 200.
//   - A session that was created with is_video_private=true admits a viewer only after the site's call-back has
//     answered code 0. Other sessions admit everyone.
//
// The pages show neither the root of the answers nor their wrappers, so Config names the root.
// Faults are put in front with package fault; the names of calls for that are those of Server.Call.
package streamapi

import (
	"crypto/md5" //nolint:gosec // G501: the vendor's format.
	"crypto/subtle"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// maxBody bounds what a request may send, in bytes.
const maxBody = 64 << 10

// Config is what a Server starts with.
type Config struct {
	// APIKey and SecretKey are the account's: 32 upper-case letters and digits each. Required.
	APIKey    string
	SecretKey tokens.Secret
	// Now is the server's clock. Required.
	Now func() time.Time
	// CallbackURL is where the site answers for the viewers of private sessions. With an empty one nobody is
	// admitted to them.
	CallbackURL string
	// Root is the name of the root element of answers; empty means "response".
	Root string
}

// Server is the stand-in. Make it with New. It is safe for concurrent use.
type Server struct {
	cfg   Config
	calls map[string]call // by method and path

	mu       sync.Mutex
	lastRID  int64
	sessions map[string]*session // by public host id
	videos   []video
}

// New returns a server without sessions, or says what is wrong with cfg.
func New(cfg Config) (*Server, error) {
	if len(cfg.APIKey) != 32 || cfg.SecretKey.Len() != 32 || cfg.Now == nil {
		return nil, errors.New("sandbox streamapi: an API key and a secret key of 32 characters each, and a clock, are needed")
	}
	if cfg.Root == "" {
		cfg.Root = "response"
	}
	s := &Server{cfg: cfg, sessions: make(map[string]*session)}
	s.calls = s.table()
	return s, nil
}

// Names of the calls.
const (
	CallCreateSession = "create session"
	CallLiveSession   = "get live session"
	CallLiveSessions  = "list live sessions"
	CallPublicID      = "get public id"
	CallPrivateID     = "get private id"
	CallRecordings    = "list recordings"
	CallThemes        = "list themes"
)

// call is one call of the API: its own parameters, with whether they have to be there, and what it does.
type call struct {
	name   string
	params map[string]bool
	run    func(r *http.Request, in url.Values) (code, []node)
}

func (s *Server) table() map[string]call {
	const required, optional = true, false
	return map[string]call{
		"POST /service/session/create": {CallCreateSession, map[string]bool{
			"site_user_id": optional, "username": optional, "fme_key": optional, "is_video_private": optional,
		}, s.createSession},
		"GET /service/session/live":      {CallLiveSession, map[string]bool{"public_hostid": required}, s.liveSession},
		"GET /service/session/live/list": {CallLiveSessions, nil, s.liveSessions},
		"GET /service/host/id/public":    {CallPublicID, map[string]bool{"private_hostid": required}, s.publicID},
		"GET /service/host/id/private":   {CallPrivateID, map[string]bool{"public_hostid": required}, s.privateID},
		"GET /service/video/list": {CallRecordings, map[string]bool{
			"public_hostid": optional, "start_date": optional, "end_date": optional,
		}, s.recordings},
		"GET /service/theme/list": {CallThemes, nil, s.themes},
	}
}

// Call returns the name of the call that a request is, for a fault.Plan; "" for none.
func (s *Server) Call(r *http.Request) string { return s.calls[r.Method+" "+r.URL.EscapedPath()].name }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, known := s.calls[r.Method+" "+r.URL.EscapedPath()]
	if !known {
		http.NotFound(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		s.write(w, unknownError, nil)
		return
	}
	in := r.URL.Query()
	if r.Method == http.MethodPost {
		in = r.PostForm
	}
	result := s.authenticate(in, c)
	var content []node
	if result == ok {
		result, content = c.run(r, in)
	}
	s.write(w, result, content)
}

// code is a status code of the vendor's.
type code int

const (
	ok           code = 0
	missing      code = 1
	noUser       code = 8
	noSession    code = 46
	unknownError code = 100
	badKey       code = 200
	badSig       code = 202
	badRID       code = 203
)

func (c code) message() string {
	switch c {
	case ok:
		return ""
	case missing:
		return "Missing required parameter(s)"
	case noUser:
		return "No user found"
	case noSession:
		return "No session found"
	case badKey:
		return "Invalid API key"
	case badSig:
		return "Invalid sig (or signature) value"
	case badRID:
		return "Invalid request ID value"
	default:
		return "Unknown Error"
	}
}

// authenticate checks parameters, signature and request id, which counts as seen when all else is right.
func (s *Server) authenticate(in url.Values, c call) code {
	for name, values := range in {
		_, own := c.params[name]
		if len(values) != 1 || !own && !slices.Contains([]string{"key", "sig", "rid"}, name) {
			return unknownError
		}
	}
	for name, required := range c.params {
		if required && in.Get(name) == "" {
			return missing
		}
	}
	switch {
	case in.Get("key") == "" || in.Get("sig") == "" || in.Get("rid") == "":
		return missing
	case in.Get("key") != s.cfg.APIKey:
		return badKey
	case subtle.ConstantTimeCompare([]byte(in.Get("sig")), []byte(s.signature(in))) != 1:
		return badSig
	}
	rid, err := strconv.ParseInt(in.Get("rid"), 10, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || rid <= s.lastRID {
		return badRID
	}
	s.lastRID = rid
	return ok
}

func (s *Server) signature(in url.Values) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if name != "sig" && name != "rid" {
			text.WriteString(in.Get(name))
		}
	}
	text.Write(s.cfg.SecretKey.Reveal())
	text.WriteString(in.Get("rid"))
	sum := md5.Sum([]byte(text.String())) //nolint:gosec // G401: the vendor's format.
	return hex.EncodeToString(sum[:])
}

// SawRID lets the server have seen a request id, as of another program with the same API key.
func (s *Server) SawRID(rid int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastRID = max(s.lastRID, rid)
}

// node is an element of an answer.
type node struct {
	XMLName  xml.Name
	ID       string `xml:"id,attr,omitempty"`
	Text     string `xml:",chardata"`
	Children []node `xml:",any"`
}

func leaf(name, text string) node { return node{XMLName: xml.Name{Local: name}, Text: text} }

func wrap(name string, children ...node) node {
	return node{XMLName: xml.Name{Local: name}, Children: children}
}

// write sends an answer, as the vendor did: status 200 whatever the code is.
func (s *Server) write(w http.ResponseWriter, c code, content []node) {
	all := []node{leaf("code", strconv.Itoa(int(c)))}
	if c != ok {
		all = append(all, leaf("msg", c.message()))
	}
	body, err := xml.Marshal(wrap(s.cfg.Root, append(all, content...)...))
	if err != nil {
		http.Error(w, fmt.Sprintf("sandbox streamapi: %v", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	// The other end may be gone; there is nobody to tell.
	_, _ = w.Write(append([]byte(xml.Header), body...))
}
