package streamapi

import (
	"context"
	"encoding/xml"
	"net/http"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// maxCallback bounds the body of a call-back, in bytes.
const maxCallback = 16 << 10

// Codes of our answers to a call-back. The provider admits the viewer on 0 and on nothing else.
const (
	admit  = 0
	refuse = 1
)

// KeyChecker says whose key a viewer has brought to a session. Errors that wrap tokens.ErrRefused carry a
// tokens.Reason.
type KeyChecker interface {
	Check(ctx context.Context, key, publicHostID string, now time.Time) (Viewer, error)
}

// Callback answers the call-backs that StreamAPI makes to the site, as an http.Handler. On action=login it
// admits a viewer who brings a good viewer key for the session; other ways to log in are refused. Other actions
// (start_live, end_live, end_record) are only acknowledged.
//
// The provider does not sign its call-backs: whoever knows the address can ask. Serve it over TLS, under
// a path that cannot be guessed, to the provider's addresses alone.
type Callback struct {
	// Keys checks what viewers bring as their keys: ViewerKeys, or keys of another kind. Required.
	Keys KeyChecker
	// Now is the clock. Required.
	Now func() time.Time
	// Admit may refuse a viewer whose key is good: one that was used before, or an address that is not the
	// viewer's. userIP is what the provider says, perhaps nothing; it is not proven. nil admits.
	Admit func(r *http.Request, publicHostID string, v Viewer, userIP string) error
}

// callbackAnswer is our answer, as the clients of the time wrote it.
type callbackAnswer struct {
	XMLName xml.Name      `xml:"response"`
	Code    int           `xml:"code"`
	Message string        `xml:"message,omitempty"`
	User    *callbackUser `xml:"user,omitempty"`
}

type callbackUser struct {
	Name string `xml:"name"`
	Role string `xml:"role"`
}

// ServeHTTP implements http.Handler.
func (c Callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "call-backs are POST", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxCallback)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "want a form of at most 16 KiB", http.StatusBadRequest)
		return
	}
	body, err := xml.Marshal(c.answer(r))
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	// The other end may be gone; there is nobody to tell.
	_, _ = w.Write(append([]byte(xml.Header), body...)) //nolint:gosec // text/xml, and Marshal escapes
}

// answer reads the body of the form alone, where each field counts only when it is there once.
func (c Callback) answer(r *http.Request) callbackAnswer {
	field := func(name string) string {
		if values := r.PostForm[name]; len(values) == 1 {
			return values[0]
		}
		return ""
	}
	switch field("action") {
	case "login":
	case "start_live", "end_live", "end_record":
		return callbackAnswer{Code: admit}
	default:
		return callbackAnswer{Code: refuse, Message: "This action is not known here."}
	}
	session := field("public_hostid")
	viewer, err := c.Keys.Check(r.Context(), field("key"), session, c.Now())
	if err == nil && c.Admit != nil {
		err = c.Admit(r, session, viewer, field("userip"))
	}
	switch {
	case err == nil:
		return callbackAnswer{Code: admit, User: &callbackUser{Name: viewer.ID, Role: "viewer"}}
	case tokens.ReasonOf(err) == tokens.Expired:
		return callbackAnswer{Code: refuse, Message: "This link has expired. Reload the page."}
	default:
		return callbackAnswer{Code: refuse, Message: "You may not watch this. Reload the page, or log in again."}
	}
}
