package policylint_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/policylint"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
)

// now is when every test looks.
func now() time.Time { return time.Date(2026, 11, 20, 20, 0, 0, 0, time.UTC) }

// hdnts returns a playback of a Wowza stream target about which there is nothing to say.
func hdnts(id, stream string, with ...func(*playback.Playback)) playback.Playback {
	return made(playback.Playback{
		ID: id, TargetID: "live", URL: "https://example.wowza.com/1/" + stream + "/" + id + "/hls/live/playlist.m3u8",
		Hdnts: &playback.Hdnts{StreamID: stream}, TTL: 5 * time.Minute,
	}, with)
}

// edgeAuth returns one whose tokens open an acl.
func edgeAuth(id, path string, acl ...string) playback.Playback {
	return playback.Playback{ID: id, TargetID: "vod", URL: "https://media.example.com" + path, EdgeAuth: &playback.EdgeAuth{ACL: acl}, TTL: 5 * time.Minute}
}

// qencode returns one whose tokens open a uri; "" is the whole bucket.
func qencode(id, path, uri string) playback.Playback {
	return playback.Playback{
		ID: id, TargetID: "courses", URL: "https://play.example.com" + path, Qencode: &playback.Qencode{URI: uri, WholeBucket: uri == ""}, TTL: 5 * time.Minute,
	}
}

// agora returns one whose tokens open the path of its URL.
func agora(id, path string, with ...func(*playback.Playback)) playback.Playback {
	return made(playback.Playback{ID: id, TargetID: "rooms", URL: "https://pull.example.com" + path, Agora: &playback.Agora{}, TTL: 5 * time.Minute}, with)
}

func made(p playback.Playback, with []func(*playback.Playback)) playback.Playback {
	for _, set := range with {
		set(&p)
	}
	return p
}

func ttl(d time.Duration) func(*playback.Playback) {
	return func(p *playback.Playback) { p.TTL = d }
}

func granularity(d time.Duration) func(*playback.Playback) {
	return func(p *playback.Playback) { p.ExpiryGranularity = d }
}

func sessions(limit int, rule playback.SessionRule, heartbeat time.Duration) func(*playback.Playback) {
	return func(p *playback.Playback) {
		p.Sessions = &playback.Sessions{Max: limit, Rule: rule, HeartbeatTimeout: heartbeat}
	}
}

func access(a playback.Access) func(*playback.Playback) {
	return func(p *playback.Playback) { p.Access = &a }
}

func boundTo(host string) func(*playback.Playback) {
	return func(p *playback.Playback) {
		p.BindIP, p.URL = true, strings.Replace(p.URL, "example.wowza.com", host, 1)
	}
}

func vod(id string) func(*playback.Playback) {
	return func(p *playback.Playback) { p.Hdnts.VODStreamID = id }
}

func alternate(stream string) func(*playback.Playback) {
	return func(p *playback.Playback) {
		p.Alternate = &playback.Alternate{URL: strings.ReplaceAll(p.URL, p.Hdnts.StreamID, stream), StreamID: stream}
	}
}

func elsewhere(p *playback.Playback) { p.TargetID = "elsewhere" }

// targets returns those of the playbacks above, none of which is rotated, with the active key of "live".
func targets(policy keystore.Policy, key keystore.Key, resources ...string) []policylint.Target {
	of := func(id, provider, scheme string) policylint.Target {
		return policylint.Target{Target: keystore.Target{ID: id, Provider: provider, Scheme: scheme, MaxTokenLifetime: 6 * time.Hour, Policy: policy, Resources: resources}}
	}
	live := of("live", "wowza", schemes.WowzaHdnts)
	live.Active = &key
	return []policylint.Target{live, of("vod", "akamai", schemes.AkamaiEdgeAuth), of("courses", "qencode", schemes.QencodeJWT), of("rooms", "agora", schemes.AgoraTimestamp)}
}

// lintCase is a set of playbacks and what is found about them.
type lintCase struct {
	playbacks []playback.Playback
	targets   []policylint.Target
	hooks     []string
	// want has a line "PLAYBACK: ID" for each finding.
	want []string
	// says has to stand in the messages.
	says []string
}

func one(p playback.Playback, want ...string) lintCase {
	return lintCase{playbacks: []playback.Playback{p}, want: want}
}

// lint checks a case and notes which ids were found.
func (c *lintCase) lint(t *testing.T, seen map[policylint.ID]bool) {
	t.Helper()
	in := policylint.Input{Playbacks: c.playbacks, Targets: c.targets, DenyingHooks: c.hooks, Now: now()}
	if in.Targets == nil {
		in.Targets = targets(keystore.Policy{}, keystore.Key{Version: 3, State: keystore.Active})
	}
	got, told := []string{}, &strings.Builder{}
	for _, f := range policylint.Lint(in) {
		got = append(got, f.Playback+": "+string(f.ID))
		told.WriteString(f.Message + "\n")
		seen[f.ID] = true
	}
	messages := told.String()
	if diff := cmp.Diff(append([]string{}, c.want...), got); diff != "" {
		t.Errorf("found (-want +got):\n%s%s", diff, messages)
	}
	for _, text := range c.says {
		if !strings.Contains(messages, text) {
			t.Errorf("%q is not in:\n%s", text, messages)
		}
	}
	if strings.Contains(messages, "%!") {
		t.Errorf("a broken format:\n%s", messages)
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	seen := make(map[policylint.ID]bool)
	for _, cases := range []map[string]lintCase{viewerCases(), lifetimeCases(), rotationCases(), playlistCases(), scopeCases(), directoryCases()} {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) { c.lint(t, seen) })
		}
	}
	for _, id := range policylint.IDs() {
		if !seen[id] {
			t.Errorf("no case finds %s", id)
		}
	}
}

func viewerCases() map[string]lintCase {
	grant := playback.Access{Grant: true}
	asks := func(hook string) playback.Access {
		return playback.Access{AnyOf: []playback.Access{{Expression: "true"}, {Webhook: hook}, {Webhook: hook}}}
	}
	exact := one(hdnts("event", "s1", boundTo("example.wowza.com")), "event: ip_exact")
	exact.says = []string{"mobile networks", "IPv4 and IPv6", "Set ip_binding to off", "grants can limit networks"}
	down := one(hdnts("event", "s1", access(asks("shop"))), "event: hook_denies")
	down.hooks, down.says = []string{"other", "shop"}, []string{"web hook shop gives"}
	kept := one(hdnts("event", "s1", access(asks("shop"))))
	kept.hooks = []string{"other"}
	return map[string]lintCase{
		"nothing to say":                    one(hdnts("event", "s1")),
		"address bound exactly":             exact,
		"address bound on an IPv4 host":     {playbacks: []playback.Playback{hdnts("event", "s1", boundTo("192.0.2.7:8443"))}, want: []string{"event: ip_exact"}, says: []string{"their address while they watch: they are refused"}},
		"grant without sessions":            one(hdnts("event", "s1", access(grant)), "event: grant_without_sessions"),
		"grant within others, no sessions":  one(hdnts("event", "s1", access(playback.Access{AnyOf: []playback.Access{{Expression: "true"}, {AllOf: []playback.Access{grant}}}})), "event: grant_without_sessions"),
		"grant with sessions without limit": one(hdnts("event", "s1", access(grant), sessions(0, playback.DenyNew, 0))),
		"expression without sessions":       one(hdnts("event", "s1", access(playback.Access{Expression: "true"}))),
		"ended, and 1 h to go":              one(hdnts("event", "s1", ttl(time.Hour), sessions(2, playback.DenyNew, 0)), "event: ended_plays_on"),
		"ended, and 1 h by granularity":     one(hdnts("event", "s1", granularity(time.Hour), sessions(2, playback.DenyNew, 0)), "event: ended_plays_on"),
		"ended, and 10 min to go":           one(hdnts("event", "s1", ttl(10*time.Minute), sessions(2, playback.DenyNew, 0))),
		"no limit to be ended by":           one(hdnts("event", "s1", ttl(time.Hour), sessions(0, playback.DenyNew, 0))),
		"one at a time, the newest":         one(hdnts("event", "s1", sessions(1, playback.EvictOldest, 0)), "event: evict_each_other"),
		"one at a time, the first":          one(hdnts("event", "s1", sessions(1, playback.DenyNew, 0))),
		"two at a time, the newest":         one(hdnts("event", "s1", sessions(2, playback.EvictOldest, 0))),
		"heartbeats as slow as tokens":      one(hdnts("event", "s1", sessions(0, playback.DenyNew, 5*time.Minute)), "event: heartbeat_over_ttl"),
		"heartbeats faster than tokens":     one(hdnts("event", "s1", sessions(0, playback.DenyNew, 30*time.Second))),
		"web hook that denies when down":    down,
		"web hook that remembers":           kept,
	}
}

func lifetimeCases() map[string]lintCase {
	cut := func(at, ends time.Duration) []policylint.Target {
		key := keystore.Key{Version: 3, State: keystore.Active, Horizon: now().Add(at)}
		if ends != 0 {
			key.HorizonEnds = now().Add(ends)
		}
		return targets(keystore.Policy{}, key)
	}
	long := []playback.Playback{hdnts("event", "s1", ttl(time.Hour))}
	return map[string]lintCase{
		"at the limit of the target":           one(hdnts("event", "s1", ttl(6*time.Hour))),
		"over the limit of the target":         one(hdnts("event", "s1", ttl(7*time.Hour)), "event: ttl_over_max"),
		"over the limit by granularity":        one(hdnts("event", "s1", ttl(6*time.Hour), granularity(time.Second)), "event: ttl_over_max"),
		"unknown target":                       one(hdnts("event", "s1", ttl(7*time.Hour), elsewhere)),
		"a cut in 30 min":                      {playbacks: long, targets: cut(30*time.Minute, 0), want: []string{"event: ttl_past_cut"}, says: []string{"key live/3", "2026-11-20T20:30:00Z", "keys retire live 3 --cancel"}},
		"a cut that waits to be carried out":   {playbacks: long, targets: cut(-time.Minute, time.Minute), want: []string{"event: ttl_past_cut"}},
		"a cut that nobody has carried out":    {playbacks: long, targets: cut(-time.Hour, -time.Minute)},
		"a cut after the last token has ended": {playbacks: long, targets: cut(time.Hour, 0)},
		"key not known": {playbacks: long, targets: func() []policylint.Target {
			all := cut(time.Minute, 0)
			all[0].Active = nil
			return all
		}()},
	}
}

func rotationCases() map[string]lintCase {
	hourly, windowed := keystore.Policy{Every: time.Hour}, keystore.Policy{Every: 720 * time.Hour, Window: "02:00-04:00"}
	active := keystore.Key{Version: 3, State: keystore.Active}
	long := func(p playback.Playback) []playback.Playback { return []playback.Playback{p} }
	return map[string]lintCase{
		"cut as often as tokens end":        {playbacks: long(hdnts("event", "s1", ttl(time.Hour))), targets: targets(hourly, active, "s1"), want: []string{"event: ttl_over_rotation"}},
		"cut as often, by granularity":      {playbacks: long(hdnts("event", "s1", ttl(30*time.Minute), granularity(30*time.Minute))), targets: targets(hourly, active, "s1"), want: []string{"event: ttl_over_rotation"}},
		"cut less often than tokens end":    {playbacks: long(hdnts("event", "s1", ttl(59*time.Minute))), targets: targets(hourly, active, "s1")},
		"a pair cuts nothing":               {playbacks: long(hdnts("event", "s1", ttl(time.Hour), alternate("s2"))), targets: targets(hourly, active, "s1", "s2")},
		"an overlap cuts nothing":           {playbacks: long(qencode("lesson", "/lesson/a.m3u8", "lesson/")), targets: targets(keystore.Policy{Every: time.Minute}, active)},
		"cut on command":                    {playbacks: long(agora("room", "/live/room.flv", ttl(time.Hour))), targets: targets(keystore.Policy{}, active, "d1")},
		"cut without cookie, at any time":   {playbacks: long(agora("room", "/live/room.flv")), targets: targets(hourly, active, "d1"), want: []string{"room: cut_gap"}},
		"cut without cookie, in the window": {playbacks: long(agora("room", "/live/room.flv")), targets: targets(windowed, active, "d1")},
		"pair without cookie":               {playbacks: long(agora("room", "/live/room.flv")), targets: targets(hourly, active, "d1", "d2")},
	}
}

func playlistCases() map[string]lintCase {
	urlPath := func(path string) playback.Playback {
		p := edgeAuth("film", path)
		p.EdgeAuth.URLPath = path
		return p
	}
	return map[string]lintCase{
		"url_path of a playlist":       {playbacks: []playback.Playback{urlPath("/vod/film/a.m3u8")}, want: []string{"film: playlist_only"}, says: []string{`An acl of "/vod/film/*" opens both`}},
		"url_path of a file":           one(urlPath("/vod/film/a.mp4")),
		"acl of playlists":             one(edgeAuth("film", "/vod/film/a.mpd", "/vod/film/a.mpd", "/vod/film/b.m3u8"), "film: playlist_only"),
		"acl of a directory":           one(edgeAuth("film", "/vod/film/a.m3u8", "/vod/film/a.m3u8", "/vod/film/segments/*")),
		"uri of a playlist":            {playbacks: []playback.Playback{qencode("lesson", "/lesson/a.m3u8", "lesson/a.m3u8")}, want: []string{"lesson: playlist_only"}, says: []string{"no cookie"}},
		"uri of a file":                one(qencode("lesson", "/lesson/a.mp4", "lesson/a.mp4")),
		"uri of a directory":           one(qencode("lesson", "/lesson/a.m3u8", "lesson/")),
		"uri is a playback id":         one(qencode("show", "/abc.m3u8", "abc")),
		"whole bucket":                 one(qencode("lesson", "/lesson/a.m3u8", "")),
		"hdnts, whose cookie is wider": one(hdnts("event", "s1")),
	}
}

func scopeCases() map[string]lintCase {
	both := func(a, b playback.Playback, want ...string) lintCase {
		return lintCase{playbacks: []playback.Playback{a, b}, want: want}
	}
	many := make([]playback.Playback, 0, 5)
	want := []string{}
	for i := range cap(many) {
		many = append(many, hdnts(fmt.Sprintf("e%d", i), "s1"))
		want = append(want, fmt.Sprintf("e%d: opens_others", i))
	}
	return map[string]lintCase{
		"two of one stream target":               both(hdnts("a", "s1"), hdnts("b", "s1"), "a: opens_others", "b: opens_others"),
		"two of two stream targets":              both(hdnts("a", "s1"), hdnts("b", "s2")),
		"one stream target, two keys":            both(hdnts("a", "s1"), hdnts("b", "s1", elsewhere)),
		"a stream target as another's second":    both(hdnts("a", "s1", alternate("s2")), hdnts("b", "s2"), "a: opens_others", "b: opens_others"),
		"live opens recordings, none opens it":   both(hdnts("a", "s1"), hdnts("b", "s1", vod("v1")), "a: opens_others"),
		"two recordings":                         both(hdnts("a", "s1", vod("v1")), hdnts("b", "s1", vod("v2"))),
		"more than can be named":                 {playbacks: many, want: want, says: []string{"open e1, e2, e3 and others", "open e0, e1, e2 and others"}},
		"acl above another's":                    both(edgeAuth("a", "/vod/a.m3u8", "/vod/*"), edgeAuth("b", "/vod/b/b.m3u8", "/vod/b/*"), "a: opens_others"),
		"acl above another's escaped path":       both(edgeAuth("a", "/vod/a.m3u8", "/vod/*"), edgeAuth("b", "/%76od/b/b.m3u8", "/vod/b/*"), "a: opens_others"),
		"acl beside another's":                   both(edgeAuth("a", "/vod/a/a.m3u8", "/vod/a/*"), edgeAuth("b", "/vod/ab/b.m3u8", "/vod/ab/*")),
		"acl that holds another's playlist":      both(edgeAuth("a", "/vod/a/a.m3u8", "/vod/a/*", "/vod/b/b.m3u8"), edgeAuth("b", "/vod/b/b.m3u8", "/vod/b/*"), "a: opens_others"),
		"uri above another's":                    both(qencode("a", "/c/a.m3u8", "c/"), qencode("b", "/c/b/b.m3u8", "c/b/"), "a: opens_others"),
		"whole bucket, and an object in it":      both(qencode("a", "/a/a.m3u8", ""), qencode("b", "/b/b.mp4", "b/b.mp4"), "a: opens_others"),
		"an object in what another plays":        both(qencode("a", "/c/a.mp4", "c/a.mp4"), qencode("b", "/c/a.mp4", ""), "a: opens_others", "b: opens_others"),
		"two playback ids":                       both(qencode("a", "/a.m3u8", "ida"), qencode("b", "/b.m3u8", "idb")),
		"two names of one Agora path":            both(agora("a", "/live/x.flv"), agora("b", "/live/x.flv"), "a: opens_others", "b: opens_others"),
		"two forms of one Agora stream":          both(agora("a", "/live/x.flv"), agora("b", "/live/x/playlist.m3u8")),
		"in the order of ids, whatever is given": both(hdnts("b", "s1"), hdnts("a", "s1"), "a: opens_others", "b: opens_others"),
	}
}

func directoryCases() map[string]lintCase {
	elsewhere := func(p playback.Playback) playback.Playback {
		p.TargetID = "elsewhere"
		return p
	}
	own := func(p playback.Playback) playback.Playback {
		p.URL = strings.Replace(p.URL, "play.example.com", "play-"+p.Qencode.URI+".qencode.com", 1)
		return p
	}
	urlPath := func(id, path string) playback.Playback {
		p := edgeAuth(id, path)
		p.EdgeAuth.URLPath = path
		return p
	}
	return map[string]lintCase{
		"playlists side by side": {
			playbacks: []playback.Playback{qencode("a", "/c/a.m3u8", "ida"), qencode("b", "/c/b.m3u8", "idb")},
			want:      []string{"a: shared_directory", "b: shared_directory"}, says: []string{"those of b,", "those of a,", "whatever host"},
		},
		"playlists side by side, one host each": {
			playbacks: []playback.Playback{qencode("a", "/c/a.m3u8", "ida"), elsewhere(urlPath("b", "/c/b.m3u8"))},
			want:      []string{"a: shared_directory", "b: playlist_only", "b: shared_directory"},
		},
		"playlists side by side, one acl": {
			playbacks: []playback.Playback{edgeAuth("a", "/c/a.m3u8", "/c/*"), edgeAuth("b", "/c/b.m3u8", "/c/*")},
			want:      []string{"a: opens_others", "b: opens_others"},
		},
		"live streams on Qencode's own hosts": {playbacks: []playback.Playback{
			own(qencode("a", "/qhls/qlive/playlist.m3u8", "ida")), own(qencode("b", "/qhls/qlive/playlist.m3u8", "idb")),
		}},
		"a playlist above another's directory": {playbacks: []playback.Playback{qencode("a", "/c/a.m3u8", "ida"), qencode("b", "/c/b/b.m3u8", "idb")}},
		"one file, one host each": {
			playbacks: []playback.Playback{qencode("a", "/c/a.mp4", "c/a.mp4"), elsewhere(agora("b", "/c/a.mp4"))}, want: []string{"a: shared_directory", "b: shared_directory"},
		},
		"files side by side":    {playbacks: []playback.Playback{qencode("a", "/c/a.mp4", "c/a.mp4"), qencode("b", "/c/b.mp4", "c/b.mp4")}},
		"playlists at the root": {playbacks: []playback.Playback{qencode("a", "/a.m3u8", "ida"), qencode("b", "/b.m3u8", "idb")}},
	}
}

// TestFindingsOfNothing: an empty list is written as one.
func TestFindingsOfNothing(t *testing.T) {
	t.Parallel()
	if got := policylint.Lint(policylint.Input{}); got == nil || len(got) != 0 {
		t.Errorf("got %v, want an empty list", got)
	}
}

// TestLintOfManyInOnePlace would have 400 million pairs to look at, if it looked at pairs.
func TestLintOfManyInOnePlace(t *testing.T) {
	t.Parallel()
	const many = 20_000
	in := policylint.Input{Playbacks: make([]playback.Playback, many)}
	for i := range in.Playbacks {
		in.Playbacks[i] = edgeAuth(fmt.Sprintf("p%06d", i), fmt.Sprintf("/vod/%d.m3u8", i), "/vod/*")
	}
	if got := len(policylint.Lint(in)); got != many {
		t.Errorf("%d findings, want %d", got, many)
	}
}

// TestTheDocumentListsEveryID compares the table of docs/policies.md with the code.
func TestTheDocumentListsEveryID(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## What lint finds\n")
	if !found {
		t.Fatal("docs/policies.md has no section \"What lint finds\"")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var listed []policylint.ID
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([^|]+) \\| ([^|]+) \\|$").FindAllStringSubmatch(section, -1) {
		listed = append(listed, policylint.ID(row[1]))
	}
	if diff := cmp.Diff(policylint.IDs(), listed); diff != "" {
		t.Errorf("the table of docs/policies.md (-code +document):\n%s", diff)
	}
	if ids := policylint.IDs(); len(slices.Compact(slices.Sorted(slices.Values(ids)))) != len(ids) {
		t.Errorf("an id is there twice: %v", ids)
	}
}
