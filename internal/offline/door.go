package offline

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/tokens"
)

// Options choose how a Door works.
type Options struct {
	// Compat opens the byte-exact door: signing makes what the vendor's own scripts make, also where
	// that is unwise, and verifying leaves the hygiene of keys and fields aside. Without it the strict
	// rules of the scheme hold.
	Compat bool
	// Now is the clock, for input that brings no time of its own. Required.
	Now func() time.Time
}

// Door signs and verifies tokens of one scheme. It is for one goroutine.
type Door struct {
	scheme  scheme
	options Options
}

// scheme is one token format behind the door. A request collects the faults of reading; a scheme asks
// for them before it acts.
type scheme interface {
	sign(*signRequest) (tokens.Credential, error)
	verify(*verifyRequest) error
}

// Open returns the door of a scheme, named as in package schemes. Errors are *tokens.Error.
func Open(name string, o Options) (*Door, error) {
	d := &Door{options: o}
	switch name {
	case schemes.WowzaHdnts:
		d.scheme = hdnts{}
	case schemes.AkamaiEdgeAuth:
		d.scheme = edgeAuth{}
	case schemes.QencodeJWT:
		d.scheme = &qencodeJWT{}
	case schemes.AgoraTimestamp:
		d.scheme = agoraTimestamp{}
	default:
		return nil, tokens.ParamError(tokens.InvalidArgument, "scheme", "unknown scheme %q; there are %s", name, strings.Join(schemes.Names(), ", "))
	}
	return d, nil
}

// signRequest is the input of one token.
type signRequest struct {
	line        *object
	compat      bool
	now         time.Time
	maxLifetime time.Duration // of the strict door; positive
}

// verifyRequest is the input of one verification.
type verifyRequest struct {
	line   *object
	compat bool
	now    time.Time
	// presented holds leeway, cap and client address; the scheme adds token and resource.
	presented tokens.Presented
}

// Token signs for one JSON object. The answer has an error where the input is refused.
func (d *Door) Token(input []byte) TokenAnswer {
	line, ok := readObject(input)
	if !ok {
		return TokenAnswer{Err: notAnObject()}
	}
	answer := TokenAnswer{Name: line.label(), Object: true}
	maxLifetime, capped := line.duration("max_lifetime_seconds", 1)
	if !capped {
		maxLifetime = tokens.DefaultMaxLifetime
	}
	answer.Credential, answer.Err = d.scheme.sign(&signRequest{
		line: line, compat: d.options.Compat, now: d.now(line), maxLifetime: maxLifetime,
	})
	return answer
}

// Verify verifies the token of one JSON object. The answer has an error where it is not accepted.
func (d *Door) Verify(input []byte) VerifyAnswer {
	line, ok := readObject(input)
	if !ok {
		return VerifyAnswer{Err: notAnObject()}
	}
	answer := VerifyAnswer{Name: line.label(), Object: true}
	request := &verifyRequest{line: line, compat: d.options.Compat, now: d.now(line)}
	request.presented.ClientIP = line.text("client_ip")
	request.presented.Leeway, _ = line.duration("leeway_seconds", 0)
	request.presented.MaxLifetime, _ = line.duration("max_lifetime_seconds", 1)
	answer.Err = d.scheme.verify(request)
	return answer
}

// now returns the time that the line brings, or the clock's.
func (d *Door) now(line *object) time.Time {
	clock := d.options.Now()
	given := line.clockSeconds("now", clock.Unix())
	switch {
	case given == nil:
		return clock
	case *given < 0:
		line.fail("now", "%d is negative; give Unix seconds of 0 or more", *given)
	}
	return time.Unix(*given, 0)
}

// TokenAnswer is the answer to one input of Door.Token.
type TokenAnswer struct {
	// Name is the JSON text of the input's name, or nil.
	Name json.RawMessage
	// Object tells that the input was a JSON object.
	Object     bool
	Credential tokens.Credential
	// Err is set where there is no Credential.
	Err error
}

// MarshalJSON writes {"name":…,"token":…,"url":…} or {"name":…,"error":{"reason":…,"message":…}}.
func (a TokenAnswer) MarshalJSON() ([]byte, error) {
	out := struct {
		Name  json.RawMessage `json:"name"`
		Token string          `json:"token,omitempty"`
		URL   string          `json:"url,omitempty"`
		Error *fault          `json:"error,omitempty"`
	}{Name: a.Name, Token: a.Credential.Token, URL: a.Credential.URL}
	if a.Err != nil {
		out.Token, out.URL, out.Error = "", "", faultOf(a.Err)
	}
	return marshal(out)
}

// VerifyAnswer is the answer to one input of Door.Verify.
type VerifyAnswer struct {
	// Name is the JSON text of the input's name, or nil.
	Name json.RawMessage
	// Object tells that the input was a JSON object.
	Object bool
	// Err says why the token is not accepted. It wraps tokens.ErrRefused where the token is at fault,
	// and not where the rest of the input is.
	Err error
}

// MarshalJSON writes {"name":…,"ok":true} or {"name":…,"ok":false,"reason":…,"message":…}.
func (a VerifyAnswer) MarshalJSON() ([]byte, error) {
	out := struct {
		Name json.RawMessage `json:"name"`
		OK   bool            `json:"ok"`
		*fault
	}{Name: a.Name, OK: a.Err == nil}
	if a.Err != nil {
		out.fault = faultOf(a.Err)
	}
	return marshal(out)
}

// fault is an error as answers show it.
type fault struct {
	Reason  tokens.Reason `json:"reason"`
	Message string        `json:"message"`
}

func faultOf(err error) *fault {
	reason := tokens.ReasonOf(err)
	if reason == "" {
		reason = tokens.Internal
	}
	return &fault{Reason: reason, Message: err.Error()}
}

func notAnObject() error {
	return tokens.ParamError(tokens.InvalidArgument, "line", "not a JSON object in UTF-8; give one whole object on one line")
}
