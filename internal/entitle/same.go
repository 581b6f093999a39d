package entitle

import (
	"net/netip"
	"slices"
	"strings"
)

// SameAsk reports whether two grants were asked for with the same words, as a call that is repeated is. A
// grant that named no start begins with its making.
func (g *Grant) SameAsk(other *Grant) bool {
	sameStart := g.Start.Equal(other.Start) || g.Start.Equal(g.CreatedAt) && other.Start.Equal(other.CreatedAt)
	return sameStart && g.Viewer == other.Viewer && g.PlaybackID == other.PlaybackID && g.ProductID == other.ProductID &&
		g.End.Equal(other.End) && g.OrderID == other.OrderID && g.Limits.same(&other.Limits)
}

// same compares limits; the order of countries and networks says nothing.
func (l *Limits) same(other *Limits) bool {
	return l.MaxPlays == other.MaxPlays && l.MaxSessions == other.MaxSessions && l.MaxDevices == other.MaxDevices &&
		sameSet(l.Countries, other.Countries, strings.Compare) && sameSet(l.Networks, other.Networks, netip.Prefix.Compare)
}

func sameSet[T comparable](a, b []T, compare func(T, T) int) bool {
	if slices.Equal(a, b) {
		return true
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, compare)
	slices.SortFunc(b, compare)
	return slices.Equal(a, b)
}
