package policylint

import (
	"net/url"
	"slices"
	"strings"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/akamai"
)

// told is how many other playbacks a message names.
const told = 3

// places says which playbacks are at a place, the first few of each.
type places map[string][]string

// add notes a playback at its places. Playbacks come in ascending order of id.
func (x places) add(id string, at []string) {
	for _, place := range at {
		// Besides those that are told, one is the asker, and one shows that there are more.
		if here := x[place]; len(here) < told+2 && !slices.Contains(here, id) {
			x[place] = append(here, id)
		}
	}
}

// others returns the first playbacks that are at any of the places, but for the asker.
func (x places) others(id string, at []string) []string {
	var others []string
	for _, place := range at {
		others = append(others, x[place]...)
	}
	slices.Sort(others)
	return slices.DeleteFunc(slices.Compact(others), func(other string) bool { return other == id })
}

// list writes ids for people.
func list(ids []string) string {
	switch {
	case len(ids) > told:
		return strings.Join(ids[:told], ", ") + " and others"
	case len(ids) == 1:
		return ids[0]
	default:
		last := len(ids) - 1
		return strings.Join(ids[:last], ", ") + " and " + ids[last]
	}
}

// beside returns where an edge that asks looks for the files of a playback. At Qencode's own hosts, where every
// live stream has the same path, no edge asks.
func beside(p *playback.Playback) []string {
	if u, err := url.Parse(p.URL); err != nil || strings.HasSuffix(strings.ToLower(u.Hostname()), ".qencode.com") {
		return nil
	}
	return playback.NewEntry(*p).Places()
}

// opens returns what the provider's edge takes a token of the playback for, as standsAt writes it.
func opens(p *playback.Playback) []string {
	var scopes []string
	switch {
	case p.Hdnts != nil:
		for _, stream := range streams(p) {
			scopes = append(scopes, recording(stream, p.Hdnts.VODStreamID))
		}
	case p.EdgeAuth != nil && p.EdgeAuth.URLPath != "":
		scopes = []string{p.EdgeAuth.URLPath}
	case p.EdgeAuth != nil:
		scopes = slices.Clone(p.EdgeAuth.ACL)
	case p.Qencode != nil && p.Qencode.WholeBucket:
		scopes = []string{"*"}
	case p.Qencode != nil && strings.HasSuffix(p.Qencode.URI, "/"):
		scopes = []string{p.Qencode.URI + "*"}
	case p.Qencode != nil:
		scopes = []string{p.Qencode.URI}
	default:
		scopes = paths(p)
	}
	return of(p.TargetID, scopes)
}

// standsAt returns every scope that a token may have which opens the playback: exact, or ending in "*" for all
// that begins so.
func standsAt(p *playback.Playback) []string {
	var scopes []string
	switch {
	case p.Hdnts != nil:
		for _, stream := range streams(p) {
			scopes = append(scopes, recording(stream, ""), recording(stream, p.Hdnts.VODStreamID))
		}
	case p.EdgeAuth != nil:
		for _, path := range paths(p) {
			if normal, ok := akamai.Normalize(path); ok {
				scopes = append(scopes, around(normal)...)
			}
		}
	case p.Qencode != nil:
		scopes = append(around(object(p)), "*")
	default:
		scopes = paths(p)
	}
	return of(p.TargetID, scopes)
}

// of tells the scopes of one key from those of others.
func of(target string, scopes []string) []string {
	for i := range scopes {
		scopes[i] = target + " " + scopes[i]
	}
	return scopes
}

// streams returns the stream targets of an hdnts playback.
func streams(p *playback.Playback) []string {
	if p.Alternate != nil {
		return []string{p.Hdnts.StreamID, p.Alternate.StreamID}
	}
	return []string{p.Hdnts.StreamID}
}

// recording writes what an hdnts token opens: one recording, or with "" all of the stream target.
func recording(stream, vod string) string { return stream + " " + vod }

// paths returns the paths of the playback's URLs.
func paths(p *playback.Playback) []string {
	all := []string{tokens.RawPath(p.URL)}
	if p.Alternate != nil {
		all = append(all, tokens.RawPath(p.Alternate.URL))
	}
	return all
}

// object returns the object that a Qencode playback plays: its key, or a playback id.
func object(p *playback.Playback) string {
	if !p.Qencode.WholeBucket && !strings.HasSuffix(p.Qencode.URI, "/") {
		return p.Qencode.URI
	}
	path := tokens.RawPath(p.URL)
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	return strings.TrimPrefix(path, "/")
}

// around returns a path and each directory that it stands in, as "dir/*".
func around(path string) []string {
	scopes := []string{path}
	for i := range len(path) {
		if path[i] == '/' {
			scopes = append(scopes, path[:i+1]+"*")
		}
	}
	return scopes
}
