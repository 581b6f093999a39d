package fieldtoken

import (
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// maxURL bounds playback URLs, in bytes. Players and CDNs cut longer ones.
const maxURL = 8 << 10

// CheckURL refuses a playback URL that a token in query parameter name cannot be added to. An empty
// URL means absent and passes.
func CheckURL(rawURL, name string) *tokens.Error {
	if rawURL == "" {
		return nil
	}
	if len(rawURL) > maxURL {
		return tokens.ParamError(tokens.InvalidArgument, "url", "%d bytes; at most %d", len(rawURL), maxURL)
	}
	for i := range len(rawURL) {
		if rawURL[i] <= ' ' || rawURL[i] >= 0x7f || rawURL[i] == '\\' {
			return tokens.ParamError(tokens.InvalidArgument, "url", "holds a blank, backslash, control or non-ASCII character; percent-encode it")
		}
	}
	if !hasHostOrPath(rawURL) {
		return tokens.ParamError(tokens.InvalidArgument, "url", "must begin with https:// or http:// and a host, or be a path that begins with one /")
	}
	if tokens.CarriesQuery(rawURL, name) {
		return tokens.ParamError(tokens.InvalidArgument, "url", "has a parameter %s already; give the URL without its token", name)
	}
	return nil
}

func hasHostOrPath(rawURL string) bool {
	rest, found := strings.CutPrefix(rawURL, "https://")
	if !found {
		rest, found = strings.CutPrefix(rawURL, "http://")
	}
	if found {
		return rest != "" && !strings.ContainsRune("/?#", rune(rest[0]))
	}
	return strings.HasPrefix(rawURL, "/") && !strings.HasPrefix(rawURL, "//")
}
