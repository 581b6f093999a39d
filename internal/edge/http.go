package edge

import (
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/tokensvc/tokensvc/internal/clientaddr"
	"github.com/tokensvc/tokensvc/tokens"
)

// Convention is how one kind of proxy asks about a request. Each has a path of its own and only its own
// header is read: a viewer may add the others' to a request, and play B with what opens A.
type Convention struct {
	// Name is short, for counts.
	Name string
	// Path is where the proxy asks.
	Path string
	// Header carries the request target as the viewer sent it.
	Header string
	// Absolute says that the header holds a whole URL.
	Absolute bool
}

// Conventions returns the conventions that are served.
func Conventions() []Convention {
	return []Convention{
		{Name: "nginx", Path: "/edge/auth", Header: "X-Original-Uri"}, // nginx: proxy_set_header X-Original-URI $request_uri
		{Name: "ingress-nginx", Path: "/edge/auth/ingress-nginx", Header: "X-Original-Url", Absolute: true},
		{Name: "traefik", Path: "/edge/auth/traefik", Header: "X-Forwarded-Uri"},
		{Name: "caddy", Path: "/edge/auth/caddy", Header: "X-Forwarded-Uri"},
		{Name: "haproxy", Path: "/edge/auth/haproxy", Header: "X-Forwarded-Uri"},
	}
}

// HTTP answers proxies that ask by HTTP.
type HTTP struct {
	*Decider

	// Trusted are the proxies that may ask, and whose X-Forwarded-For is believed.
	Trusted []netip.Prefix
	Log     *slog.Logger
}

// Handlers returns a handler for each convention, by its path.
func (h *HTTP) Handlers() map[string]http.Handler {
	all := make(map[string]http.Handler)
	for _, c := range Conventions() {
		all[c.Path] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, c) })
	}
	return all
}

func (h *HTTP) serve(w http.ResponseWriter, r *http.Request, c Convention) {
	answer := h.judge(r, c)
	h.Tally.Count(c.Name, answer.Outcome)
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	if answer.Outcome == Allowed {
		header.Set("X-Tokensvc-Playback", answer.Playback)
		if answer.Cookie != nil {
			header["Set-Cookie"] = []string{written(answer.Cookie)}
		}
		w.WriteHeader(http.StatusOK)
		return
	}
	h.Log.DebugContext(r.Context(), "edge refused", "convention", c.Path, "reason", string(answer.Reason), "detail", answer.Detail)
	header.Set("X-Tokensvc-Reason", string(answer.Reason))
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(answer.Status())
	_, _ = w.Write([]byte(string(answer.Reason) + ": " + answer.Detail + "\n")) // the proxy may have left
}

func (h *HTTP) judge(r *http.Request, c Convention) Answer {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return refusal(malformed("ask with GET or HEAD"))
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !clientaddr.Trusts(h.Trusted, peer.Addr()) {
		return refusal(tokens.Refuse(tokens.ForbiddenOrigin, "only trusted proxies may ask; name this one in trusted_proxies"))
	}
	target, err := c.target(r.Header)
	if err != nil {
		return refusal(err)
	}
	return h.Decide(r.Context(), &Ask{
		URI: target, Cookies: cookiesOf(r.Cookies()), ClientIP: clientaddr.From(peer.Addr(), r.Header.Values("X-Forwarded-For"), h.Trusted),
		Secure: r.Header.Get("X-Forwarded-Proto") == "https",
	})
}

// target returns the request target that the convention's header holds, which must be there once: a second
// one is the viewer's.
func (c Convention) target(header http.Header) (string, error) {
	values := header[c.Header]
	if len(values) != 1 {
		return "", tokens.Refuse(tokens.Malformed, "want the header %s once, not %d times; the proxy has to set it", c.Header, len(values))
	}
	if !c.Absolute {
		return values[0], nil
	}
	u, err := url.Parse(values[0])
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", tokens.Refuse(tokens.Malformed, "the header %s must hold an absolute URL", c.Header)
	}
	_, rest, _ := strings.Cut(values[0], "://")
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return "/", nil
	}
	return rest[slash:], nil
}
