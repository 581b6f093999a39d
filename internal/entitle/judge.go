package entitle

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// RuleGrant is the rule of the steps that Judge makes.
const RuleGrant = "grant"

// Judge says whether a grant lets a viewer in now, or all that it lacks. Whether the product of a grant
// holds the playback is for the store to say; it does not judge sessions that live at once.
func Judge(g *Grant, r *Request) Step {
	step := Step{Rule: RuleGrant, GrantID: g.ID}
	var lacks []string
	lacks = append(lacks, g.lacksSubject(r)...)
	lacks = append(lacks, g.lacksTime(r.Now)...)
	lacks = append(lacks, g.Limits.lacksPlace(&r.Viewing)...)
	if g.Limits.MaxDevices > 0 && r.Viewing.Device == "" {
		lacks = append(lacks, "it counts devices, and no device was named")
	}
	if most := g.Limits.MaxPlays; most > 0 && g.Plays >= most && (r.GrantID == "" || r.GrantID != g.ID) {
		lacks = append(lacks, fmt.Sprintf("its plays are used up (%d of %d)", g.Plays, most))
	}
	if len(lacks) > 0 {
		step.Detail = strings.Join(lacks, "; ")
		return step
	}
	step.Allowed, step.Detail = true, "lets in"
	if !g.End.IsZero() {
		step.Detail = "lets in until " + moment(g.End)
	}
	return step
}

// Choose judges grants and returns the one that counts, or nil: of those that let the viewer in, the one of the
// session that goes on; else the one with the latest end; of equal ends, one whose use is not counted; then the
// first.
func Choose(grants []Grant, r *Request) (*Grant, []Step) {
	var best *Grant
	steps := make([]Step, 0, len(grants))
	for i := range grants {
		g := &grants[i]
		step := Judge(g, r)
		steps = append(steps, step)
		if step.Allowed && (best == nil || g.ID == r.GrantID || (best.ID != r.GrantID && g.better(best))) {
			best = g
		}
	}
	return best, steps
}

// better reports whether g counts in place of other.
func (g *Grant) better(other *Grant) bool {
	switch {
	case g.End.Equal(other.End):
		return other.Limits.Counted() && !g.Limits.Counted()
	case other.End.IsZero():
		return false
	default:
		return g.End.IsZero() || g.End.After(other.End)
	}
}

func (g *Grant) lacksSubject(r *Request) []string {
	switch {
	case g.Viewer != r.Viewer:
		return []string{"it is another viewer's"}
	case g.PlaybackID != "" && (r.Playback == nil || g.PlaybackID != r.Playback.ID):
		return []string{"it is for another playback"}
	default:
		return nil
	}
}

func (g *Grant) lacksTime(now time.Time) []string {
	switch {
	case g.State == Revoked:
		return []string{"it was revoked at " + moment(g.RevokedAt)}
	case g.State != Active:
		return []string{"its state is unknown"}
	case now.Before(g.Start):
		return []string{"it begins at " + moment(g.Start)}
	case !g.End.IsZero() && !now.Before(g.End):
		return []string{"it ended at " + moment(g.End)}
	default:
		return nil
	}
}

func (l *Limits) lacksPlace(v *Viewing) []string {
	var lacks []string
	if len(l.Countries) > 0 && !slices.Contains(l.Countries, v.Country) {
		if v.Country == "" {
			lacks = append(lacks, "it is bound to countries, and no country was named")
		} else {
			lacks = append(lacks, fmt.Sprintf("it does not count in %s, only in %s", v.Country, some(l.Countries)))
		}
	}
	if len(l.Networks) > 0 {
		address := v.ClientIP.Unmap().WithZone("")
		switch {
		case !address.IsValid():
			lacks = append(lacks, "it is bound to networks, and no client_ip was named")
		case !slices.ContainsFunc(l.Networks, func(n netip.Prefix) bool { return n.Contains(address) }):
			lacks = append(lacks, fmt.Sprintf("%s is in none of its networks", address))
		}
	}
	return lacks
}

// some writes the first few of a list.
func some(list []string) string {
	const few = 5
	if len(list) <= few {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:few], ", "), len(list)-few)
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }
