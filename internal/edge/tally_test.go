package edge_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/internal/edge"
	"github.com/tokensvc/tokensvc/tokens"
)

// TestEveryAnswerIsCountedOnce: by the convention that asked and the kind of the answer.
func TestEveryAnswerIsCountedOnce(t *testing.T) {
	w := newWorld(t)
	w.Tally = edge.NewTally()
	good := w.sign("event", "")
	for _, c := range edge.Conventions() {
		value := good
		if c.Absolute {
			value = "https://cdn.example" + good
		}
		w.proxy(c.Path, http.Header{c.Header: {value}}, proxyAddr)
		w.proxy(c.Path, http.Header{c.Header: {value}}, "192.0.2.1:40000")
	}
	w.proxy("/edge/auth", http.Header{"X-Original-Uri": {"/1/S1/event/hls/live/playlist.m3u8"}}, proxyAddr)
	client := w.envoy(&edge.ExtAuthz{Decider: w.Decider, Trusted: loopback()})
	for range 2 {
		_, err := client.Check(t.Context(), checkRequest(good, "192.0.2.7", nil))
		w.must(err)
	}
	callback(t, w.agora("s3cret"), `{}`, "application/json", "wrong")
	w.sessions.stale = true
	w.proxy("/edge/auth", http.Header{"X-Original-Uri": {good}}, proxyAddr)
	for _, err := range []error{nil, tokens.Refuse(tokens.SessionEnded, "ended"), errors.New("disk I/O error")} {
		w.Tally.Count(edge.ConventionStreamAPI, edge.OutcomeOf(err))
	}
	got := map[string]uint64{}
	w.Tally.Counts(func(convention string, o edge.Outcome, n uint64) {
		if n > 0 {
			got[convention+" "+o.String()] = n
		}
	})
	want := map[string]uint64{
		"nginx allowed": 1, "nginx refused": 1, "nginx unauthenticated": 1, "nginx unknown": 1,
		"ingress-nginx allowed": 1, "ingress-nginx refused": 1, "traefik allowed": 1, "traefik refused": 1,
		"caddy allowed": 1, "caddy refused": 1, "haproxy allowed": 1, "haproxy refused": 1,
		"envoy allowed": 2, "agora refused": 1,
		"streamapi allowed": 1, "streamapi refused": 1, "streamapi unknown": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
