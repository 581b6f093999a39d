package qencode

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
)

// PlaybackID is one of the names under which viewers play a live stream.
type PlaybackID struct {
	ID     string
	Policy Policy
}

// CreatePlaybackID adds a playback id to a live stream. The call is never repeated.
//
// Do this while the stream does not run. While it does, the vendor's own connector refuses the same call
// (its tool add_playback_id), "because the live API would stop the broadcast".
func (c *Client) CreatePlaybackID(ctx context.Context, streamID string, policy Policy) (PlaybackID, error) {
	const call = "create playback id"
	if err := checkUUID(call, "a stream", streamID); err != nil {
		return PlaybackID{}, err
	}
	if err := policy.check(call); err != nil {
		return PlaybackID{}, err
	}
	r := rest.Request{Call: call, Method: http.MethodPost, Path: "/v1/live-streams/" + streamID + "/playback-ids", Repeat: rest.Once}
	var answer playbackAnswer
	if err := c.send(ctx, c.live, r, map[string]Policy{"policy": policy}, &answer); err != nil {
		return PlaybackID{}, err
	}
	made, ok := answer.find()
	if !ok {
		return PlaybackID{}, unreadable(call, "a playback id was made, but the answer does not show it; look it up in the vendor's console")
	}
	if made.Policy != "" && made.Policy != policy {
		return PlaybackID{}, unreadable(call, "the new playback id has another policy than the one asked for")
	}
	return PlaybackID{ID: made.ID, Policy: policy}, nil
}

// playbackAnswer is the answer to a new playback id. The vendor does not show its form: the id may stand in
// an object, as with its other calls, or alone, or without an envelope.
type playbackAnswer struct {
	Enveloped json.RawMessage `json:"playback_id"`
	Bare      string          `json:"id"`
	Policy    Policy          `json:"policy"`
}

func (a playbackAnswer) find() (PlaybackID, bool) {
	found := PlaybackID{ID: a.Bare, Policy: a.Policy}
	var inside struct {
		ID     string `json:"id"`
		Policy Policy `json:"policy"`
	}
	var alone string
	switch {
	case json.Unmarshal(a.Enveloped, &alone) == nil:
		found.ID = alone
	case json.Unmarshal(a.Enveloped, &inside) == nil:
		found = PlaybackID{ID: inside.ID, Policy: inside.Policy}
	}
	return found, isID(found.ID)
}

// Foresee implements provider.Protector.
//
// A bucket gets the policy "authenticated". A live stream gets one more playback id, which wants tokens, each
// time; the ids that it has keep their policies, and this API neither shows nor deletes them. See
// CreatePlaybackID for a stream that runs. A domain has no switch: what it plays has.
func (c *Client) Foresee(resource string) (provider.Protection, error) {
	const call = "protect"
	kind, _, err := parseResource(call, resource)
	switch {
	case err != nil:
		return provider.Protection{}, err
	case kind == KindBucket:
		return provider.Protection{
			Change: "the bucket's policy becomes authenticated", Repeats: true,
			Breaks: "who reads the bucket without a token is refused",
		}, nil
	case kind == KindStream:
		return provider.Protection{
			Change: "the live stream gets one more playback id, which wants tokens",
			Breaks: "a broadcast that runs may be stopped by it; do it while the stream does not run",
			Open:   "the playback ids that the stream has already; remove the public ones in Qencode's console",
		}, nil
	default:
		return provider.Protection{}, refused(call, "a domain has no token checking of its own; protect the live streams or the bucket that it plays")
	}
}

// Protect implements provider.Protector.
func (c *Client) Protect(ctx context.Context, resource string) (provider.Protection, error) {
	done, err := c.Foresee(resource)
	if err != nil {
		return done, err
	}
	kind, id, err := parseResource("protect", resource)
	if err != nil {
		return done, err
	}
	if kind == KindBucket {
		return done, c.SetBucketPolicy(ctx, id, Authenticated)
	}
	made, err := c.CreatePlaybackID(ctx, id, Authenticated)
	done.PlaybackID = made.ID
	return done, err
}
