package playback

import (
	"net/netip"
	"net/url"
	"time"

	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// Check refuses a playback that could not be signed for its target: the wrong form of binding, a
// binding that the strict rules of the scheme refuse, a URL that cannot carry a token or is not that of
// the binding, policies out of their bounds, or a lifetime over the target's. Signing trusts what has passed. Errors wrap
// tokens.ErrInvalidParams.
func Check(p Playback, target keystore.Target, now time.Time) error {
	if p.bindings() != 1 {
		return tokens.ParamError(tokens.InvalidArgument, "binding", "exactly one of hdnts, edge_auth, qencode and agora is required")
	}
	if err := CheckURL(p.URL, schemes.QueryName(target.Scheme, target.Options)); err != nil {
		return err
	}
	if err := CheckAccess(p.Access); err != nil {
		return err
	}
	if err := CheckSessions(p.Sessions); err != nil {
		return err
	}
	if p.BindIP && !schemes.CookieCarries(target.Scheme) {
		return tokens.ParamError(tokens.InvalidArgument, "ip_binding", "%s tokens cannot carry an address", target.Scheme)
	}
	if p.TTL+p.ExpiryGranularity > target.MaxTokenLifetime {
		return tokens.ParamError(tokens.LifetimeTooLong, "ttl", "%s with an expiry granularity of %s is over the max_token_lifetime of %s of target %q",
			p.TTL, p.ExpiryGranularity, target.MaxTokenLifetime, target.ID)
	}
	if err := p.checkAlternate(target); err != nil {
		return err
	}
	return p.checkBinding(target, now.Add(p.TTL), now)
}

// CheckMint holds a token without a playback to the rules of one, but for the lifetime. The URL may be
// missing. Errors wrap tokens.ErrInvalidParams.
func CheckMint(p Playback, target keystore.Target, now time.Time) error {
	if p.URL != "" {
		if err := CheckURL(p.URL, schemes.QueryName(target.Scheme, target.Options)); err != nil {
			return err
		}
	}
	return p.checkBinding(target, now.Add(time.Second), now)
}

// checkBinding applies the strict rules of the scheme to the binding and the URL, in each slot.
func (p *Playback) checkBinding(target keystore.Target, expire, now time.Time) error {
	scheme, err := schemes.New(target.Scheme, target.Options)
	if err != nil {
		return err
	}
	for slot := range p.slots() {
		params, err := p.Params(&target, Viewing{Viewer: "viewer", ClientIP: netip.IPv6Loopback().String(), Expire: expire, Slot: slot})
		if err != nil {
			return err
		}
		at, _ := p.URLAt(slot)
		addURL(params, at)
		if err := scheme.CheckParams(params, now); err != nil {
			return err
		}
		if at == "" {
			continue
		}
		if err := checkAgreement(params); err != nil {
			return err
		}
	}
	return nil
}

// slots returns in how many slots of its target the playback can be.
func (p *Playback) slots() int {
	if p.Alternate != nil {
		return 2
	}
	return 1
}

// checkAlternate holds the second address to the rules of the first, and wants one where the target's key
// may stand in a second slot.
func (p *Playback) checkAlternate(target keystore.Target) error {
	fault := func(format string, args ...any) error {
		return tokens.ParamError(tokens.InvalidArgument, "alternate", format, args...)
	}
	a := p.Alternate
	switch {
	case a == nil && target.Mode() == keystore.Pair:
		return fault("required: target %q has two resources, and its key moves between them", target.ID)
	case a == nil:
		return nil
	case keystore.Overlaps(target.Provider):
		return fault("targets of provider %s have no second slot", target.Provider)
	case (a.StreamID != "") != (target.Scheme == schemes.WowzaHdnts):
		return fault("a stream_id is needed for scheme %s, and only there", schemes.WowzaHdnts)
	case p.Hdnts != nil && p.Hdnts.VODStreamID != "":
		return fault("a recording belongs to one stream target; leave the alternate or the vod_stream_id out")
	}
	if err := CheckURL(a.URL, schemes.QueryName(target.Scheme, target.Options)); err != nil {
		return fault("%v", err)
	}
	return nil
}

func (p *Playback) bindings() int {
	n := 0
	for _, set := range []bool{p.Hdnts != nil, p.EdgeAuth != nil, p.Qencode != nil, p.Agora != nil} {
		if set {
			n++
		}
	}
	return n
}

// CheckURL wants an absolute URL into which a token can be put as it is, under the name of a parameter
// that the URL does not have yet; "" where the format has none. Errors wrap tokens.ErrInvalidParams.
func CheckURL(raw, parameter string) error {
	fault := func(why string) error { return tokens.ParamError(tokens.InvalidArgument, "url", "%s", why) }
	u, err := url.Parse(raw)
	if err != nil {
		return fault("not a URL")
	}
	switch u.Scheme {
	case "http", "https", "rtmp", "rtmps":
	default:
		return fault("want an absolute http, https, rtmp or rtmps URL")
	}
	switch {
	case u.Hostname() == "":
		return fault("names no host")
	case u.User != nil:
		return fault("must not hold a user or password")
	case u.Fragment != "" || u.ForceQuery:
		return fault("must not have a fragment or an empty query")
	}
	if parameter != "" && tokens.CarriesQuery(raw, parameter) {
		return fault("has a parameter " + parameter + " already, where the token goes; leave it out")
	}
	for i := range len(raw) {
		if raw[i] <= ' ' || raw[i] >= 0x7f {
			return fault("must be printable ASCII; percent-encode everything else")
		}
	}
	return nil
}
