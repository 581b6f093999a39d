// Package edge answers edges that ask about each request: whether the token shown is good for the path, whether
// its session lives, and whether it was revoked. One decision serves every convention: nginx's auth_request,
// the forward-auth of Traefik, Caddy and HAProxy, Envoy's ext_authz and the call-backs of providers.
//
// A decision takes no lock and asks no store, but for a session that memory does not know yet. Whatever is
// not known is refused.
package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// Sessions is what a decision asks about sessions; *session.Keeper answers from memory.
type Sessions interface {
	Look(ctx context.Context, id string) (s session.Session, alive bool, err error)
	Held(viewer, playback string, now time.Time) *session.Revocation
	Fresh(now time.Time) error
}

// Verifier checks tokens; *signer.Signer is one.
type Verifier interface {
	Verify(ctx context.Context, targetID string, p tokens.Presented, now time.Time) (*signer.Key, error)
	SchemeOf(targetID string) (string, keystore.SchemeOptions, error)
}

// Decider decides about requests at edges. It is safe for concurrent use.
type Decider struct {
	Catalogue *playback.Catalogue
	Verifier  Verifier
	Sessions  Sessions
	Now       func() time.Time
	// Tally counts the answers; nil counts none.
	Tally *Tally
}

// Ask is a request at an edge.
type Ask struct {
	// URI is the request target as the viewer sent it: path and query, not decoded.
	URI string
	// Cookies are those of the request whose names begin with CookiePrefix.
	Cookies []*http.Cookie
	// ClientIP is the viewer's address; the zero Addr where nobody knows it.
	ClientIP netip.Addr
	// Secure says that the viewer came over TLS.
	Secure bool
}

// Outcome is the kind of an answer. The zero Outcome refuses.
type Outcome int

// Outcomes.
const (
	// Refused: the credential shown opens nothing here.
	Refused Outcome = iota
	// Unauthenticated: no credential was shown.
	Unauthenticated
	// Unknown: the service cannot tell now; refuse, and let the player try again.
	Unknown
	// Allowed: let the request through.
	Allowed
)

// Answer is a decision. The zero Answer refuses.
type Answer struct {
	Outcome Outcome
	// Reason and Detail say why not.
	Reason tokens.Reason
	Detail string
	// Playback and Viewer say who watches what, where it is allowed. Viewer is known only with a session.
	Playback string
	Viewer   string
	// Cookie lets the playlist's other files through; nil where the request has brought it already.
	Cookie *http.Cookie

	// elsewhere says that the session shown is of no playback at hand, which says least of all.
	elsewhere bool
}

// Status returns the HTTP status of an answer: 200, 401, 403 or 503.
func (a *Answer) Status() int {
	switch a.Outcome {
	case Allowed:
		return http.StatusOK
	case Unauthenticated:
		return http.StatusUnauthorized
	case Unknown:
		return http.StatusServiceUnavailable
	case Refused:
		return http.StatusForbidden
	default:
		return http.StatusForbidden
	}
}

// maxCookies bounds how many cookies of one request are tried.
const maxCookies = 8

// Decide answers for one request. What is in the query counts first, then the cookies, which hold the query of
// a request that was let through before.
func (d *Decider) Decide(ctx context.Context, ask *Ask) Answer {
	asked, err := parseURI(ask.URI)
	if err != nil {
		return refusal(err)
	}
	now := d.Now()
	if err := d.Sessions.Fresh(now); err != nil {
		return unknown("what is revoked in memory is too old; the store may be unreachable")
	}
	best, belongs := Answer{Outcome: Unauthenticated, Reason: tokens.Malformed, Detail: "no token in the query and no cookie; request the signed URL first"}, false
	for e := range d.Catalogue.At(asked.path) {
		belongs = true
		if answer, shown := d.try(ctx, e, asked, ask.ClientIP, now); shown {
			if answer.Outcome == Allowed {
				answer.Cookie = newCookie(e, asked, ask)
				return answer
			}
			best = better(best, answer)
		}
	}
	if !belongs {
		return refusal(tokens.Refuse(tokens.NotFound, "the path belongs to no playback"))
	}
	for _, c := range d.toTry(ask.Cookies, asked.path) {
		answer := d.tryCookie(ctx, c.Value, asked, ask.ClientIP, now)
		if answer.Outcome == Allowed {
			return answer
		}
		best = better(best, answer)
	}
	return best
}

// tryCookie asks about the request that the cookie was given for, and whether its playback covers this path.
func (d *Decider) tryCookie(ctx context.Context, value string, asked uri, ip netip.Addr, now time.Time) Answer {
	first, err := readCookie(value)
	if err != nil {
		return refusal(err)
	}
	best := Answer{Outcome: Unauthenticated}
	for e := range d.Catalogue.At(first.path) {
		if !d.Catalogue.Covers(e, asked.path) {
			continue
		}
		if answer, shown := d.try(ctx, e, first, ip, now); shown {
			if answer.Outcome == Allowed {
				return answer
			}
			best = better(best, answer)
		}
	}
	if best.Outcome == Unauthenticated {
		return refusal(tokens.Refuse(tokens.PathNotCovered, "the cookie is of another playback"))
	}
	return best
}

// sessionLeeway keeps the token of a living session good past its expiry: refreshes move the session's own
// expiry, which counts then. No session lives longer without one, and a session that is named has to live.
const sessionLeeway = 10 * 365 * 24 * time.Hour

// try decides for one playback, and reports whether the request shows any credential for it.
func (d *Decider) try(ctx context.Context, e *playback.Entry, at uri, ip netip.Addr, now time.Time) (answer Answer, shown bool) {
	scheme, options, err := d.Verifier.SchemeOf(e.TargetID)
	if err != nil {
		return unknown("the keys in memory cannot be used"), true
	}
	presented := e.PresentedAt(at.path)
	if presented.Token, shown, err = find(scheme, options, at.query); !shown {
		return Answer{}, false
	}
	if err != nil {
		return refusal(err), true
	}
	if ip.IsValid() {
		presented.ClientIP = ip.String()
	}
	// The token comes first: who has none that was ever signed asks the store for no session.
	_, named := one(at.query, schemes.SessionName(scheme))
	if named > 0 {
		presented.Leeway = sessionLeeway
	}
	_, err = d.Verifier.Verify(ctx, e.TargetID, presented, now)
	if err != nil && (named == 0 || tokens.ReasonOf(err) != tokens.KeyRetired) { // a rotation ends no living session
		return outcomeOf(err), true
	}
	s, err := d.session(ctx, e, scheme, at.query, now)
	if err != nil {
		return outcomeOf(err), true
	}
	return Answer{Outcome: Allowed, Playback: e.ID, Viewer: s.Viewer}, true
}

// Session returns a living session of a playback. Errors that wrap tokens.ErrRefused say why there is none;
// with any other nobody knows.
func (d *Decider) Session(ctx context.Context, playbackID, id string) (session.Session, error) {
	s, alive, err := d.Sessions.Look(ctx, id)
	switch {
	case err != nil:
		return session.Session{}, err
	case s.ID == "" || s.PlaybackID != playbackID:
		return session.Session{}, fmt.Errorf("%w; %w", tokens.Refuse(tokens.SessionEnded, "the playback has no such session; sign anew"), errElsewhere)
	case s.End == session.Ended:
		return session.Session{}, tokens.Refuse(tokens.Revoked, "the session was revoked")
	case !alive:
		return session.Session{}, tokens.Refuse(tokens.SessionEnded, "the session has ended; sign anew")
	case !d.Now().Before(s.TokenExpiresAt):
		return session.Session{}, tokens.Refuse(tokens.Expired, "the last token of the session has expired; refresh it in time")
	}
	return s, nil
}

// session returns the living session that a request shows, or the zero Session where the playback needs none.
func (d *Decider) session(ctx context.Context, e *playback.Entry, scheme, query string, now time.Time) (session.Session, error) {
	id, count := one(query, schemes.SessionName(scheme))
	switch {
	case count > 1:
		return session.Session{}, malformed("the session is named twice")
	case count == 0 && e.Sessions != nil:
		return session.Session{}, tokens.Refuse(tokens.SessionEnded, "the playback needs a session; request the signed URL as it is")
	case count == 0:
		if held := d.Sessions.Held("", e.ID, now); held != nil {
			return session.Session{}, tokens.Refuse(tokens.Revoked, "the playback was revoked at %s", held.At.UTC().Format(time.RFC3339))
		}
		return session.Session{}, nil
	}
	return d.Session(ctx, e.ID, id)
}

// errElsewhere marks a session of another playback: several may share a path.
var errElsewhere = errors.New("it may be of another playback at this path")

// outcomeOf tells a refusal from a fault: only the first says anything about the viewer.
func outcomeOf(err error) Answer {
	if errors.Is(err, tokens.ErrRefused) {
		answer := refusal(err)
		answer.elsewhere = errors.Is(err, errElsewhere)
		return answer
	}
	return unknown("the service cannot tell now; try again")
}

func refusal(err error) Answer {
	return Answer{Outcome: Refused, Reason: tokens.ReasonOf(err), Detail: err.Error()}
}

func unknown(detail string) Answer {
	return Answer{Outcome: Unknown, Reason: tokens.Unavailable, Detail: detail}
}

// better returns the answer that says more: what is not known before a refusal, a refusal before nothing.
func better(a, b Answer) Answer {
	switch {
	case a.Outcome == Unknown || b.Outcome == Unauthenticated:
		return a
	case a.elsewhere != b.elsewhere && a.Outcome == b.Outcome:
		if a.elsewhere {
			return b
		}
		return a
	case b.Outcome == Unknown || a.Outcome == Unauthenticated:
		return b
	case tokens.TellsMore(tokens.Refuse(b.Reason, "%s", b.Detail), tokens.Refuse(a.Reason, "%s", a.Detail)):
		return b
	default:
		return a
	}
}

// find returns the token that a query shows for a scheme, and whether it shows any.
func find(scheme string, o keystore.SchemeOptions, query string) (token string, shown bool, err error) {
	name := schemes.QueryName(scheme, o)
	if name == "" { // Agora: two parameters
		ts, hasTS := one(query, "ts")
		sign, hasSign := one(query, "sign")
		if hasTS+hasSign == 0 {
			return "", false, nil
		}
		if hasTS != 1 || hasSign != 1 {
			return "", true, malformed("ts and sign must each stand once in the query")
		}
		return "ts=" + ts + "&sign=" + sign, true, nil
	}
	token, count := one(query, name)
	if count > 1 {
		return "", true, malformed("the token stands twice in the query")
	}
	return token, count == 1, nil
}

// one returns a parameter as it stands in a query, and how often it is there.
func one(query, name string) (value string, count int) { return tokens.FindParameter(query, name) }
