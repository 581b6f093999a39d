package qencode

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/tokens"
)

// Name is the provider's name in errors and logs.
const Name = "qencode"

// Defaults of Config.
const (
	DefaultCDN         = "https://api-cdn.qencode.com"
	DefaultLive        = "https://api-live.qencode.com"
	DefaultPropagation = time.Minute
)

// Config is an account.
type Config struct {
	// APIKey is the API key of a live streaming project: letters, digits, "-", "_" and ".". Required.
	APIKey tokens.Secret
	// CDN and Live are the base addresses of the two APIs, without /v1; empty means the vendor's.
	CDN, Live string
	// Propagation is how long the edges may take to learn of a change, above 0; 0 means
	// DefaultPropagation. The vendor names no time.
	Propagation time.Duration
	// HTTP bounds and observes the calls to both APIs. Provider, Base, Refine and Judge are set by New.
	HTTP rest.Config
}

// Client is a Qencode account. It is safe for concurrent use and needs no closing.
type Client struct {
	cdn, live   *rest.Client
	session     *session
	propagation time.Duration
	log         *slog.Logger
	now         func() time.Time
}

// Client does what the port asks of a vendor that makes keys.
var (
	_ provider.Minter   = (*Client)(nil)
	_ provider.Labeller = (*Client)(nil)
)

// New returns the client of an account, or an error that names everything that is wrong with cfg. It makes
// no call.
func New(cfg Config) (*Client, error) {
	var faults []error
	if !apiKeyForm().Match(cfg.APIKey.Reveal()) {
		faults = append(faults, errors.New("the API key must be 1 to 256 letters, digits, \"-\", \"_\" and \".\", and begin with a letter or digit"))
	}
	if cfg.Propagation < 0 {
		faults = append(faults, fmt.Errorf("a propagation time of %v: want 0 for the default, or more", cfg.Propagation))
	}
	if cfg.Propagation == 0 {
		cfg.Propagation = DefaultPropagation
	}
	cdn, err := newREST(cfg.HTTP, cfg.CDN, DefaultCDN)
	faults = append(faults, err)
	live, err := newREST(cfg.HTTP, cfg.Live, DefaultLive)
	faults = append(faults, err)
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("qencode account: %w", err)
	}
	return &Client{
		cdn: cdn, live: live,
		session:     newSession(live, cfg.APIKey, cfg.HTTP.Now),
		propagation: cfg.Propagation,
		log:         cfg.HTTP.Log,
		now:         cfg.HTTP.Now,
	}, nil
}

func newREST(cfg rest.Config, base, standard string) (*rest.Client, error) {
	cfg.Provider, cfg.Base = Name, base
	if base == "" {
		cfg.Base = standard
	}
	cfg.Refine, cfg.Judge = refine, judge
	return rest.New(cfg)
}

// apiKeyForm is what can stand in a path as it is. The vendor does not say what its keys are made of.
func apiKeyForm() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,255}$`) }

// Traits implements provider.Provider: as many keys as are made count at once. That two keys of one
// resource may stand beside each other is not documented; a second one that is refused is
// provider.ErrRejected.
func (c *Client) Traits() provider.Traits {
	return provider.Traits{Propagation: c.propagation, MaxCall: c.cdn.MaxCall()}
}
