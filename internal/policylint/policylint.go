// Package policylint finds settings of playbacks that are legal and will hurt viewers: refusals that nobody
// expects, tokens that end early or open too much, limits that do not hold. It is pure: it looks at what it is
// given, resolves no names and asks no service. docs/policies.md lists what it finds.
package policylint

import (
	"cmp"
	"slices"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/keystore"
)

// ID names a kind of finding. Ids are stable, messages are not.
type ID string

// Kinds of findings.
const (
	// IPExact: tokens are bound to an address that changes.
	IPExact ID = "ip_exact"
	// TTLOverMax: the lifetime is over what the target allows.
	TTLOverMax ID = "ttl_over_max"
	// TTLPastCut: the key that signs has a horizon, before the end of a token.
	TTLPastCut ID = "ttl_past_cut"
	// TTLOverRotation: the key is cut as often as a token would end.
	TTLOverRotation ID = "ttl_over_rotation"
	// CutGap: scheduled cuts stop the playing, at any time of day.
	CutGap ID = "cut_gap"
	// PlaylistOnly: tokens open the playlist and none of its segments.
	PlaylistOnly ID = "playlist_only"
	// OpensOthers: the provider's edge lets a token in to other playbacks too.
	OpensOthers ID = "opens_others"
	// SharedDirectory: an edge that asks cannot tell whose files they are.
	SharedDirectory ID = "shared_directory"
	// GrantWithoutSessions: limits of grants can be passed by at edges that ask, and refunds wait.
	GrantWithoutSessions ID = "grant_without_sessions"
	// EndedPlaysOn: who was put out plays on for long.
	EndedPlaysOn ID = "ended_plays_on"
	// EvictEachOther: two devices of a viewer put each other out for ever.
	EvictEachOther ID = "evict_each_other"
	// HeartbeatOverTTL: heartbeats keep a place longer than without them.
	HeartbeatOverTTL ID = "heartbeat_over_ttl"
	// HookDenies: while a web hook is down nobody is let in.
	HookDenies ID = "hook_denies"
)

// Finding is something about a playback that will hurt its viewers.
type Finding struct {
	Playback string `json:"playback"`
	ID       ID     `json:"id"`
	// Message says what will happen, and what to do about it.
	Message string `json:"message"`
}

// Target is a target as its playbacks meet it.
type Target struct {
	keystore.Target
	// Active is the key that signs; nil where it is not known, as from a config file.
	Active *keystore.Key
}

// Input is what Lint looks at.
type Input struct {
	// Playbacks have passed playback.Check, or the checks of the config file.
	Playbacks []playback.Playback
	// Targets may lack those of some playbacks, whose lifetimes are then not looked at.
	Targets []Target
	// DenyingHooks are the ids of web hooks that let nobody in while they give no answer.
	DenyingHooks []string
	// Now is when the horizons of keys are compared with what tokens would live.
	Now time.Time
}

// rule finds one kind of thing about a playback.
type rule struct {
	id ID
	// check returns the message, or "" where there is nothing to say.
	check func(*subject) string
}

// rules returns all of them, in the order in which their findings are told.
func rules() []rule {
	return []rule{
		{IPExact, ipExact},
		{TTLOverMax, ttlOverMax},
		{TTLPastCut, ttlPastCut},
		{TTLOverRotation, ttlOverRotation},
		{CutGap, cutGap},
		{PlaylistOnly, playlistOnly},
		{OpensOthers, opensOthers},
		{SharedDirectory, sharedDirectory},
		{GrantWithoutSessions, grantWithoutSessions},
		{EndedPlaysOn, endedPlaysOn},
		{EvictEachOther, evictEachOther},
		{HeartbeatOverTTL, heartbeatOverTTL},
		{HookDenies, hookDenies},
	}
}

// IDs returns every kind of finding.
func IDs() []ID {
	all := rules()
	ids := make([]ID, len(all))
	for i := range all {
		ids[i] = all[i].id
	}
	return ids
}

// subject is one playback among the others.
type subject struct {
	*playback.Playback
	// target is nil where it is not known.
	target *Target
	now    time.Time
	hooks  []string
	// stand says which playbacks a token of a scope opens, files which have theirs in a directory or are one.
	stand, files places
}

// Lint returns what will hurt viewers, in ascending order of playback id and then in that of IDs; never nil. It
// takes time in proportion to the playbacks, however many share a place.
func Lint(in Input) []Finding {
	playbacks := slices.SortedStableFunc(slices.Values(in.Playbacks), func(a, b playback.Playback) int { return cmp.Compare(a.ID, b.ID) })
	targets := make(map[string]*Target, len(in.Targets))
	for i := range in.Targets {
		targets[in.Targets[i].ID] = &in.Targets[i]
	}
	stand, files := make(places), make(places)
	for i := range playbacks {
		stand.add(playbacks[i].ID, standsAt(&playbacks[i]))
		files.add(playbacks[i].ID, beside(&playbacks[i]))
	}
	found := []Finding{}
	all := rules()
	for i := range playbacks {
		p := &playbacks[i]
		s := &subject{Playback: p, target: targets[p.TargetID], now: in.Now, hooks: in.DenyingHooks, stand: stand, files: files}
		for _, r := range all {
			if message := r.check(s); message != "" {
				found = append(found, Finding{Playback: p.ID, ID: r.id, Message: message})
			}
		}
	}
	return found
}
