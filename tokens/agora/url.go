package agora

import (
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// Split parts a signed URL into the token, `ts=…&sign=…`, and the path that was signed. Other
// parameters of the query are left out. Errors wrap tokens.ErrRefused: MALFORMED when ts or sign
// stand twice, NO_EXPIRY when ts is missing.
func Split(signedURL string) (token, path string, err error) {
	base, _, _ := strings.Cut(signedURL, "#")
	_, query, _ := strings.Cut(base, "?")
	var parts []string
	for parameter := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(parameter, "="); name == "ts" || name == "sign" {
			parts = append(parts, parameter)
		}
	}
	token = strings.Join(parts, "&")
	if _, err := parse(token); err != nil {
		return "", "", err
	}
	return token, tokens.RawPath(signedURL), nil
}

// Push parts a signed RTMP push URL into what encoders such as OBS ask for: the server,
// rtmp://host/{entry}, and the stream key, {stream}?ts=…&sign=….
func Push(signedURL string) (server, streamKey string, err error) {
	base, query, ok := strings.Cut(signedURL, "?")
	cut := strings.LastIndexByte(base, '/')
	if !ok || kindOf(tokens.RawPath(base)) != kindRTMP {
		return "", "", urlError("want a signed URL, as in rtmp://host/entry/stream?ts=…&sign=…")
	}
	return base[:cut], base[cut+1:] + "?" + query, nil
}
