package playback

import (
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// PresentedAt returns what an edge asks of a token shown for a path of the playback: all of tokens.Presented
// but the token itself and the client's address. The path is as it stands in the URL.
func (e *Entry) PresentedAt(path string) tokens.Presented {
	switch {
	case e.Hdnts != nil:
		return tokens.Presented{Resource: e.streamAt(e.slotAt(path)), VODStreamID: e.Hdnts.VODStreamID}
	case e.Qencode != nil:
		return tokens.Presented{Resource: e.Qencode.resourceAt(path, tokens.RawPath(e.URL))}
	default: // EdgeAuth and Agora sign paths
		return tokens.Presented{Resource: path}
	}
}

// slotAt returns the slot in whose directory a path stands.
func (e *Entry) slotAt(path string) int {
	for slot := e.slots() - 1; slot > 0; slot-- {
		if at, _ := e.URLAt(slot); strings.HasPrefix(path, parent(tokens.RawPath(at))) {
			return slot
		}
	}
	return 0
}

// resourceAt returns the object key of a path in a bucket; for a live stream, whose URL is not its object key,
// the playback id.
func (q *Qencode) resourceAt(path, playlist string) string {
	object := strings.TrimPrefix(path, "/")
	if q.WholeBucket || strings.HasSuffix(q.URI, "/") || strings.TrimPrefix(playlist, "/") == q.URI {
		return object
	}
	return q.URI
}
