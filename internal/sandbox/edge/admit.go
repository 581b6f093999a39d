package edge

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/agora"
	"github.com/tokensvc/tokensvc/tokens/akamai"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// admission says how an admitted request is answered.
type admission struct {
	session *scope // a session to open; nil for none
	query   string // what to put behind the URIs in a playlist
}

// admit decides on a request for file f of m, or refuses it with a tokens.Reason.
func (e *Edge) admit(r *http.Request, m *mount, f file) (admission, error) {
	switch m.Scheme {
	case wowza.Name:
		if m.PlaylistOnly {
			return admission{}, e.admitPlaylistOnly(r, m, f)
		}
		return e.admitWithCookie(r, m, f, wowza.QueryName)
	case akamai.Name:
		return e.admitWithCookie(r, m, f, akamai.DefaultTokenName, "hdnea")
	case qencode.Name:
		return e.admitQencode(r, m)
	case agora.Name:
		return admission{}, e.admitAgora(r, m, f)
	default:
		return admission{}, tokens.Refuse(tokens.Malformed, "this edge knows no scheme %q", m.Scheme)
	}
}

// admitWithCookie lets a session in, else wants a token and opens one.
func (e *Edge) admitWithCookie(r *http.Request, m *mount, f file, names ...string) (admission, error) {
	token, found, err := param(r.URL.RawQuery, names...)
	if err != nil {
		return admission{}, err
	}
	held := r.CookiesNamed(CookieName)
	for _, c := range held {
		if sc, ok := e.sessions.lookup(c.Value); ok && sc.opens(m.Target, r.URL.Path) && e.stands(sc) {
			return admission{}, nil
		}
	}
	switch {
	case f.isPlaylist() && found:
	case len(held) > 0:
		return admission{}, tokens.Refuse(tokens.PathNotCovered, "the %s cookie opens nothing here: it is of another stream, of an edge that has stopped, or of a key that ended; request the signed playlist again", CookieName)
	case f.isPlaylist():
		return admission{}, missing(names...)
	default:
		return admission{}, tokens.Refuse(tokens.Malformed, "no %s cookie; request the signed playlist first, and send credentials with every request", CookieName)
	}
	if m.Scheme == wowza.Name {
		return e.openHdnts(r, m, token)
	}
	key, err := e.verify(r, m, tokens.Presented{Token: token, Resource: r.URL.Path})
	if err != nil {
		return admission{}, err
	}
	return admission{session: &scope{target: m.Target, prefix: edgeAuthPrefix(token, r.URL.Path), key: key.Fingerprint()}}, nil
}

// stands reports whether a session goes on: for ever, or where cookies are bound to the secret, for as long as
// the key counts that opened it.
func (e *Edge) stands(sc scope) bool {
	return !e.cfg.CookieBoundToSecret || slices.ContainsFunc(e.cfg.Keys(sc.target), func(k tokens.Key) bool {
		return k.Fingerprint() == sc.key
	})
}

func (e *Edge) openHdnts(r *http.Request, m *mount, token string) (admission, error) {
	key, err := e.verifyHdnts(r, m, token)
	if err != nil {
		return admission{}, err
	}
	return admission{session: &scope{target: m.Target, prefix: m.cookieDir, key: key.Fingerprint()}}, nil
}

func (e *Edge) admitPlaylistOnly(r *http.Request, m *mount, f file) error {
	if f.kind != first {
		return nil
	}
	token, found, err := param(r.URL.RawQuery, wowza.QueryName)
	if err != nil {
		return err
	}
	if !found {
		return missing(wowza.QueryName)
	}
	_, err = e.verifyHdnts(r, m, token)
	return err
}

// verifyHdnts checks the token for the stream and the recording of the path.
func (e *Edge) verifyHdnts(r *http.Request, m *mount, token string) (tokens.Key, error) {
	path, _ := wowza.ReadPath(m.Playlist)
	return e.verify(r, m, tokens.Presented{Token: token, Resource: path.StreamID, VODStreamID: path.VODStreamID})
}

// edgeAuthPrefix returns the paths that a session of a verified token opens: those under the acl entry that
// covers path, or the directory of path when the token names one path only, or has other delimiters than
// Akamai's default.
func edgeAuthPrefix(token, path string) string {
	acl, _ := field(token, "acl")
	for entry := range strings.SplitSeq(acl, akamai.DefaultACLDelimiter) {
		prefix, wildcard := strings.CutSuffix(entry, "*")
		if wildcard && strings.HasPrefix(prefix, "/") && strings.HasPrefix(path, prefix) {
			return prefix
		}
	}
	return directory(path)
}

func (e *Edge) admitQencode(r *http.Request, m *mount) (admission, error) {
	token, found, err := param(r.URL.RawQuery, qencode.QueryName)
	if err != nil {
		return admission{}, err
	}
	if !found {
		return admission{}, missing(qencode.QueryName)
	}
	resource := m.PlaybackID
	if resource == "" {
		resource = strings.TrimPrefix(r.URL.Path, "/")
	}
	if _, err := e.verify(r, m, tokens.Presented{Token: token, Resource: resource}); err != nil {
		return admission{}, err
	}
	return admission{query: qencode.QueryName + "=" + token}, nil
}

func (e *Edge) admitAgora(r *http.Request, m *mount, f file) error {
	if !f.isPlaylist() {
		return nil
	}
	ts, hasTS, err := param(r.URL.RawQuery, "ts")
	if err != nil {
		return err
	}
	sign, hasSign, err := param(r.URL.RawQuery, "sign")
	if err != nil {
		return err
	}
	if !hasTS || !hasSign {
		return tokens.Refuse(tokens.Malformed, "no ts and sign in the query; request the signed URL")
	}
	_, err = e.verify(r, m, tokens.Presented{Token: "ts=" + ts + "&sign=" + sign, Resource: r.URL.Path})
	return err
}

func missing(names ...string) error {
	return tokens.Refuse(tokens.Malformed, "no %s parameter in the query; request the signed URL", strings.Join(names, " or "))
}

// verify tries each key of the target and returns the one that accepts the token. When none does, the
// refusal that tells most is returned: one that looked past the signature, if there is one.
func (e *Edge) verify(r *http.Request, m *mount, p tokens.Presented) (tokens.Key, error) {
	p.ClientIP = peer(r)
	now := e.cfg.Now()
	var refusal error
	for _, key := range e.cfg.Keys(m.Target) {
		err := key.Verify(p, now)
		if err == nil {
			return key, nil
		}
		if tokens.TellsMore(err, refusal) {
			refusal = err
		}
	}
	if refusal == nil {
		return nil, tokens.Refuse(tokens.UnknownKey, "no key of target %q counts at this edge", m.Target)
	}
	return nil, refusal
}

// peer returns the address of the other end of the connection. Headers that claim another are not believed.
func peer(r *http.Request) string {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return ap.Addr().Unmap().WithZone("").String()
}
