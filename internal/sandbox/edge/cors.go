package edge

import (
	"net/http"
	"slices"
)

// allowOrigin names the page's origin in the answer if it is one of those configured, and reports whether it
// is. Credentials are allowed, so the answer is never "*".
func (e *Edge) allowOrigin(h http.Header, r *http.Request) bool {
	h.Add("Vary", "Origin")
	origins := r.Header.Values("Origin")
	if len(origins) != 1 || !slices.Contains(e.cfg.PageOrigins, origins[0]) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origins[0])
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", ReasonHeader+", Content-Length, Content-Range")
	return true
}

// preflight answers OPTIONS. Players ask before a request with a Range header.
func preflight(w http.ResponseWriter, r *http.Request, fromPage bool) {
	h := w.Header()
	h.Set("Allow", "GET, HEAD, OPTIONS")
	h.Add("Vary", "Access-Control-Request-Method")
	h.Add("Vary", "Access-Control-Request-Headers")
	if r.Header.Get("Access-Control-Request-Method") != "" && !fromPage {
		http.Error(w, "this origin is not one of the edge's page origins", http.StatusForbidden)
		return
	}
	if fromPage {
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "Range")
		h.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}
