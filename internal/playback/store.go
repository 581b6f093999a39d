// Package playback is the catalogue of playbacks: what a viewer plays, which target signs it and what
// its tokens are bound to. It imports keystore for the sentinels and pages it shares with keys.
package playback

import (
	"context"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// Playback is something a viewer plays. Exactly one of Hdnts, EdgeAuth, Qencode and Agora is set: the
// one of its target's scheme.
type Playback struct {
	// ID is the caller's name for it.
	ID string
	// TargetID names the target whose key signs.
	TargetID string
	// URL is the playback URL without a token.
	URL string
	// Alternate is where the playback is when the target's key stands in the second slot of a pair; nil
	// where there is none.
	Alternate *Alternate
	// Description is free text for people.
	Description string

	Hdnts    *Hdnts
	EdgeAuth *EdgeAuth
	Qencode  *Qencode
	Agora    *Agora

	// TTL is the lifetime of a token when the caller asks for none, in whole seconds.
	TTL time.Duration
	// ExpiryGranularity rounds expiries up to a multiple; 0 means one second.
	ExpiryGranularity time.Duration
	// BindIP binds tokens to the viewer's address.
	BindIP bool
	// Access says what a viewer needs to be let in; nil means open.
	Access *Access
	// Sessions bounds a viewer's sessions; nil opens none, unless a grant has limits.
	Sessions *Sessions
	// Managed playbacks stand in the config file; the API shows them read-only.
	Managed   bool
	CreatedAt time.Time
	UpdatedAt time.Time
	// Revision grows with every committed change of the playback.
	Revision int64
}

// Alternate is a playback's second address, at the second resource of its target.
type Alternate struct {
	// URL is the playback URL without a token.
	URL string `json:"url"`
	// StreamID is the second stream target (hdnts); empty for other schemes.
	StreamID string `json:"stream_id,omitempty"`
}

// URLAt returns the playback URL in a slot of the target, and whether the playback has an address there.
func (p *Playback) URLAt(slot int) (string, bool) {
	switch {
	case slot == 0:
		return p.URL, true
	case slot == 1 && p.Alternate != nil:
		return p.Alternate.URL, true
	default:
		return "", false
	}
}

// Hdnts is what a Wowza-on-Fastly token is bound to.
type Hdnts struct {
	StreamID    string `json:"stream_id"`
	VODStreamID string `json:"vod_stream_id,omitempty"`
}

// EdgeAuth is what an Akamai token is bound to: a list of paths or one hidden path.
type EdgeAuth struct {
	ACL     []string `json:"acl,omitempty"`
	URLPath string   `json:"url_path,omitempty"`
	Payload string   `json:"payload,omitempty"`
}

// Qencode is what a Qencode JWT is bound to.
type Qencode struct {
	URI         string            `json:"uri,omitempty"`
	WholeBucket bool              `json:"whole_bucket,omitempty"`
	ViewerClaim string            `json:"viewer_claim,omitempty"`
	Claims      map[string]string `json:"claims,omitempty"`
}

// Agora tokens are bound to the path of the URL; there is nothing to set.
type Agora struct{}

// Store keeps playbacks. It is safe for concurrent use, also by several processes. The sentinels are
// those of package keystore.
type Store interface {
	// CreatePlayback adds a playback. ErrConflict: the id is taken. ErrNotFound: no such target.
	CreatePlayback(ctx context.Context, p Playback) (Playback, error)
	// GetPlayback returns one playback. ErrNotFound.
	GetPlayback(ctx context.Context, id string) (Playback, error)
	// ListPlaybacks returns playbacks in ascending order of id.
	ListPlaybacks(ctx context.Context, p keystore.Page) ([]Playback, error)
	// UpdatePlayback runs fn on a copy and commits what it leaves, all or nothing. fn may run twice.
	// ErrNotFound; ErrIllegal when fn changes the id or the target.
	UpdatePlayback(ctx context.Context, id string, fn func(*Playback) error) (Playback, error)
	// DeletePlayback removes a playback. ErrNotFound.
	DeletePlayback(ctx context.Context, id string) error
}
