package session

import (
	"cmp"
	"slices"
	"time"
)

// Ends returns when the session ended or will: the earlier of EndedAt and ExpiresAt.
func (s *Session) Ends() time.Time {
	if !s.EndedAt.IsZero() && s.EndedAt.Before(s.ExpiresAt) {
		return s.EndedAt
	}
	return s.ExpiresAt
}

// MostAtOnce returns how many of the sessions lived at the moment at which most did.
func MostAtOnce(all []Session) int {
	type turn struct {
		at time.Time
		by int
	}
	turns := make([]turn, 0, 2*len(all))
	for i := range all {
		turns = append(turns, turn{all[i].OpenedAt, 1}, turn{all[i].Ends(), -1})
	}
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.by, b.by)) })
	live, most := 0, 0
	for _, t := range turns {
		live += t.by
		most = max(most, live)
	}
	return most
}
