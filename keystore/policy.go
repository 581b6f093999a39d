package keystore

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Values of Policy.OnDrift.
const (
	// DriftAlert raises an alarm and touches nothing.
	DriftAlert = "alert"
	// DriftAdopt takes the stranger's secret over as the target's own.
	DriftAdopt = "adopt"
	// DriftReassert writes the target's own secret again.
	DriftReassert = "reassert"
)

// Policy says when and how a target's key is rotated. The zero Policy rotates on command only.
type Policy struct {
	// Every is the time from one rotation to the next; 0 means on command only.
	Every time.Duration `json:"every,omitempty"`
	// Mode is Overlap, Cut or Pair; "" follows from the provider and the number of resources.
	Mode Mode `json:"mode,omitempty"`
	// Window is the time of day, in UTC, in which scheduled rotations begin, as "02:00-04:00"; it may
	// span midnight. "" means any time.
	Window string `json:"window,omitempty"`
	// SoleOwner says that nobody else makes keys for the target: orphans are then revoked without asking.
	SoleOwner bool `json:"sole_owner,omitempty"`
	// ProbeURL is fetched with a token to see whether the edges know a key; "" means to wait instead.
	ProbeURL string `json:"probe_url,omitempty"`
	// OnDrift is the answer to a secret that somebody else has set; "" means DriftAlert.
	OnDrift string `json:"on_drift,omitempty"`
	// OpenOnApply signs with a new secret as soon as the provider's API has it, not its edges: some
	// refused tokens instead of a pause (Cut).
	OpenOnApply bool `json:"open_on_apply,omitempty"`
}

const (
	maxResources = 2
	maxResource  = 256
	maxProbeURL  = 2048
	day          = 24 * time.Hour
)

// NextOpening returns now when it lies within the window, else when the window next opens.
func (p Policy) NextOpening(now time.Time) time.Time {
	opens, closes, err := parseWindow(p.Window)
	if err != nil || p.Window == "" { // CheckTarget has refused others
		return now
	}
	if closes < opens {
		closes += day
	}
	midnight := now.UTC().Truncate(day)
	for _, base := range []time.Time{midnight.Add(-day), midnight, midnight.Add(day)} {
		if now.Before(base.Add(closes)) {
			if begin := base.Add(opens); now.Before(begin) {
				return begin
			}
			return now
		}
	}
	return now
}

// parseWindow returns the times of day at which a window opens and closes.
func parseWindow(s string) (opens, closes time.Duration, err error) {
	from, to, _ := strings.Cut(s, "-")
	if opens, err = timeOfDay(from); err != nil {
		return 0, 0, err
	}
	if closes, err = timeOfDay(to); err != nil {
		return 0, 0, err
	}
	if opens == closes {
		return 0, 0, fmt.Errorf("%q is empty", s)
	}
	return opens, closes, nil
}

func timeOfDay(s string) (time.Duration, error) {
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != len("15:04") {
		return 0, fmt.Errorf("%q is no time of day", tokens.Clip(s))
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

// Mode returns how the target's key is replaced: that of its policy, else what its provider and its
// resources allow.
func (t Target) Mode() Mode {
	switch {
	case t.Policy.Mode != "":
		return t.Policy.Mode
	case Overlaps(t.Provider):
		return Overlap
	case len(t.Resources) == maxResources:
		return Pair
	default:
		return Cut
	}
}

// Moves reports whether the target's key would be rotated elsewhere or otherwise if it became next: by another
// account, at other resources or in another mode. That has to wait for an open operation.
func (t Target) Moves(next Target) bool {
	return t.Account != next.Account || !slices.Equal(t.Resources, next.Resources) || t.Mode() != next.Mode()
}

// checkMode refuses a mode that the provider or the number of resources does not allow.
func (t Target) checkMode(m Mode) error {
	switch {
	case m == Replace && !Overlaps(t.Provider):
		return fmt.Errorf("%w: the secret of provider %s is overwritten, not deleted and made again; use mode cut", ErrIllegal, t.Provider)
	case m == Overlap && !Overlaps(t.Provider):
		return fmt.Errorf("%w: provider %s has one slot and does not accept two keys of one target at once; use mode cut, or pair with two resources", ErrIllegal, t.Provider)
	case (m == Cut || m == Pair) && Overlaps(t.Provider):
		return fmt.Errorf("%w: provider %s accepts two keys of one target at once; use mode overlap", ErrIllegal, t.Provider)
	case m == Pair && len(t.Resources) != maxResources:
		return fmt.Errorf("%w: mode pair needs two resources, and target %s has %d", ErrIllegal, t.ID, len(t.Resources))
	case m != Overlap && m != Cut && m != Pair && m != Replace:
		return fmt.Errorf("%w: unknown mode %q; use overlap, cut or pair", ErrIllegal, tokens.Clip(string(m)))
	}
	return nil
}

func checkResources(t Target) error {
	if len(t.Resources) > maxResources {
		return fmt.Errorf("%w: target %s has %d resources; it may have two, which form a pair", ErrIllegal, t.ID, len(t.Resources))
	}
	for i, id := range t.Resources {
		if !validName(id) {
			return fmt.Errorf("%w: resource %d of target %s must have 1 to %d printable ASCII bytes", ErrIllegal, i+1, t.ID, maxResource)
		}
		if slices.Index(t.Resources, id) != i {
			return fmt.Errorf("%w: both resources of target %s are the same", ErrIllegal, t.ID)
		}
	}
	return nil
}

func checkPolicy(t Target) error {
	p := t.Policy
	if p.Every < 0 {
		return fmt.Errorf("%w: the rotation period of target %s is negative", ErrIllegal, t.ID)
	}
	if p.Mode == Replace {
		return fmt.Errorf("%w: mode replace is not for policies; it has to be asked for each time", ErrIllegal)
	}
	if p.Mode != "" {
		if err := t.checkMode(p.Mode); err != nil {
			return err
		}
	}
	if p.Window != "" {
		if _, _, err := parseWindow(p.Window); err != nil {
			return fmt.Errorf("%w: the rotation window of target %s: %w; write it as 02:00-04:00, in UTC", ErrIllegal, t.ID, err)
		}
	}
	if !slices.Contains([]string{"", DriftAlert, DriftAdopt, DriftReassert}, p.OnDrift) {
		return fmt.Errorf("%w: %q is no answer to a drift; use %s, %s or %s", ErrIllegal, tokens.Clip(p.OnDrift), DriftAlert, DriftAdopt, DriftReassert)
	}
	return checkProbeURL(t)
}

func checkProbeURL(t Target) error {
	raw := t.Policy.ProbeURL
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxProbeURL || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%w: the probe URL of target %s must be an http or https URL with a host, without user info, of at most %d bytes", ErrIllegal, t.ID, maxProbeURL)
	}
	return nil
}

// validName reports whether s may be a provider's name of something.
func validName(s string) bool {
	if s == "" || len(s) > maxResource {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
