// Package schemes is the list of token formats the service knows: it finds one by name, sets it up
// with a target's options, and tells what a presented token or URL looks like to it.
package schemes

import (
	"net/url"
	"strings"

	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/agora"
	"github.com/tokensvc/tokensvc/tokens/akamai"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// Names of the formats.
const (
	WowzaHdnts     = wowza.Name
	AkamaiEdgeAuth = akamai.Name
	QencodeJWT     = qencode.Name
	AgoraTimestamp = agora.Name
)

// Names lists all formats.
func Names() []string { return []string{WowzaHdnts, AkamaiEdgeAuth, QencodeJWT, AgoraTimestamp} }

// New returns a format under a target's options. Errors are *tokens.Error.
func New(name string, o keystore.SchemeOptions) (tokens.Scheme, error) {
	switch name {
	case WowzaHdnts:
		return wowza.Scheme{}, nil
	case AkamaiEdgeAuth:
		return akamai.New(akamai.Config{
			TokenName: o.EdgeAuthTokenName, Algorithm: akamai.Algorithm(o.EdgeAuthAlgorithm), EscapeEarly: o.EdgeAuthEscapeEarly,
		})
	case QencodeJWT:
		return qencode.Scheme{}, nil
	case AgoraTimestamp:
		return agora.Scheme{Form: agora.Form(o.AgoraForm)}, nil
	default:
		return nil, tokens.ParamError(tokens.InvalidArgument, "scheme", "unknown scheme %q; there are %s", name, strings.Join(Names(), ", "))
	}
}

// OfProvider returns the format whose tokens a provider checks.
func OfProvider(provider string) (string, error) {
	switch provider {
	case "wowza":
		return WowzaHdnts, nil
	case "akamai":
		return AkamaiEdgeAuth, nil
	case "qencode":
		return QencodeJWT, nil
	case "agora":
		return AgoraTimestamp, nil
	default:
		return "", tokens.ParamError(tokens.InvalidArgument, "provider", "unknown provider %q; there are %s", provider, strings.Join(keystore.Providers(), ", "))
	}
}

// CookieCarries reports whether the edge of a format gives the player a cookie that outlives the token.
func CookieCarries(name string) bool { return name == WowzaHdnts || name == AkamaiEdgeAuth }

// QueryName returns the parameter that carries a token of the format, or "" where the token is itself
// a list of parameters (Agora).
func QueryName(name string, o keystore.SchemeOptions) string {
	switch name {
	case WowzaHdnts:
		return wowza.QueryName
	case AkamaiEdgeAuth:
		if o.EdgeAuthTokenName != "" {
			return o.EdgeAuthTokenName
		}
		return akamai.DefaultTokenName
	case QencodeJWT:
		return qencode.QueryName
	default:
		return ""
	}
}

// SessionName returns the parameter that carries a session id beside a token of the format. Agora hands a
// parameter called token on to its call-back, and no other.
func SessionName(name string) string {
	if name == AgoraTimestamp {
		return "token"
	}
	return "sid"
}

// Place puts a token into a playback URL.
func Place(name string, o keystore.SchemeOptions, rawURL, token string) string {
	if rawURL == "" {
		return ""
	}
	if parameter := QueryName(name, o); parameter != "" {
		return tokens.AppendQuery(rawURL, parameter, "=", token)
	}
	return tokens.AppendQuery(rawURL, token)
}

// Present reads a token, or a URL that carries one, as the edge of a format would. A resource that is
// not given is taken from the URL where the format allows. Errors are refusals.
func Present(name string, o keystore.SchemeOptions, tokenOrURL, resource, clientIP string) (tokens.Presented, error) {
	p := tokens.Presented{Token: tokenOrURL, Resource: resource, ClientIP: clientIP}
	if !strings.Contains(tokenOrURL, "://") {
		if parameter := QueryName(name, o); parameter != "" {
			p.Token = strings.TrimPrefix(tokenOrURL, parameter+"=")
		}
		return p, nil
	}
	if name == AgoraTimestamp {
		token, path, err := agora.Split(tokenOrURL)
		if err != nil {
			return p, err
		}
		p.Token = token
		if resource == "" {
			p.Resource = path
		}
		return p, nil
	}
	u, err := url.Parse(tokenOrURL)
	if err != nil {
		return p, tokens.Refuse(tokens.Malformed, "not a URL; give the token alone or the whole signed URL")
	}
	if p.Token, err = only(tokenOrURL, QueryName(name, o)); err != nil {
		return p, err
	}
	shown := resourceOf(name, u)
	p.VODStreamID = shown.VODStreamID
	if resource == "" {
		p.Resource = shown.Resource
	}
	return p, nil
}

// only returns the one value of a parameter, as it stands.
func only(rawURL, name string) (string, error) {
	value, count := tokens.FindQuery(rawURL, name)
	switch {
	case count > 1:
		return "", tokens.Refuse(tokens.Malformed, "the URL has the parameter %s twice", name)
	case count == 0:
		return "", tokens.Refuse(tokens.Malformed, "the URL has no parameter %s", name)
	}
	return value, nil
}

// resourceOf tells what a playback URL of the format asks for, as far as its path shows.
func resourceOf(name string, u *url.URL) tokens.Presented {
	switch name {
	case WowzaHdnts:
		path, _ := wowza.ReadPath(u.Path)
		return tokens.Presented{Resource: path.StreamID, VODStreamID: path.VODStreamID}
	case QencodeJWT: // a custom domain's /PLAYBACK_ID.m3u8, or an object key
		trimmed := strings.TrimPrefix(u.Path, "/")
		if id, ok := strings.CutSuffix(trimmed, ".m3u8"); ok && !strings.Contains(id, "/") {
			return tokens.Presented{Resource: id}
		}
		return tokens.Presented{Resource: trimmed}
	default: // EdgeAuth hashes the path as it was requested
		return tokens.Presented{Resource: u.EscapedPath()}
	}
}

// Detect tells the format of a token or URL by its look. hdnts and EdgeAuth tokens look alike: one
// with an acl is EdgeAuth, one with vod is hdnts, and of the rest hdnts is assumed.
func Detect(tokenOrURL string) (string, error) {
	text := tokenOrURL
	if _, query, ok := strings.Cut(text, "?"); ok && strings.Contains(tokenOrURL, "://") {
		text = query
	}
	switch {
	case strings.Contains(text, "ts=") && strings.Contains(text, "sign="):
		return AgoraTimestamp, nil
	case strings.Contains(text, "hmac="):
		if strings.Contains(text, "acl=") || strings.Contains(text, "~id=") || strings.Contains(text, "~data=") || strings.Contains(text, "hdnea=") {
			return AkamaiEdgeAuth, nil
		}
		return WowzaHdnts, nil
	case strings.Count(text, ".") >= 2 && strings.Contains(text, "eyJ"):
		return QencodeJWT, nil
	default:
		return "", tokens.ParamError(tokens.InvalidArgument, "token", "no known token format looks like this; name the scheme: %s", strings.Join(Names(), ", "))
	}
}
