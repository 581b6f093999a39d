// Package provider is the port to the providers' APIs: what an adapter can do with the signing keys of a
// resource, and how its failures are told apart. Adapters live below: one folder for each provider.
//
// Whether a failed call was applied decides what may happen next, so every failure is one of four
// classes. Anything that an adapter does not know is ErrAmbiguous.
package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Classes of failures, for errors.Is.
var (
	// ErrRejected: certainly not applied, and the same call will fail again.
	ErrRejected = errors.New("rejected by the provider")
	// ErrThrottled: certainly not applied; the same call may succeed later.
	ErrThrottled = errors.New("throttled by the provider")
	// ErrDenied: certainly not applied, for lack of credentials or rights.
	ErrDenied = errors.New("denied by the provider")
	// ErrAmbiguous: it may have been applied: a time-out, a reset, a 5xx after the request was sent, or an
	// answer that cannot be read.
	ErrAmbiguous = errors.New("unknown whether the provider applied it")
)

// ErrGone says that the resource or key does not exist, or does no longer. It comes with ErrRejected.
var ErrGone = errors.New("does not exist at the provider")

// Error is a failed call. It never holds a secret, a path or a body.
type Error struct {
	// Class is one of the four classes.
	Class error
	// Gone is set when the provider says that the resource does not exist.
	Gone bool
	// Provider and Call name what failed, for example "wowza" and "set secret".
	Provider, Call string
	// Status is the HTTP status; 0 when there was no answer.
	Status int
	// Code is the provider's own code, made of letters, digits, "-" and "_"; may be empty.
	Code string
	// RequestID is the provider's id of the call, for its support; may be empty.
	RequestID string
	// RetryAfter is what the provider asked for; 0 when it did not say.
	RetryAfter time.Duration
	// Detail says what is wrong in our words, for example "the account is suspended, not the credentials".
	Detail string
}

// Error implements error.
func (e *Error) Error() string {
	text := e.Provider + ": " + e.Call + ": " + e.Class.Error()
	if e.Status != 0 {
		text += fmt.Sprintf(" (HTTP %d", e.Status)
		if e.Code != "" {
			text += " " + e.Code
		}
		text += ")"
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.RequestID != "" {
		text += " [request " + e.RequestID + "]"
	}
	return text
}

// Unwrap returns the class, and ErrGone where it applies.
func (e *Error) Unwrap() []error {
	if e.Gone {
		return []error{e.Class, ErrGone}
	}
	return []error{e.Class}
}

// Traits are facts of a provider that decide how its keys are rotated.
type Traits struct {
	// Slots is how many keys of one resource count at once; 0 means as many as are made.
	Slots int
	// Propagation is how long the edges may take to learn a change.
	Propagation time.Duration
	// MaxCall bounds one call with all its retries.
	MaxCall time.Duration
	// CookieBound means that a playing session ends with the secret that opened it: the edge's cookie does not
	// outlive it. False where the edge gives no cookie.
	CookieBound bool
}

// Provider is what every adapter is. What else it can do are the interfaces below.
type Provider interface {
	Traits() Traits
}

// Minted is a key that the provider has just made. Its secret is shown once.
type Minted struct {
	KID       string
	Secret    tokens.Secret
	CreatedAt time.Time
}

// Listed is a key as the provider lists it: without its secret.
type Listed struct {
	KID, Name string
	CreatedAt time.Time
}

// Minter is a provider that makes keys itself, several for one resource. Resources are the provider's
// own ids, with a kind in front where it has several kinds ("stream:…", "domain:…", "bucket:…").
type Minter interface {
	Provider
	// Mint makes a key. It is never retried: ErrAmbiguous means that a key may exist that nobody holds.
	Mint(ctx context.Context, resource string) (Minted, error)
	// Revoke deletes a key. A key that is gone already is a success.
	Revoke(ctx context.Context, resource, kid string) error
	// List returns the keys of a resource, oldest first.
	List(ctx context.Context, resource string) ([]Listed, error)
}

// Setter is a provider with one slot for a secret of ours.
type Setter interface {
	Provider
	// Set overwrites the secret and switches token checking on. It may be repeated.
	Set(ctx context.Context, resource string, secret tokens.Secret) error
}

// Labeller can name a key after it was made.
type Labeller interface {
	Label(ctx context.Context, resource, kid, name string) error
}

// Inspector can read the secret of a slot back. An empty Secret means that none is set.
type Inspector interface {
	Current(ctx context.Context, resource string) (tokens.Secret, error)
}

// Protection is what it comes to when token checking is switched on for a resource.
type Protection struct {
	// Change says what the provider does.
	Change string
	// Breaks says which viewers that can break; empty if none.
	Breaks string
	// Open says what goes on to play without a token; empty if nothing does.
	Open string
	// PlaybackID is the name under which the resource wants tokens, where the provider makes one for it.
	PlaybackID string
	// Repeats is set where switching it on once more changes nothing.
	Repeats bool
}

// Attachment says that a resource carries what one output of a stream sends.
type Attachment struct {
	Output   string
	Resource string
	// New means that it did not before.
	New bool
}

// Attacher is a provider whose resources carry a stream only where they are attached to each output of it.
type Attacher interface {
	Provider
	// AttachAll attaches every resource to every output of a stream's transcoder. What is attached already stays
	// as it is. With an error the attachments say how far it came; a second call goes on.
	AttachAll(ctx context.Context, transcoder string, resources []string) ([]Attachment, error)
}

// Protector is a provider that checks tokens by a switch of its own, beside the keys, and does not show how it
// stands.
type Protector interface {
	Provider
	// Foresee says what Protect would do; PlaybackID is empty. It makes no call.
	Foresee(resource string) (Protection, error)
	// Protect switches token checking on. Where Repeats is not set it is never repeated.
	Protect(ctx context.Context, resource string) (Protection, error)
}
