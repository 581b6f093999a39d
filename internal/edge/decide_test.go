package edge_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/edge"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// ask decides about a target with the cookies that were given, and adds the one of the answer.
func (w *world) ask(target string, jar *[]*http.Cookie) edge.Answer {
	w.t.Helper()
	ask := &edge.Ask{URI: target, ClientIP: netip.MustParseAddr("192.0.2.7")}
	if jar != nil {
		ask.Cookies = *jar
	}
	answer := w.Decide(w.t.Context(), ask)
	if jar != nil && answer.Cookie != nil {
		*jar = append(*jar, answer.Cookie)
	}
	return answer
}

func (w *world) wants(when string, answer edge.Answer, status int, reason tokens.Reason) {
	w.t.Helper()
	if answer.Status() != status || answer.Reason != reason {
		w.t.Errorf("%s: %d %s (%s), want %d %s", when, answer.Status(), answer.Reason, answer.Detail, status, reason)
	}
}

// Every scheme: the playlist with its token, then the other files by the cookie, and nothing else.
func TestATokenOpensItsPlaybackAndNothingElse(t *testing.T) {
	w := newWorld(t)
	for id, segment := range map[string]string{
		"event": "/1/S1/event/hls/live/seg_1.ts", "film": "/vod/film/v1/seg_1.ts", "concert": "/b7f2/seg_1.ts", "match": "/live/match/seg_1.ts",
	} {
		var jar []*http.Cookie
		target := w.sign(id, "")
		path, query, _ := strings.Cut(target, "?")
		w.wants(id+" without anything", w.ask(path, nil), 401, tokens.Malformed)
		w.wants(id+" segment without anything", w.ask(segment, nil), 401, tokens.Malformed)
		answer := w.ask(target, &jar)
		w.wants(id, answer, 200, "")
		if answer.Playback != id || len(jar) != 1 || !jar[0].HttpOnly || !strings.HasPrefix(segment, jar[0].Path) {
			t.Errorf("%s: %+v, %v", id, answer, jar)
		}
		w.wants(id+" segment", w.ask(segment, &jar), 200, "")
		w.wants(id+" playlist again", w.ask(target, &jar), 200, "")
		if len(jar) != 1 {
			t.Errorf("%s: the cookie is set twice", id)
		}
		at := len(query) / 2
		changed := path + "?" + query[:at] + flip(query[at]) + query[at+1:]
		if got := w.ask(changed, nil); got.Outcome == edge.Allowed {
			t.Errorf("%s: %s is allowed", id, changed)
		}
		for other, file := range map[string]string{"event": "/1/S1/event/hls/live/seg_1.ts", "film": "/vod/film/v1/seg_1.ts"} {
			if other != id {
				w.wants(id+" cookie for "+other, w.ask(file, &jar), 403, tokens.PathNotCovered)
				if got := w.ask(file+"?"+query, nil); got.Outcome == edge.Allowed {
					t.Errorf("%s: its token opens %s", id, other)
				}
			}
		}
		w.wants(id+" elsewhere", w.ask("/elsewhere/x.ts?"+query, &jar), 403, tokens.NotFound)
	}
	w.advance(2 * time.Minute)
	var jar []*http.Cookie
	target := w.sign("event", "")
	w.wants("a new token", w.ask(target, &jar), 200, "")
	w.advance(2 * time.Minute)
	w.wants("an expired token", w.ask(target, nil), 403, tokens.Expired)
	w.wants("the cookie of an expired token", w.ask("/1/S1/event/hls/live/seg_9.ts", &jar), 403, tokens.Expired)
}

func flip(c byte) string {
	if c == 'a' {
		return "b"
	}
	return "a"
}

// A session that is refreshed carries the viewer past the token in the URL, also through a rotation; one that
// ended carries nobody.
func TestASessionCountsBeyondItsToken(t *testing.T) {
	w := newWorld(t)
	const sid = "0123456789abcdef0123456789abcdef"
	target := w.open("show", sid)
	segment := "/1/S2/show/hls/live/seg_1.ts"
	var jar []*http.Cookie
	answer := w.ask(target, &jar)
	w.wants("at first", answer, 200, "")
	if answer.Viewer != "ada" {
		t.Errorf("viewer %q", answer.Viewer)
	}
	w.wants("without its session", w.ask(w.sign("show", ""), nil), 403, tokens.SessionEnded)
	w.wants("with a session that nobody opened", w.ask(w.sign("show", "")+"&sid="+strings.Repeat("0", 32), nil), 403, tokens.SessionEnded)
	w.wants("with two sessions", w.ask(target+"&sid="+sid, nil), 403, tokens.Malformed)
	w.wants("with another playback's session", w.ask(w.sign("event", "")+"&sid="+sid, nil), 403, tokens.SessionEnded)
	w.wants("with a changed token", w.ask(strings.Replace(target, "hmac=", "hmac=0", 1), nil), 403, tokens.Malformed)

	w.advance(50 * time.Second)
	s := w.sessions.all[sid]
	s.ExpiresAt, s.TokenExpiresAt = w.now().Add(time.Minute), w.now().Add(time.Minute)
	w.sessions.put(s)
	w.advance(30 * time.Second)
	w.wants("past the token, refreshed", w.ask(target, &jar), 200, "")
	w.wants("its segment", w.ask(segment, &jar), 200, "")
	w.change("wowza", func(r *keystore.Record) error { return r.Retire(1, true, w.now(), keystore.DefaultTiming()) })
	w.advance(0)
	w.wants("after the key was retired", w.ask(segment, &jar), 200, "")

	ended := s
	ended.EndedAt, ended.End = w.now(), session.Ended
	w.sessions.put(ended)
	for range 20 { // "preview" is at the same path, and the two are tried in no order
		w.wants("revoked", w.ask(segment, &jar), 403, tokens.Revoked)
	}
	ended.End = session.Stopped
	w.sessions.put(ended)
	w.wants("stopped", w.ask(target, nil), 403, tokens.SessionEnded)
	w.sessions.put(s)
	w.advance(2 * time.Minute)
	w.wants("not refreshed in time", w.ask(segment, &jar), 403, tokens.SessionEnded)
}

// What is not known is refused, and said not to be known.
func TestWhatIsNotKnownIsRefused(t *testing.T) {
	w := newWorld(t)
	target := w.sign("show", "") + "&sid=bad"
	w.wants("a session that cannot be read", w.ask(target, nil), 503, tokens.Unavailable)
	at := strings.Index(target, "hmac=") + len("hmac=")
	w.wants("a session that a forged token names", w.ask(target[:at]+flip(target[at])+target[at+1:], nil), 403, tokens.BadSignature)
	w.sessions.stale = true
	w.wants("with stale sessions", w.ask(w.sign("event", ""), nil), 503, tokens.Unavailable)
	w.sessions.stale = false
	event := w.sign("event", "")
	w.mu.Lock()
	w.at = w.at.Add(keystore.DefaultTiming().SnapshotMaxAge + time.Second) // without a refresh
	w.mu.Unlock()
	w.wants("with stale keys", w.ask(event, nil), 503, tokens.Unavailable)
}

func TestARevokedPlaybackOpensOnlyToSessions(t *testing.T) {
	w := newWorld(t)
	w.sessions.held["event"] = &session.Revocation{Kind: session.OfPlayback, Subject: "event", At: w.now(), Holds: true}
	w.wants("without a session", w.ask(w.sign("event", ""), nil), 403, tokens.Revoked)
	const sid = "fedcba9876543210fedcba9876543210"
	w.wants("with a session of afterwards", w.ask(w.open("event", sid), nil), 200, "")
}

func TestAnAddressIsPartOfTheToken(t *testing.T) {
	w := newWorld(t)
	target := w.sign("bound", "192.0.2.7")
	w.wants("from the address", w.ask(target, nil), 200, "")
	for _, ip := range []netip.Addr{{}, netip.MustParseAddr("192.0.2.8"), netip.MustParseAddr("2001:db8::7")} {
		w.wants("from "+ip.String(), w.Decide(t.Context(), &edge.Ask{URI: target, ClientIP: ip}), 403, tokens.IPMismatch)
	}
}

// One spelling for each file: what a proxy and an origin may read differently opens nothing.
func TestOddSpellingsOfAPathAreRefused(t *testing.T) {
	w := newWorld(t)
	target := w.sign("event", "")
	path, query, _ := strings.Cut(target, "?")
	dir, file := path[:strings.LastIndexByte(path, '/')], path[strings.LastIndexByte(path, '/')+1:]
	for _, odd := range []string{
		"", "1/S1/event/hls/live/" + file, dir + "//" + file, "//" + path[1:], dir + "/./" + file, dir + "/x/../" + file, dir + "/%2e%2e/" + file, dir + "/%2E./" + file,
		dir + "%2f" + file, dir + "%2F" + file, dir + "%5c" + file, dir + "\\" + file, dir + "/%00" + file, dir + "/%252e%252e/" + file, dir + "/..;/" + file,
		dir + "/%" + file, dir + "/%zz" + file, dir + "/a b", dir + "/é.ts", dir + "/a\x00b", dir + "/x#" + file, dir + "/%0a" + file, dir + "/..", dir + "/.",
		dir + "/" + strings.Repeat("a", 9000),
	} {
		w.wants(odd, w.ask(odd+"?"+query, nil), 403, tokens.Malformed)
	}
	for _, plain := range []string{path, dir + "/a%20b.ts", dir + "/..a/b", dir + "/a..b", dir + "/~x/seg,1.ts"} {
		w.wants(plain, w.ask(plain+"?"+query, nil), 200, "")
	}
}

// A neighbour's token opens neither the URL of another playback nor what stands in its directory, in no spelling.
func TestACookieStopsWhereAnotherPlaybackBegins(t *testing.T) {
	w := newWorld(t)
	for _, p := range []playback.Playback{
		{ID: "lobby", TargetID: "akamai", URL: "https://cdn.example/live/lobby.m3u8", EdgeAuth: &playback.EdgeAuth{URLPath: "/live/lobby.m3u8"}},
		{ID: "final", TargetID: "akamai", URL: "https://cdn.example/live/final.m3u8", EdgeAuth: &playback.EdgeAuth{URLPath: "/live/final.m3u8"}},
	} {
		p.TTL = time.Minute
		_, err := w.store.CreatePlayback(t.Context(), p)
		w.must(err)
	}
	w.must(w.Catalogue.Refresh(t.Context()))
	var jar []*http.Cookie
	w.wants("the lobby", w.ask(w.sign("lobby", ""), &jar), 200, "")
	w.wants("its segment", w.ask("/live/lobby_1.ts", &jar), 200, "")
	for _, other := range []string{"/live/final.m3u8", "/live/fin%61l.m3u8", "/live/derby.flv", "/live/match/playlist.m3u8", "/live/match/seg_1.ts", "/live/m%61tch/seg_1.ts"} {
		w.wants(other, w.ask(other, &jar), 403, tokens.PathNotCovered)
	}
	const sid = "00112233445566778899aabbccddeeff"
	jar = nil
	w.wants("one file", w.ask(strings.Replace(w.open("derby", sid), "&sid=", "&token=", 1), &jar), 200, "")
	w.wants("its neighbour", w.ask("/live/lobby_1.ts", &jar), 403, tokens.PathNotCovered)
}

func TestCookiesOfOthersAreNotBelieved(t *testing.T) {
	w := newWorld(t)
	segment := "/1/S1/event/hls/live/seg_1.ts"
	var jar []*http.Cookie
	w.wants("the playlist", w.ask(w.sign("event", ""), &jar), 200, "")
	good := jar[0]
	for _, value := range []string{"", "!", good.Value + "A", good.Value[:len(good.Value)-4], strings.Repeat("A", 5000)} {
		jar := []*http.Cookie{{Name: good.Name, Value: value}}
		if got := w.ask(segment, &jar); got.Outcome != edge.Refused {
			t.Errorf("%.40q: %+v", value, got)
		}
	}
	var many []*http.Cookie
	for range 8 {
		many = append(many, &http.Cookie{Name: good.Name, Value: "x"})
	}
	many = append(many, good)
	if got := w.ask(segment, &many); got.Outcome != edge.Refused {
		t.Errorf("the ninth cookie counts: %+v", got)
	}
	many = append(many[:3:3], good)
	w.wants("the fourth cookie", w.ask(segment, &many), 200, "")
}

// Playlists at the root get their cookies back with every request there: those that a viewer has watched before take
// no place from the one that counts.
func TestCookiesOfOtherPlaybacksTakeNoPlace(t *testing.T) {
	w := newWorld(t)
	var jar []*http.Cookie
	for _, id := range []string{"c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"} {
		p := playback.Playback{ID: id, TargetID: "qencode", URL: "https://cdn.example/" + id + ".m3u8", Qencode: &playback.Qencode{URI: id}, TTL: time.Minute}
		_, err := w.store.CreatePlayback(t.Context(), p)
		w.must(err)
		w.must(w.Catalogue.Refresh(t.Context()))
		w.wants(id, w.ask(w.sign(id, ""), &jar), 200, "")
		w.wants("a segment of "+id, w.ask("/"+id+"/seg_1.ts", &jar), 200, "")
	}
	w.wants("a segment of the first", w.ask("/c1/seg_1.ts", &jar), 200, "")
}
