package playback

import (
	"iter"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/tokensvc/tokensvc/tokens"
)

// maxAt bounds how many playbacks one path is tried against.
const maxAt = 16

// routes finds playbacks by the paths of their files: what an EdgeAuth list opens, else the playlist and what
// stands in its directory. Paths count as an origin reads them, with their escapes undone. Reads take no lock;
// the catalogue's lock orders the writes.
type routes struct {
	places sync.Map // directory with its final slash, or one path -> *place
}

// place holds the playbacks of one directory or path.
type place struct {
	entries sync.Map // id -> *Entry
	count   int      // of the writer's
}

// replace takes old out and puts next in; either may be nil.
func (r *routes) replace(old, next *Entry) {
	if old != nil {
		for _, at := range old.Places() {
			if p, ok := r.at(at); ok {
				p.entries.Delete(old.ID)
				p.count--
				if p.count == 0 {
					r.places.Delete(at)
				}
			}
		}
	}
	if next != nil {
		for _, at := range next.Places() {
			p, ok := r.at(at)
			if !ok {
				p = &place{}
				r.places.Store(at, p)
			}
			p.entries.Store(next.ID, next)
			p.count++
		}
	}
}

func (r *routes) at(at string) (*place, bool) {
	if p, ok := r.places.Load(at); ok {
		return p.(*place), true //nolint:errcheck // only *place is ever stored
	}
	return nil, false
}

// At yields the playbacks that a path belongs to, at most 16: those whose own URL it is, else those of the
// closest directory, and further out only those whose EdgeAuth list names a directory around it. The path is
// absolute and clean, as an edge has seen it. Whether a token opens it is another question.
func (c *Catalogue) At(path string) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		var tried []*Entry
		more := true
		c.routes.around(path, func(p *place, closest bool) bool {
			p.entries.Range(func(_, held any) bool {
				e := held.(*Entry) //nolint:errcheck // only *Entry is ever stored
				if (closest || e.listed()) && !slices.Contains(tried, e) {
					tried = append(tried, e)
					more = yield(e) && len(tried) < maxAt
				}
				return more
			})
			return more
		})
	}
}

// Covers reports whether a path belongs to the playback, as At has it.
func (c *Catalogue) Covers(e *Entry, path string) bool {
	covers := false
	c.routes.around(path, func(p *place, closest bool) bool {
		held, ok := p.entries.Load(e.ID)
		covers = ok && held == e && (closest || e.listed())
		return !covers
	})
	return covers
}

// around calls visit with the places that a path stands in, the closest first, until it returns false.
func (r *routes) around(path string, visit func(p *place, closest bool) bool) {
	closest := true
	for at := plainPath(path); at != ""; at = parent(at) {
		p, ok := r.at(at)
		if !ok {
			continue
		}
		if !visit(p, closest) {
			return
		}
		closest = false
	}
}

// plainPath undoes the escapes of a path, so that no other spelling of it leads elsewhere. One whose escapes
// cannot be undone stands for itself.
func plainPath(path string) string {
	if !strings.ContainsRune(path, '%') {
		return path
	}
	plain, err := url.PathUnescape(path)
	if err != nil || strings.Count(plain, "/") != strings.Count(path, "/") {
		return path
	}
	return plain
}

// parent returns the directory that a place stands in, with its final slash, or "".
func parent(at string) string {
	return at[:strings.LastIndexByte(strings.TrimSuffix(at, "/"), '/')+1]
}

// listed reports whether the playback names the paths that its tokens open, which edges of a vendor go by too.
func (e *Entry) listed() bool { return e.EdgeAuth != nil && len(e.EdgeAuth.ACL) > 0 }

// IsURL reports whether a path is that of the playback's own URL, in either slot.
func (e *Entry) IsURL(path string) bool {
	for slot := range e.slots() {
		if at, _ := e.URLAt(slot); tokens.RawPath(at) == path {
			return true
		}
	}
	return false
}

// ScopeOf returns the directory, with its final slash, under which all that a path of the playback leads to
// stands.
func (e *Entry) ScopeOf(path string) string {
	scope := parent(path)
	for _, at := range e.places() {
		if strings.HasSuffix(at, "/") && strings.HasPrefix(path, at) && len(at) < len(scope) {
			scope = at
		}
	}
	return scope
}

// places returns where the playback's files stand, each once: directories with their final slash, and single
// paths.
func (e *Entry) places() []string {
	var places []string
	add := func(at string) {
		if strings.HasPrefix(at, "/") && !slices.Contains(places, at) {
			places = append(places, at)
		}
	}
	if e.listed() {
		for _, entry := range e.EdgeAuth.ACL {
			add(strings.TrimSuffix(entry, "*"))
		}
		return places
	}
	for slot := range e.slots() {
		at, _ := e.URLAt(slot)
		path := tokens.RawPath(at)
		add(path)
		if !strings.HasSuffix(path, ".m3u8") && !strings.HasSuffix(path, ".mpd") {
			continue // one file, which names no others
		}
		if dir := parent(path); dir != "/" {
			add(dir)
		} else { // a playlist at the root has its files in a directory of its name, or nobody could tell whose they are
			add(strings.TrimSuffix(path, ".m3u8") + "/")
		}
	}
	return places
}

// Places returns where an edge that asks looks for the playback's files, in ascending order, with their escapes
// undone: directories with their final slash, and single paths. Two playbacks that share a directory share what
// stands in it.
func (e *Entry) Places() []string {
	places := e.places()
	for i, at := range places {
		places[i] = plainPath(at)
	}
	return slices.Compact(slices.Sorted(slices.Values(places)))
}
