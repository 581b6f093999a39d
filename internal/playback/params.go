package playback

import (
	"net/netip"
	"time"

	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/agora"
	"github.com/tokensvc/tokensvc/tokens/akamai"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// Viewing is what varies between two tokens of one playback.
type Viewing struct {
	Viewer string
	// ClientIP is needed where the playback binds to it.
	ClientIP string
	Expire   time.Time
	// Slot is that of the key that signs: 0, or 1 for the second of a pair.
	Slot int
}

// Params returns what the scheme of target needs to sign p. The URL is left out where it is not signed:
// Check has looked at it, and the signer places tokens itself. Errors wrap tokens.ErrInvalidParams.
func (p *Playback) Params(target *keystore.Target, v Viewing) (tokens.Params, error) {
	if p.BindIP && !schemes.CookieCarries(target.Scheme) {
		return nil, tokens.ParamError(tokens.InvalidArgument, "client_ip", "%s tokens cannot carry an address", target.Scheme)
	}
	ip, err := p.clientIP(v.ClientIP)
	if err != nil {
		return nil, err
	}
	url, ok := p.URLAt(v.Slot)
	if !ok {
		return nil, tokens.ParamError(tokens.InvalidArgument, "alternate", "required: the key of target %q stands in the second slot of a pair", target.ID)
	}
	switch {
	case target.Scheme == schemes.WowzaHdnts && p.Hdnts != nil:
		return &wowza.Params{
			StreamID: p.streamAt(v.Slot), VODStreamID: p.Hdnts.VODStreamID, IP: ip, Expire: v.Expire, MaxLifetime: target.MaxTokenLifetime,
		}, nil
	case target.Scheme == schemes.AkamaiEdgeAuth && p.EdgeAuth != nil:
		return &akamai.Params{
			ACL: p.EdgeAuth.ACL, URLPath: p.EdgeAuth.URLPath, Payload: p.EdgeAuth.Payload, IP: ip, Expire: v.Expire, MaxLifetime: target.MaxTokenLifetime,
		}, nil
	case target.Scheme == schemes.QencodeJWT && p.Qencode != nil:
		claims, err := p.Qencode.claimsFor(v.Viewer)
		if err != nil {
			return nil, err
		}
		return &qencode.Params{
			URI: p.Qencode.URI, WholeBucket: p.Qencode.WholeBucket, Claims: claims, Expire: v.Expire, MaxLifetime: target.MaxTokenLifetime,
		}, nil
	case target.Scheme == schemes.AgoraTimestamp && p.Agora != nil:
		return &agora.Params{URL: url, Expire: v.Expire, MaxLifetime: target.MaxTokenLifetime}, nil
	default:
		return nil, tokens.ParamError(tokens.InvalidArgument, bindingField(target.Scheme), "required: tokens of target %q are %s", target.ID, target.Scheme)
	}
}

// addURL adds the URL that Params leaves out.
func addURL(params tokens.Params, url string) {
	switch p := params.(type) {
	case *wowza.Params:
		p.URL = url
	case *akamai.Params:
		p.URL = url
	case *qencode.Params:
		p.URL = url
	}
}

// streamAt returns the stream target of a slot.
func (p *Playback) streamAt(slot int) string {
	if slot == 1 {
		return p.Alternate.StreamID
	}
	return p.Hdnts.StreamID
}

func (p *Playback) clientIP(text string) (netip.Addr, error) {
	if !p.BindIP {
		return netip.Addr{}, nil
	}
	if text == "" {
		return netip.Addr{}, tokens.ParamError(tokens.InvalidArgument, "client_ip", "required: the playback binds its tokens to the viewer's address")
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}, tokens.ParamError(tokens.InvalidArgument, "client_ip", "want one IP address, without port, zone or prefix length")
	}
	return ip, nil
}

// bindingField names the field that a scheme's binding stands in.
func bindingField(scheme string) string {
	switch scheme {
	case schemes.WowzaHdnts:
		return "hdnts"
	case schemes.AkamaiEdgeAuth:
		return "edge_auth"
	case schemes.QencodeJWT:
		return "qencode"
	default:
		return "agora"
	}
}
