package edge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/tokens"
)

// AgoraPath is where Agora's origin authentication asks, before the account's id.
const AgoraPath = "/edge/agora/"

const (
	// maxCallback bounds the body of a call-back, in bytes.
	maxCallback = 64 << 10
	// retryWindow is how long a call-back with a request id may be asked again. Agora's notification
	// service tries three times within half a minute.
	retryWindow = 5 * time.Minute
	// replayMemory is how long a request id is remembered, and replayIDs how many are.
	replayMemory = 24 * time.Hour
	replayIDs    = 100_000
)

// Agora answers Agora's origin-authentication call-backs: 200 admits, 401 refuses, and nothing else is
// understood there. The body must be signed with Agora-Signature-V2. The signature covers no time: a call-back
// that names a request id may be repeated for five minutes, which is what a retry needs, and is refused after
// that. A repeated one is never admitted where the first was not, nor where its session has ended since.
type Agora struct {
	*Decider

	// Signed checks that Agora signed the body, with the secret of the project's origin-authentication
	// settings.
	Signed func(header http.Header, body []byte) error
	// PushHosts are the domains that streams are pushed to. The call-back does not say whether it is about a
	// push or a play; pushes to these are admitted, since a push is not a viewer's.
	PushHosts []string
	Log       *slog.Logger

	replays replays
}

// originAuth is the body of a call-back.
type originAuth struct {
	Host       string `json:"host"`
	EntryPoint string `json:"entryPoint"`
	StreamName string `json:"streamName"`
	ClientIP   string `json:"clientIp"`
	Token      string `json:"token"`
	RequestID  string `json:"requestId"`
}

// ServeHTTP implements http.Handler.
func (a *Agora) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	answer := a.judge(r)
	a.Tally.Count(ConventionAgora, answer.Outcome)
	if answer.Outcome != Allowed {
		a.Log.InfoContext(r.Context(), "agora call-back refused", "reason", string(answer.Reason), "detail", answer.Detail)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (a *Agora) judge(r *http.Request) Answer {
	if r.Method != http.MethodPost {
		return refusal(malformed("call-backs are POST: nothing else has a body to sign"))
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxCallback+1))
	if err != nil || len(body) > maxCallback {
		return refusal(malformed("the body cannot be read, or is over 64 KiB"))
	}
	if err := a.Signed(r.Header, body); err != nil {
		return refusal(tokens.Refuse(tokens.BadSignature, "%s", err.Error()))
	}
	call, err := parseOriginAuth(r.Header.Get("Content-Type"), body)
	if err != nil {
		return refusal(err)
	}
	now := a.Now()
	if call.RequestID == "" {
		return a.decide(r.Context(), call, now)
	}
	return a.replays.once(call.RequestID, body, now, func() Answer { return a.decide(r.Context(), call, now) })
}

func parseOriginAuth(contentType string, body []byte) (originAuth, error) {
	var call originAuth
	media, _, _ := mime.ParseMediaType(contentType) // an empty media type is read as JSON
	if media == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return call, malformed("the body is no form")
		}
		call = originAuth{
			Host: form.Get("host"), EntryPoint: form.Get("entryPoint"), StreamName: form.Get("streamName"),
			ClientIP: form.Get("clientIp"), Token: form.Get("token"), RequestID: form.Get("requestId"),
		}
	} else if err := json.NewDecoder(bytes.NewReader(body)).Decode(&call); err != nil {
		return call, malformed("the body is no JSON object of the documented members")
	}
	if call.Host == "" || call.EntryPoint == "" || call.StreamName == "" {
		return call, malformed("host, entryPoint and streamName are required")
	}
	return call, nil
}

// decide admits pushes, and plays of a playback at that domain, entry point and stream whose session, where it
// needs one, lives. The timestamp in the URL is for Agora's edge to check; the call-back does not pass it on.
func (a *Agora) decide(ctx context.Context, call originAuth, now time.Time) Answer {
	for _, host := range a.PushHosts {
		if strings.EqualFold(host, call.Host) {
			return Answer{Outcome: Allowed}
		}
	}
	if err := a.Sessions.Fresh(now); err != nil {
		return unknown("what is revoked in memory is too old")
	}
	query := ""
	if call.Token != "" {
		query = schemes.SessionName(schemes.AgoraTimestamp) + "=" + url.QueryEscape(call.Token)
	}
	best := refusal(tokens.Refuse(tokens.NotFound, "no playback is at this host, entry point and stream"))
	for _, suffix := range []string{"/playlist.m3u8", ".flv", ""} {
		at, err := parseURI("/" + call.EntryPoint + "/" + call.StreamName + suffix)
		if err != nil {
			return refusal(err)
		}
		for e := range a.Catalogue.At(at.path) {
			if e.Agora == nil || !isAt(e, call.Host, at.path) {
				continue
			}
			s, err := a.session(ctx, e, schemes.AgoraTimestamp, query, now)
			if err == nil {
				return Answer{Outcome: Allowed, Playback: e.ID, Viewer: s.Viewer}
			}
			best = outcomeOf(err)
		}
	}
	return best
}

// isAt reports whether a playback's own URL is at a host and path, in either slot.
func isAt(e *playback.Entry, host, path string) bool {
	for slot := range 2 {
		at, ok := e.URLAt(slot)
		if !ok {
			continue
		}
		if u, err := url.Parse(at); err == nil && strings.EqualFold(u.Hostname(), host) && tokens.RawPath(at) == path {
			return true
		}
	}
	return false
}

// replays remembers call-backs by their request ids. It is bounded; the oldest leave first.
type replays struct {
	mu    sync.Mutex
	seen  map[string]replay
	order []string
}

type replay struct {
	at     time.Time
	body   [sha256.Size]byte
	answer Answer
}

// once decides on the first call-back of an id. One that repeats it word for word within the retry window gets
// the same answer, and is decided again where that let in; any other is refused.
func (p *replays) once(id string, body []byte, now time.Time, decide func() Answer) Answer {
	sum := sha256.Sum256(body)
	p.mu.Lock()
	known, ok := p.seen[id]
	p.mu.Unlock()
	if ok && now.Sub(known.at) < replayMemory {
		if known.body != sum || now.Sub(known.at) > retryWindow {
			return refusal(tokens.Refuse(tokens.BadSignature, "the request id was used before: the call-back is replayed"))
		}
		if known.answer.Outcome == Allowed {
			return decide()
		}
		return known.answer
	}
	answer := decide()
	if answer.Outcome == Unknown {
		return answer // a retry may find out
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.seen = make(map[string]replay)
	}
	if len(p.order) >= replayIDs {
		delete(p.seen, p.order[0])
		p.order = p.order[1:]
	}
	p.seen[id] = replay{at: now, body: sum, answer: answer}
	p.order = append(p.order, id)
	return answer
}
