package edge_test

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/edge"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

func sibling(playlist, name string) string {
	return strings.Replace(playlist, "playlist.m3u8", name, 1)
}

func TestHdntsTokenOpensASessionThatOpensTheRest(t *testing.T) {
	w, key := startHdnts(t, nil)
	token := w.sign(key, wowza.Params{StreamID: "LiveStream", Expire: w.expiry()})
	signed := livePlaylist + "?hdnts=" + token

	a := w.want(http.StatusOK, "", signed)
	if a.cookie == nil {
		t.Fatal("no cookie")
	}
	if c := a.cookie; c.Path != "/1/LiveStream/" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Domain != "" || len(c.Value) < 26 {
		t.Errorf("cookie %v", c)
	}
	if got := a.header.Get("Content-Type"); got != "application/vnd.apple.mpegurl" {
		t.Errorf("Content-Type %q", got)
	}
	chunklist := children(a.body, livePlaylist)
	if !slices.Equal(chunklist, []string{sibling(livePlaylist, "chunklist.m3u8")}) {
		t.Fatalf("master playlist lists %q", chunklist)
	}
	list := w.want(http.StatusOK, "", chunklist[0], withCookie(a.cookie))
	segments := children(list.body, livePlaylist)
	if len(segments) == 0 {
		t.Fatal("no segments")
	}
	for _, s := range segments {
		seg := w.want(http.StatusOK, "", s, withCookie(a.cookie))
		if seg.body[0] != 0x47 || seg.cookie != nil || seg.header.Get("Content-Type") != "video/mp2t" {
			t.Errorf("%s: not a plain segment: %v", s, seg.header)
		}
	}
	w.want(http.StatusForbidden, tokens.Malformed, chunklist[0])
	w.want(http.StatusForbidden, tokens.Malformed, segments[0])
	w.want(http.StatusForbidden, tokens.Malformed, livePlaylist)
	// A token opens playlists, not segments.
	w.want(http.StatusForbidden, tokens.Malformed, segments[0]+"?hdnts="+token)

	// Any playlist will do for the first request.
	b := w.want(http.StatusOK, "", chunklist[0]+"?hdnts="+token)
	if b.cookie == nil || b.cookie.Value == a.cookie.Value {
		t.Error("the media playlist opened no session of its own")
	}
	// A viewer with a session gets no second one.
	if again := w.want(http.StatusOK, "", signed, withCookie(a.cookie)); again.cookie != nil {
		t.Error("a second session for one viewer")
	}
}

func TestHdntsSessionOutlivesTheToken(t *testing.T) {
	w, key := startHdnts(t, nil)
	signed := livePlaylist + "?hdnts=" + w.sign(key, wowza.Params{StreamID: "LiveStream", Expire: w.expiry()})
	cookie := w.want(http.StatusOK, "", signed).cookie

	w.sleep(time.Minute)
	w.want(http.StatusOK, "", signed) // expired is now > exp
	w.sleep(time.Second)
	w.want(http.StatusForbidden, tokens.Expired, signed)
	w.want(http.StatusOK, "", signed, withCookie(cookie))
	list := w.want(http.StatusOK, "", sibling(livePlaylist, "chunklist.m3u8"), withCookie(cookie))
	w.want(http.StatusOK, "", children(list.body, livePlaylist)[0], withCookie(cookie))

	// The session also survives a change of the key, as it must for viewers to play through a cut.
	w.setKeys("wowza", hdntsKey(t, "ffeeddccbbaa99887766554433221100"))
	w.want(http.StatusOK, "", signed, withCookie(cookie))
}

func TestHdntsSessionAndANewSecret(t *testing.T) {
	for name, c := range map[string]struct {
		bound  bool
		status int
		reason tokens.Reason
	}{
		"the cookie survives":             {status: http.StatusOK},
		"the cookie ends with its secret": {bound: true, status: http.StatusForbidden, reason: tokens.PathNotCovered},
	} {
		t.Run(name, func(t *testing.T) {
			w, older := startHdnts(t, func(cfg *edge.Config) { cfg.CookieBoundToSecret = c.bound })
			p := wowza.Params{StreamID: "LiveStream", Expire: w.expiry()}
			cookie := w.want(http.StatusOK, "", livePlaylist+"?hdnts="+w.sign(older, p)).cookie
			list := sibling(livePlaylist, "chunklist.m3u8")
			newer := hdntsKey(t, "0123456789abcdef0123456789abcdef")
			w.setKeys("wowza", older, newer)
			w.want(http.StatusOK, "", list, withCookie(cookie))
			w.setKeys("wowza", newer)
			w.want(c.status, c.reason, list, withCookie(cookie))
			fresh := w.want(http.StatusOK, "", livePlaylist+"?hdnts="+w.sign(newer, p), withCookie(cookie))
			if c.bound {
				w.want(http.StatusOK, "", list, withCookie(fresh.cookie))
			}
		})
	}
}

func TestHdntsRefusesEveryChangedCharacter(t *testing.T) {
	w, key := startHdnts(t, nil)
	token := w.sign(key, wowza.Params{StreamID: "VodStream", VODStreamID: "vod1", Expire: w.expiry(), IP: netip.MustParseAddr("127.0.0.1")})
	w.want(http.StatusOK, "", vodPlaylist+"?hdnts="+token)
	for _, changed := range changes(token) {
		a := w.get(vodPlaylist + "?hdnts=" + changed)
		if a.status != http.StatusForbidden || a.cookie != nil || a.reason() == "" {
			t.Errorf("%s: %d %q, cookie %v", changed, a.status, a.reason(), a.cookie)
		}
		if strings.Contains(a.body, changed[:40]) {
			t.Errorf("the answer repeats the token: %s", a.body)
		}
	}
	// One spelling only.
	encoded := w.want(http.StatusForbidden, tokens.Malformed, vodPlaylist+"?hdnts="+strings.ReplaceAll(token, "~", "%7e"))
	if !strings.Contains(encoded.body, "percent-encoded") {
		t.Errorf("the answer does not say what to change: %s", encoded.body)
	}
	w.want(http.StatusForbidden, tokens.Malformed, vodPlaylist+"?hdnts="+strings.ToUpper(token))
}

func TestHdntsScopes(t *testing.T) {
	w, key := startHdnts(t, nil)
	token := w.sign(key, wowza.Params{StreamID: "LiveStream", Expire: w.expiry()})
	cookie := w.want(http.StatusOK, "", livePlaylist+"?hdnts="+token).cookie

	w.want(http.StatusForbidden, tokens.BadSignature, otherPlaylist+"?hdnts="+token)
	// A browser would not send the cookie there; the edge does not rely on that.
	w.want(http.StatusForbidden, tokens.PathNotCovered, sibling(otherPlaylist, "chunklist.m3u8"), withCookie(cookie))
	w.want(http.StatusForbidden, tokens.PathNotCovered, sibling(livePlaylist, "chunklist.m3u8"), withCookie(&http.Cookie{Name: edge.CookieName, Value: strings.Repeat("A", 26)}))
	// A cookie of something else is no hindrance to a token.
	w.want(http.StatusOK, "", otherPlaylist+"?hdnts="+w.sign(key, wowza.Params{StreamID: "OtherStream", Expire: w.expiry()}), withCookie(cookie))

	vod := w.sign(key, wowza.Params{StreamID: "VodStream", VODStreamID: "vod1", Expire: w.expiry()})
	if c := w.want(http.StatusOK, "", vodPlaylist+"?hdnts="+vod).cookie; c == nil || c.Path != "/2/VodStream/" {
		t.Errorf("cookie %v, want path /2/VodStream/", c)
	}
	w.want(http.StatusForbidden, tokens.PathNotCovered, vodPlaylist2+"?hdnts="+vod)
	w.want(http.StatusOK, "", vodPlaylist2+"?hdnts="+w.sign(key, wowza.Params{StreamID: "VodStream", Expire: w.expiry()}))
	onLive := w.sign(key, wowza.Params{StreamID: "LiveStream", VODStreamID: "vod1", Expire: w.expiry()})
	w.want(http.StatusForbidden, tokens.PathNotCovered, livePlaylist+"?hdnts="+onLive)

	elsewhere := w.sign(key, wowza.Params{StreamID: "LiveStream", Expire: w.expiry(), IP: netip.MustParseAddr("192.0.2.1")})
	w.want(http.StatusForbidden, tokens.IPMismatch, livePlaylist+"?hdnts="+elsewhere)
	w.want(http.StatusForbidden, tokens.IPMismatch, livePlaylist+"?hdnts="+elsewhere, withHeader("X-Forwarded-For", "192.0.2.1"))
	later := w.sign(key, wowza.Params{StreamID: "LiveStream", Start: w.time().Add(time.Second), Expire: w.expiry()})
	w.want(http.StatusForbidden, tokens.NotYetValid, livePlaylist+"?hdnts="+later)
}

func TestHdntsRepeatedParameter(t *testing.T) {
	w, key := startHdnts(t, nil)
	token := w.sign(key, wowza.Params{StreamID: "LiveStream", Expire: w.expiry()})
	good := livePlaylist + "?hdnts=" + token
	cookie := w.want(http.StatusOK, "", good).cookie
	w.want(http.StatusOK, "", livePlaylist+"?a=b&hdnts="+token+"&hdnea=x")
	for _, query := range []string{"&hdnts=" + token, "&hdnts=", "&hdnts", "&hdnt%73=x", "&%"} {
		w.want(http.StatusForbidden, tokens.Malformed, good+query)
		w.want(http.StatusForbidden, tokens.Malformed, good+query, withCookie(cookie))
	}
	w.want(http.StatusForbidden, tokens.Malformed, livePlaylist+"?hdnt%73="+token)
	w.want(http.StatusForbidden, tokens.Malformed, livePlaylist+"?HDNTS="+token)
}

func TestHdntsPlaylistOnly(t *testing.T) {
	w, key := startHdnts(t, nil)
	w.want(http.StatusForbidden, tokens.Malformed, openPlaylist)
	a := w.want(http.StatusOK, "", openPlaylist+"?hdnts="+w.sign(key, wowza.Params{StreamID: "OpenStream", Expire: w.expiry()}))
	if a.cookie != nil {
		t.Errorf("cookie %v; this mode is for players without cookies", a.cookie)
	}
	list := w.want(http.StatusOK, "", sibling(openPlaylist, "chunklist.m3u8"))
	w.want(http.StatusOK, "", children(list.body, openPlaylist)[0])
}

func TestAnyKeyOfTheTargetCounts(t *testing.T) {
	w, older := startHdnts(t, nil)
	newer := hdntsKey(t, "0123456789abcdef0123456789abcdef")
	p := wowza.Params{StreamID: "LiveStream", Expire: w.expiry()}
	byOlder, byNewer := livePlaylist+"?hdnts="+w.sign(older, p), livePlaylist+"?hdnts="+w.sign(newer, p)
	w.want(http.StatusForbidden, tokens.BadSignature, byNewer)
	for _, keys := range [][]tokens.Key{{older, newer}, {newer, older}} {
		w.setKeys("wowza", keys...)
		w.want(http.StatusOK, "", byOlder)
		w.want(http.StatusOK, "", byNewer)
	}
	w.sleep(time.Hour)
	w.want(http.StatusForbidden, tokens.Expired, byOlder)
	w.want(http.StatusForbidden, tokens.Expired, byNewer)
	w.setKeys("wowza")
	w.want(http.StatusForbidden, tokens.UnknownKey, byOlder)
}

func TestSessionsAreBounded(t *testing.T) {
	w, key := startHdnts(t, func(c *edge.Config) { c.MaxSessions = 2 })
	signed := livePlaylist + "?hdnts=" + w.sign(key, wowza.Params{StreamID: "LiveStream", Expire: w.expiry()})
	one, two, three := w.get(signed).cookie, w.get(signed).cookie, w.get(signed).cookie
	list := sibling(livePlaylist, "chunklist.m3u8")
	w.want(http.StatusForbidden, tokens.PathNotCovered, list, withCookie(one))
	w.want(http.StatusOK, "", list, withCookie(two))
	w.want(http.StatusOK, "", list, withCookie(three))
}
