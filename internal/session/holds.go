package session

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// holds keeps the revocations that hold a viewer or playback. All of them: one that were forgotten would
// let its subject in again.
type holds struct {
	count atomic.Int64 // of subjects, so that nothing is locked where nothing is held
	mu    sync.RWMutex
	of    map[subject][]*Revocation
}

type subject struct {
	kind Kind
	id   string
}

// apply takes over what a revocation is now.
func (h *holds) apply(r *Revocation, now time.Time) {
	if r.Kind != OfViewer && r.Kind != OfPlayback {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil {
		h.of = make(map[subject][]*Revocation)
	}
	s := subject{kind: r.Kind, id: r.Subject}
	rest := slices.DeleteFunc(slices.Clone(h.of[s]), func(old *Revocation) bool { return old.ID == r.ID })
	if r.Holding(now) {
		rest = append(rest, r)
	}
	h.set(s, rest)
}

func (h *holds) set(s subject, all []*Revocation) {
	if len(all) == 0 {
		delete(h.of, s)
	} else {
		h.of[s] = all
	}
	h.count.Store(int64(len(h.of)))
}

// prune forgets what holds nothing any more.
func (h *holds) prune(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s, all := range h.of {
		h.set(s, slices.DeleteFunc(slices.Clone(all), func(r *Revocation) bool { return !r.Holding(now) }))
	}
}

// find returns a revocation that holds the viewer or the playback, or nil.
func (h *holds) find(viewer, playback string, now time.Time) *Revocation {
	if h.count.Load() == 0 {
		return nil
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, s := range [...]subject{{OfViewer, viewer}, {OfPlayback, playback}} {
		for _, r := range h.of[s] {
			if r.Holding(now) {
				return r
			}
		}
	}
	return nil
}
