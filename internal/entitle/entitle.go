// Package entitle decides who may watch: grants, expressions, web hooks and their combinations. It fails
// closed: the zero Decision denies, and an error is neither a denial nor ever a yes.
package entitle

import (
	"context"
	"net/netip"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// Checker answers whether a viewer may watch.
type Checker interface {
	// Check decides. An error means that nobody knows, for want of the store or of a web hook; it is never
	// a yes. Its reason is ENTITLEMENT_UNKNOWN.
	Check(ctx context.Context, r Request) (Decision, error)
}

// Request is one question.
type Request struct {
	Playback *playback.Playback
	Viewer   string
	Viewing  Viewing
	Now      time.Time
	// GrantID is the grant of the session that asks to go on; empty for a new one. Its play has been
	// counted.
	GrantID string
}

// Viewing is where a viewer watches from and on what, as the caller vouches for it.
type Viewing struct {
	// ClientIP is the zero Addr where the caller named none.
	ClientIP netip.Addr
	Device   string
	// Country is ISO 3166-1 alpha-2 in capitals, or empty.
	Country    string
	Attributes map[string]string
}

// Decision is the answer. The zero Decision denies.
type Decision struct {
	Allowed bool
	// Reason of a denial: NOT_ENTITLED or REVOKED. Sessions that live are not a Checker's to count.
	Reason tokens.Reason
	// Detail is the answer in words.
	Detail string
	// Grant is the one that lets the viewer in; nil where the policy asks for none.
	Grant *Grant
	// Until is when the answer ends to hold; zero means that no end is known. No token outlives it.
	Until time.Time
	// Steps tell what each rule and grant said, at most 64.
	Steps []Step
}

// Step is the verdict of one rule, or of one grant.
type Step struct {
	Rule    string // open, grant, expression, webhook or revocation
	GrantID string
	Allowed bool
	Detail  string
}

// State says whether a grant counts.
type State string

// States of a grant.
const (
	// Active grants count within their window.
	Active State = "active"
	// Revoked grants never count again.
	Revoked State = "revoked"
)

// Grant is an entitlement: this viewer may watch this playback, or those of this product, in this window,
// within these limits. Exactly one of PlaybackID and ProductID is set.
type Grant struct {
	// ID is a UUIDv7.
	ID         string
	Viewer     string
	PlaybackID string
	ProductID  string
	// Start is the first moment at which it counts.
	Start time.Time
	// End is the first moment at which it no longer counts; zero means never.
	End     time.Time
	Limits  Limits
	OrderID string
	State   State
	// Plays is how many sessions were opened under it, where MaxPlays limits them.
	Plays int
	// IdempotencyKey names the purchase; empty where the caller gave none.
	IdempotencyKey string
	CreatedAt      time.Time
	RevokedAt      time.Time
	RevokeReason   string
}

// Limits bound the use of a grant. Zeros and empty lists do not limit.
type Limits struct {
	// MaxPlays is how many sessions it may open in all.
	MaxPlays int `json:"max_plays,omitempty"`
	// MaxSessions is how many of its sessions may live at once.
	MaxSessions int `json:"max_sessions,omitempty"`
	// MaxDevices is how many devices may ever open a session under it.
	MaxDevices int `json:"max_devices,omitempty"`
	// Countries are those to watch from.
	Countries []string `json:"countries,omitempty"`
	// Networks are those to watch from.
	Networks []netip.Prefix `json:"networks,omitempty"`
}

// Counted reports whether the limits need sessions to hold.
func (l *Limits) Counted() bool { return l.MaxPlays > 0 || l.MaxSessions > 0 || l.MaxDevices > 0 }

// Product is a named set of playbacks.
type Product struct {
	ID          string
	Description string
	PlaybackIDs []string
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Filter selects grants; empty fields select all.
type Filter struct {
	Viewer     string
	PlaybackID string
	ProductID  string
	OrderID    string
	State      State
}

// Created is the outcome of one grant of a batch.
type Created struct {
	Grant Grant
	// Repeated means that an earlier call with the same idempotency key has made it.
	Repeated bool
	Err      error
}

// Store keeps grants and products. It is safe for concurrent use, also by several processes. The
// sentinels are those of package keystore.
type Store interface {
	// CreateGrants adds grants in one transaction; each has its own outcome, in order. The caller sets ID,
	// CreatedAt and Start; State, Plays and what revoking sets do not count. A grant whose Start is its
	// CreatedAt has named none. Their errors: ErrMismatch (the idempotency key names another grant);
	// ErrEnded (it would never count); ErrNotFound (no such playback or product); ErrConflict (the id is
	// taken).
	CreateGrants(ctx context.Context, grants []Grant) ([]Created, error)
	// Grant returns one grant. ErrNotFound.
	Grant(ctx context.Context, id string) (Grant, error)
	// Grants returns those that the filter selects, in ascending order of id.
	Grants(ctx context.Context, f Filter, p keystore.Page) ([]Grant, error)
	// GrantsFor returns the grants of a viewer for a playback, also through products, newest first, at
	// most limit; active ones that have not ended at now come first.
	GrantsFor(ctx context.Context, viewer, playback string, now time.Time, limit int) ([]Grant, error)

	// CreateProduct adds a product. ErrConflict: the id is taken. ErrNotFound: no such playback.
	CreateProduct(ctx context.Context, p Product) (Product, error)
	// Product returns one product. ErrNotFound.
	Product(ctx context.Context, id string) (Product, error)
	// Products returns products in ascending order of id.
	Products(ctx context.Context, p keystore.Page) ([]Product, error)
	// UpdateProduct replaces description and playbacks. ErrNotFound.
	UpdateProduct(ctx context.Context, p Product) (Product, error)
	// DeleteProduct removes a product. ErrNotFound.
	DeleteProduct(ctx context.Context, id string) error
}
