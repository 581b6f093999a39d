package playback

import (
	"net/url"
	"slices"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/akamai"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// checkAgreement refuses a URL that shows, in a form that its provider documents, another resource than
// the binding opens: every token would be sound, and none would play. URLs of other forms pass. The
// parameters hold the URL.
func checkAgreement(params tokens.Params) error {
	switch p := params.(type) {
	case *wowza.Params:
		return hdntsAgrees(p)
	case *akamai.Params:
		return edgeAuthAgrees(p)
	case *qencode.Params:
		return qencodeAgrees(p)
	default:
		return nil // Agora signs the path of the URL itself
	}
}

func hdntsAgrees(p *wowza.Params) error {
	shown, ok := wowza.ReadPath(tokens.RawPath(p.URL))
	switch {
	case !ok:
		return nil
	case shown.StreamID != p.StreamID:
		return disagrees("is that of stream %q, and stream_id is %q", shown.StreamID, p.StreamID)
	case p.VODStreamID == "", shown.VODStreamID == "", shown.VODStreamID == p.VODStreamID:
		return nil
	case shown.VODStreamID == wowza.Live:
		return disagrees("is that of a live stream, and vod_stream_id is %q; leave that out", p.VODStreamID)
	default:
		return disagrees("is that of the recording %q, and vod_stream_id is %q", shown.VODStreamID, p.VODStreamID)
	}
}

func edgeAuthAgrees(p *akamai.Params) error {
	path := tokens.RawPath(p.URL)
	if path == "" {
		path = "/"
	}
	if p.URLPath != "" {
		if normal, ok := akamai.Normalize(path); p.URLPath == path || ok && p.URLPath == normal {
			return nil
		}
		return disagrees("has the path %q, and url_path is %q", path, p.URLPath)
	}
	if slices.ContainsFunc(p.ACL, func(acl string) bool { return akamai.Matches(acl, akamai.DefaultACLDelimiter, path) }) {
		return nil
	}
	return disagrees("has the path %q, which no acl covers", path)
}

// qencodeAgrees knows Qencode's own hosts of live streams and of buckets, a playlist
// /PLAYBACK_ID.m3u8 on a custom domain, and, where the uri can be nothing else, object keys there.
func qencodeAgrees(p *qencode.Params) error {
	u, err := url.Parse(p.URL)
	if err != nil || p.WholeBucket {
		return err
	}
	host, key := strings.ToLower(u.Hostname()), strings.TrimPrefix(u.Path, "/")
	if label, ours := strings.CutSuffix(host, ".qencode.com"); ours {
		if id, live := strings.CutPrefix(label, "play-"); live {
			if !strings.EqualFold(id, p.URI) {
				return disagrees("is that of the playback id %q, and uri is %q", id, p.URI)
			}
			return nil
		}
	}
	inBucket := strings.HasSuffix(host, ".qencode.com") && strings.Contains(host, ".media-storage.")
	id, playlist := strings.CutSuffix(key, ".m3u8")
	switch {
	case key == "", key == p.URI, strings.HasSuffix(p.URI, "/") && strings.HasPrefix(key, p.URI):
		return nil
	case !inBucket && playlist && id == p.URI:
		return nil
	case !inBucket && strings.Contains(key, "/") && !strings.ContainsAny(p.URI, "/."):
		return nil // a playback id, behind a path of somebody's own
	}
	return disagrees("has the path %q, which the uri %q does not open", key, p.URI)
}

// disagrees shortens what it shows.
func disagrees(format string, shown ...string) error {
	args := make([]any, len(shown))
	for i, text := range shown {
		args[i] = tokens.Clip(text)
	}
	return tokens.ParamError(tokens.InvalidArgument, "url", format, args...)
}
