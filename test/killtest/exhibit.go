package killtest

import (
	"fmt"

	"github.com/tokensvc/tokensvc/internal/sandbox/edge"
	"github.com/tokensvc/tokensvc/internal/sandbox/standins"
	"github.com/tokensvc/tokensvc/tokens/agora"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// Kind is how the provider of a world takes a new key.
type Kind string

// The kinds of providers, as rotation tells them apart.
const (
	// Minter makes keys itself, and several count at once.
	Minter Kind = "minter"
	// Setter has one slot, which is overwritten.
	Setter Kind = "setter"
	// Pair has two slots, which are used in turn.
	Pair Kind = "pair"
)

// Names of what every world has.
const (
	// Target is the id of the one target.
	Target = "event"
	// Playback is the id of the one playback.
	Playback = "event"
	account  = "sandbox"
)

const (
	streamUUID = "5b1f0a52-6a53-4b8e-9d53-1f3f7a3b8f10"
	playbackID = "b7f2c9e0a1d34e5f"
)

// exhibit is a target with its playback, at one provider.
type exhibit struct {
	kind             Kind
	provider, scheme string
	resources        []string
	streams          []edge.Stream // one for each resource
	streamIDs        []string      // Wowza's, one for each resource
	// reads and writes are the provider's calls, as faults name them.
	reads, writes []string
}

// exhibitOf returns the exhibit of a kind; kinds that two providers have differ with atAgora.
func exhibitOf(kind Kind, atAgora bool) exhibit {
	e := exhibit{kind: kind}
	slots := 1
	if kind == Pair {
		slots = 2
	}
	switch {
	case kind == Minter:
		e.provider, e.scheme = standins.Qencode, qencode.Name
		e.reads, e.writes = []string{"access token", "list signing keys"}, []string{"create signing key", "delete signing key", "rename signing key"}
		e.add("stream:"+streamUUID, edge.Stream{Playlist: "/" + playbackID + ".m3u8", PlaybackID: playbackID})
	case atAgora:
		e.provider, e.scheme = standins.Agora, agora.Name
		e.reads, e.writes = []string{"get domain"}, []string{"set auth key"}
		for slot := range slots {
			e.add(fmt.Sprintf("domain:play-%d.sandbox.example", slot), edge.Stream{Playlist: fmt.Sprintf("/live-%d/event/playlist.m3u8", slot)})
		}
	default:
		e.provider, e.scheme = standins.Wowza, wowza.Name
		e.reads, e.writes = []string{"get target"}, []string{"patch target"}
		for slot := range slots {
			stream := fmt.Sprintf("ZXZlbnQtZXZlbn%d", slot)
			e.streamIDs = append(e.streamIDs, stream)
			e.add(fmt.Sprintf("sandbox%d", slot), edge.Stream{Playlist: "/1/" + stream + "/event/hls/live/playlist.m3u8"})
		}
	}
	return e
}

// add gives the exhibit one more resource.
func (e *exhibit) add(resource string, stream edge.Stream) {
	stream.Scheme, stream.Target, stream.Live = e.scheme, resource, true // the edge asks the stand-in about the resource
	e.resources, e.streams = append(e.resources, resource), append(e.streams, stream)
}

// standing is what stands at the provider for a slot before the service is started.
func (e *exhibit) standing(slot int) standins.Standing {
	st := standins.Standing{Provider: e.provider, Resource: e.resources[slot]}
	if len(e.streamIDs) > 0 {
		st.StreamID, st.Name = e.streamIDs[slot], "event"
	}
	return st
}

// playback is the playback as the config file has it.
func (e *exhibit) playback(origin string) map[string]any {
	p := map[string]any{"id": Playback, "target": Target, "url": origin + e.streams[0].Playlist, "ttl": lifetime.String()}
	if e.kind == Pair {
		alternate := map[string]any{"url": origin + e.streams[1].Playlist}
		if len(e.streamIDs) > 0 {
			alternate["stream_id"] = e.streamIDs[1]
		}
		p["alternate"] = alternate
	}
	switch e.provider {
	case standins.Qencode:
		p["qencode"] = map[string]any{"uri": playbackID}
	case standins.Agora:
		p["agora"] = map[string]any{}
	default:
		p["hdnts"] = map[string]any{"stream_id": e.streamIDs[0]}
	}
	return p
}
