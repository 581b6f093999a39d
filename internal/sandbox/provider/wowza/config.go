package wowza

import (
	"errors"
	"fmt"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	"github.com/tokensvc/tokensvc/tokens"
)

// Config is what a Server starts with.
type Config struct {
	// AccessKey and APIKey are the credentials up to v1.8; both or none.
	AccessKey, APIKey tokens.Secret
	// JWT is the credential from v1.8 on. The stand-in compares it and does not look inside. Empty means that none
	// counts.
	JWT tokens.Secret
	// JWTExpires is when the JWT ends; zero means never.
	JWTExpires time.Time
	// Now is the clock of the edges, and without a Plan the API's. Required.
	Now func() time.Time
	// Propagation is how long the edges take to learn a change. 0 means that they know at once.
	Propagation time.Duration
	// PlaybackBase is the scheme and host of playback URLs; empty means https://sandbox.wowza.example.
	PlaybackBase string
	// Transcoders are the ids of the outputs of each transcoder: this part of the API makes none.
	Transcoders map[string][]string
	// Plan is what goes wrong, and who sees each effect; its clock is the API's, so that it can be off. nil means
	// that nothing goes wrong.
	Plan *fault.Plan
}

// Edges is what edges accept while a change is on its way to them.
type Edges int

const (
	// EdgesOld accept what was until the propagation time is over. It is the zero value.
	EdgesOld Edges = iota
	// EdgesEither accept both: some have learned the change and some have not.
	EdgesEither
	// EdgesNeither accept nothing.
	EdgesNeither
)

// Quirks are what Wowza does not document, or does only sometimes. The zero value is the plainest.
type Quirks struct {
	// Edges is what edges do during propagation.
	Edges Edges
	// CacheGETs answers a GET of the same path from memory for a second, whatever its query, and a write does not
	// change that.
	CacheGETs bool
	// NoPagination leaves the pagination object out of lists.
	NoPagination bool
	// UpperCase turns the letters of secrets that are written into capitals.
	UpperCase bool
	// NoEcho leaves the secret out of answers to PATCH.
	NoEcho bool
	// Account is the state of the account that every call is refused for: BadAccountStatus, FeatureNotEnabled or
	// TrialExceeded. Empty means that it is in order.
	Account string
	// CreateQuota is how many targets can be made within three hours; 0 means any number.
	CreateQuota int
	// MetadataBudget is how many bytes the security settings of a target may have together; 0 means 700, which is
	// room for 40 addresses and a short secret.
	MetadataBudget int
}

const (
	defaultBase   = "https://sandbox.wowza.example"
	defaultBudget = 700
	quotaWindow   = 3 * time.Hour
	signatureAge  = 15 * time.Second
	cacheAge      = time.Second
	maxPerPage    = 1000
	maxBody       = 1 << 20
)

func (c Config) check() error {
	if c.Now == nil {
		return errors.New("a clock is needed")
	}
	if (c.AccessKey.Len() == 0) != (c.APIKey.Len() == 0) || c.AccessKey.Len()+c.JWT.Len() == 0 {
		return errors.New("an access key and an API key are needed, or a JWT, or all three")
	}
	if c.Propagation < 0 {
		return fmt.Errorf("a propagation time of %v: want 0 or more", c.Propagation)
	}
	return nil
}

// clock is the time by the API's clock.
func (c Config) clock() time.Time {
	if c.Plan != nil {
		return c.Plan.Now()
	}
	return c.Now()
}
