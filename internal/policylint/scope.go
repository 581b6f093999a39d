package policylint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

func playlistOnly(s *subject) string {
	playlist := tokens.RawPath(s.URL)
	switch {
	case !isPlaylist(playlist):
		return ""
	case s.EdgeAuth != nil && (s.EdgeAuth.URLPath != "" || !slices.ContainsFunc(s.EdgeAuth.ACL, func(entry string) bool { return !isPlaylist(entry) })):
		return fmt.Sprintf("the token opens the playlist alone: segments are refused where the edge sets no cookie, or the player, or a page of another site, does not send it; and such a cookie may be bound to the playlist too. "+
			"An acl of %q opens both", s.directory()+"*")
	case s.Qencode != nil && !s.Qencode.WholeBucket && isPlaylist(s.Qencode.URI):
		return "the token opens the playlist alone, and no cookie opens its segments: they play only where the edge does not check them. End the uri with the directory, as a prefix with its final /"
	default:
		return ""
	}
}

func isPlaylist(path string) bool {
	return strings.HasSuffix(path, ".m3u8") || strings.HasSuffix(path, ".mpd")
}

// directory returns the directory of the URL, with its final slash.
func (s *subject) directory() string {
	path := tokens.RawPath(s.URL)
	return path[:strings.LastIndexByte(path, '/')+1]
}

func opensOthers(s *subject) string {
	others := s.opened()
	if len(others) == 0 {
		return ""
	}
	var apart string
	switch {
	case s.Hdnts != nil:
		apart = "one stream target serves them. Give each a stream target of its own"
	case s.EdgeAuth != nil:
		apart = "its acl or url_path covers their URLs. Give each a directory of its own, and an acl that covers no other"
	case s.Qencode != nil:
		apart = "its uri covers theirs. Give each a directory of its own, and a uri that covers no other"
	default:
		apart = "they have one path. Make them one playback"
	}
	return fmt.Sprintf("its tokens open %s too, past whatever is asked of viewers there: %s", list(others), apart)
}

// opened returns other playbacks that the tokens of this one open.
func (s *subject) opened() []string { return s.stand.others(s.ID, opens(s.Playback)) }

func sharedDirectory(s *subject) string {
	opened := s.opened() // which says the same, and more
	others := slices.DeleteFunc(s.files.others(s.ID, beside(s.Playback)), func(id string) bool { return slices.Contains(opened, id) })
	if len(others) == 0 {
		return ""
	}
	return fmt.Sprintf("its files stand in one directory with those of %s, on whatever host: where edges ask, a cookie of one opens the files of the other. Give each a directory of its own", list(others))
}
