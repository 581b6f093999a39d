package edge_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/edge"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/agora"
	"github.com/tokensvc/tokensvc/tokens/akamai"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

const (
	akamaiPlaylist  = "/hls/live/playlist.m3u8"
	akamaiPlaylist2 = "/hls/archive/playlist.m3u8"
	agoraPlaylist   = "/live/event/playlist.m3u8"
	agoraPlaylist2  = "/live/event-b/playlist.m3u8"
	playbackID      = "5b7e1c1e-0f0a-4d7e-9f5e-2f1f0c9d8a77"
	qencodeLive     = "/" + playbackID + ".m3u8"
	qencodeDefault  = "/qhls/qlive/playlist.m3u8"
	qencodeObject   = "/movies/big/playlist.m3u8"
	qencodeObject2  = "/movies/small/playlist.m3u8"
)

func startAkamai(t *testing.T) (*world, tokens.Key) {
	t.Helper()
	w := start(t, []edge.Stream{
		{Scheme: akamai.Name, Target: "akamai", Playlist: akamaiPlaylist, Live: true},
		{Scheme: akamai.Name, Target: "akamai", Playlist: akamaiPlaylist2},
		{Scheme: akamai.Name, Target: "akamai-b", Playlist: "/hls/b/playlist.m3u8"},
	}, nil)
	key := prepare(t, akamai.Scheme{}, tokens.Material{Secret: tokens.NewSecret([]byte("00112233445566778899aabbccddeeff"))})
	w.setKeys("akamai", key)
	w.setKeys("akamai-b", key)
	return w, key
}

func TestEdgeAuthSessionFitsTheACL(t *testing.T) {
	w, key := startAkamai(t)
	chunklist, chunklist2 := sibling(akamaiPlaylist, "chunklist.m3u8"), sibling(akamaiPlaylist2, "chunklist.m3u8")
	for name, c := range map[string]struct {
		p      akamai.Params
		path   string
		second int // status of the other stream's chunklist with the cookie
	}{
		"directory":         {akamai.Params{ACL: []string{"/hls/live/*"}}, "/hls/live/", http.StatusForbidden},
		"parent":            {akamai.Params{ACL: []string{"/hls/*"}}, "/hls/", http.StatusOK},
		"everything":        {akamai.Params{ACL: []string{"/*"}}, "/", http.StatusOK},
		"list":              {akamai.Params{ACL: []string{"/hls/archive/*", "/hls/live/*"}}, "/hls/live/", http.StatusForbidden},
		"one path":          {akamai.Params{ACL: []string{akamaiPlaylist}}, "/hls/live/", http.StatusForbidden},
		"one path, not acl": {akamai.Params{URLPath: akamaiPlaylist}, "/hls/live/", http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			c.p.Expire = w.expiry()
			token := w.sign(key, c.p)
			for _, param := range []string{"hdnts", "hdnea"} {
				a := w.want(http.StatusOK, "", akamaiPlaylist+"?"+param+"="+token)
				if a.cookie == nil || a.cookie.Path != c.path || !a.cookie.HttpOnly || a.cookie.SameSite != http.SameSiteLaxMode {
					t.Fatalf("cookie %v, want path %s", a.cookie, c.path)
				}
				list := w.want(http.StatusOK, "", chunklist, withCookie(a.cookie))
				w.want(http.StatusOK, "", children(list.body, akamaiPlaylist)[0], withCookie(a.cookie))
				if got := w.get(chunklist2, withCookie(a.cookie)).status; got != c.second {
					t.Errorf("the other stream answers %d, want %d", got, c.second)
				}
				// The session is of the target whose key signed.
				w.want(http.StatusForbidden, tokens.PathNotCovered, "/hls/b/chunklist.m3u8", withCookie(a.cookie))
			}
			w.want(http.StatusForbidden, tokens.Malformed, akamaiPlaylist+"?hdnts="+token+"&hdnea="+token)
			w.want(http.StatusForbidden, tokens.Malformed, chunklist)
		})
	}
}

func TestEdgeAuthRefusals(t *testing.T) {
	w, key := startAkamai(t)
	token := w.sign(key, akamai.Params{ACL: []string{"/hls/live/*"}, Expire: w.expiry()})
	signed := akamaiPlaylist + "?hdnts=" + token
	cookie := w.want(http.StatusOK, "", signed).cookie
	for _, changed := range changes(token) {
		if a := w.get(akamaiPlaylist + "?hdnts=" + changed); a.status != http.StatusForbidden || a.cookie != nil {
			t.Errorf("%s: %d, cookie %v", changed, a.status, a.cookie)
		}
	}
	w.want(http.StatusForbidden, tokens.PathNotCovered, akamaiPlaylist2+"?hdnts="+token)
	w.want(http.StatusForbidden, tokens.Malformed, akamaiPlaylist)
	w.sleep(time.Hour)
	w.want(http.StatusForbidden, tokens.Expired, signed)
	w.want(http.StatusOK, "", signed, withCookie(cookie))
}

func startQencode(t *testing.T) (*world, tokens.Key) {
	t.Helper()
	w := start(t, []edge.Stream{
		{Scheme: qencode.Name, Target: "qencode", Playlist: qencodeLive, PlaybackID: playbackID, Live: true},
		{Scheme: qencode.Name, Target: "qencode", Playlist: qencodeDefault, PlaybackID: "another", Live: true},
		{Scheme: qencode.Name, Target: "bucket", Playlist: qencodeObject},
		{Scheme: qencode.Name, Target: "bucket", Playlist: qencodeObject2},
	}, nil)
	private, err := rsa.GenerateKey(rand.Reader, qencode.MinBits)
	if err != nil {
		t.Fatal(err)
	}
	key := prepare(t, qencode.Scheme{}, tokens.Material{ID: "key-1", Secret: tokens.NewSecret(x509.MarshalPKCS1PrivateKey(private))})
	w.setKeys("qencode", key)
	w.setKeys("bucket", key)
	return w, key
}

// walk plays as a player without cookies does: it follows the URIs of the playlists as they stand.
func (w *world) walk(signed string) {
	w.t.Helper()
	master := w.want(http.StatusOK, "", signed)
	if master.cookie != nil {
		w.t.Errorf("cookie %v; this scheme has none", master.cookie)
	}
	media := children(master.body, signed)
	if len(media) != 1 {
		w.t.Fatalf("%d variants in\n%s", len(media), master.body)
	}
	segments := children(w.want(http.StatusOK, "", media[0]).body, media[0])
	if len(segments) == 0 {
		w.t.Fatalf("%s lists no segments", media[0])
	}
	for _, s := range append(segments, media[0]) {
		a := w.want(http.StatusOK, "", s)
		bare, _, _ := strings.Cut(s, "?")
		w.want(http.StatusForbidden, tokens.Malformed, bare)
		if strings.HasSuffix(bare, ".ts") && a.body[0] != 0x47 {
			w.t.Errorf("%s is not a segment", bare)
		}
	}
}

func TestQencodeTokenFollowsToTheChildren(t *testing.T) {
	w, key := startQencode(t)
	w.walk(qencodeLive + "?auth=" + w.sign(key, qencode.Params{URI: playbackID, Expire: w.expiry()}))
	w.walk(qencodeDefault + "?auth=" + w.sign(key, qencode.Params{URI: "another", Expire: w.expiry()}))
	w.walk(qencodeObject + "?auth=" + w.sign(key, qencode.Params{URI: "movies/big/", Expire: w.expiry()}))
	w.walk(qencodeObject + "?auth=" + w.sign(key, qencode.Params{WholeBucket: true, Expire: w.expiry()}))
}

func TestQencodeRefusals(t *testing.T) {
	w, key := startQencode(t)
	token := w.sign(key, qencode.Params{URI: playbackID, Expire: w.expiry()})
	signed := qencodeLive + "?auth=" + token
	w.want(http.StatusOK, "", signed)
	for _, changed := range changes(token) {
		if a := w.get(qencodeLive + "?auth=" + changed); a.status != http.StatusForbidden {
			t.Errorf("%s: %d", changed, a.status)
		}
	}
	w.want(http.StatusForbidden, tokens.PathNotCovered, qencodeDefault+"?auth="+token)
	w.want(http.StatusForbidden, tokens.PathNotCovered, qencodeObject+"?auth="+token)
	w.want(http.StatusForbidden, tokens.Malformed, signed+"&auth="+token)
	w.want(http.StatusForbidden, tokens.Malformed, qencodeLive)

	object := w.sign(key, qencode.Params{URI: "movies/big/playlist.m3u8", Expire: w.expiry()})
	w.want(http.StatusOK, "", qencodeObject+"?auth="+object)
	w.want(http.StatusForbidden, tokens.PathNotCovered, sibling(qencodeObject, "chunklist.m3u8")+"?auth="+object)
	w.want(http.StatusForbidden, tokens.PathNotCovered, qencodeObject2+"?auth="+object)

	w.sleep(time.Minute - time.Second)
	w.want(http.StatusOK, "", signed)
	w.sleep(time.Second) // RFC 7519: not accepted on or after exp
	w.want(http.StatusForbidden, tokens.Expired, signed)
}

func TestAgoraChecksEachPlaylistRequest(t *testing.T) {
	w := start(t, []edge.Stream{
		{Scheme: agora.Name, Target: "agora", Playlist: agoraPlaylist, Live: true},
		{Scheme: agora.Name, Target: "agora", Playlist: agoraPlaylist2},
	}, nil)
	key := prepare(t, agora.Scheme{}, tokens.Material{Secret: tokens.NewSecret([]byte("z2tn3uiny0aasebz"))})
	w.setKeys("agora", key)
	token := w.sign(key, agora.Params{URL: "https://play.example" + agoraPlaylist, Expire: w.expiry()})
	signed := agoraPlaylist + "?" + token

	a := w.want(http.StatusOK, "", signed)
	if a.cookie != nil || !strings.Contains(a.body, "#EXTINF") {
		t.Errorf("cookie %v; want none, and the media playlist itself:\n%s", a.cookie, a.body)
	}
	segments := children(a.body, agoraPlaylist)
	w.want(http.StatusOK, "", segments[len(segments)-1])
	w.want(http.StatusNotFound, "", sibling(agoraPlaylist, "chunklist.m3u8")+"?"+token)

	for _, changed := range changes(token) {
		if a := w.get(agoraPlaylist + "?" + changed); a.status != http.StatusForbidden {
			t.Errorf("%s: %d", changed, a.status)
		}
	}
	w.want(http.StatusForbidden, tokens.BadSignature, agoraPlaylist2+"?"+token)
	w.want(http.StatusForbidden, tokens.Malformed, agoraPlaylist)
	w.want(http.StatusForbidden, tokens.Malformed, signed+"&ts=1")
	w.want(http.StatusForbidden, tokens.Malformed, signed+"&sign=1")

	w.sleep(time.Minute)
	w.want(http.StatusOK, "", signed)
	w.sleep(time.Second)
	w.want(http.StatusForbidden, tokens.Expired, signed)
	fresh := w.sign(key, agora.Params{URL: "https://play.example" + agoraPlaylist, Expire: w.expiry()})
	w.want(http.StatusOK, "", agoraPlaylist+"?"+fresh)
}
