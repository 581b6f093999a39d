package playback

import "time"

// Access says what a viewer needs to be let in. Exactly one field is set. A nil *Access is open.
type Access struct {
	// Open lets everybody in whom the caller signs for.
	Open bool `json:"open,omitempty"`
	// Grant asks for a grant of the playback or of a product it is in.
	Grant bool `json:"grant,omitempty"`
	// Expression is a CEL condition.
	Expression string `json:"expression,omitempty"`
	// Webhook is the id of a web hook of the config file.
	Webhook string `json:"webhook,omitempty"`
	// AllOf lets in whoever every policy lets in.
	AllOf []Access `json:"all_of,omitempty"`
	// AnyOf lets in whoever one policy lets in.
	AnyOf []Access `json:"any_of,omitempty"`
}

// SessionRule says what happens to one session too many.
type SessionRule string

// Rules of sessions.
const (
	// DenyNew refuses the new session.
	DenyNew SessionRule = "deny_new"
	// EvictOldest ends the session that was opened first.
	EvictOldest SessionRule = "evict_oldest"
	// AllowSameDevice ends a session of the same device, and refuses other devices.
	AllowSameDevice SessionRule = "allow_same_device"
)

// Sessions bounds one viewer's sessions of a playback. A nil *Sessions opens none, unless a grant has
// limits.
type Sessions struct {
	// Max is how many may live at once; 0 means any number.
	Max int `json:"max,omitempty"`
	// Rule says what happens to one too many, here and at the limits of grants.
	Rule SessionRule `json:"rule"`
	// HeartbeatTimeout is how long a session lives without refresh or heartbeat, in whole seconds; 0 means
	// that it lives as long as its token.
	HeartbeatTimeout time.Duration `json:"heartbeat_timeout,omitempty"`
}
