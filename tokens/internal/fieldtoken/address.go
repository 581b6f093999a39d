package fieldtoken

import (
	"net/netip"

	"github.com/tokensvc/tokensvc/tokens"
)

// Canonical returns the address whose text goes into a token: an IPv4 address mapped into IPv6 is
// the IPv4 address that an edge sees.
func Canonical(ip netip.Addr) netip.Addr { return ip.Unmap() }

// CheckIP refuses addresses that cannot be bound. The zero Addr means absent and passes.
func CheckIP(ip netip.Addr) *tokens.Error {
	if ip.IsValid() && ip.Zone() != "" {
		return tokens.ParamError(tokens.InvalidArgument, "ip", "an address with a zone is not one that an edge can see")
	}
	return nil
}

// ParseIP reads an address that must be written in its canonical form, because edges compare text:
// no range, list, brackets or zone, IPv6 in lower case with the longest run of zeros left out.
func ParseIP(text string) (netip.Addr, *tokens.Error) {
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}, tokens.ParamError(tokens.InvalidArgument, "ip", "%q is not one address; no range, list, brackets or zone", tokens.Clip(text))
	}
	if canonical := Canonical(ip).String(); canonical != text {
		return netip.Addr{}, tokens.ParamError(tokens.InvalidArgument, "ip", "%q is not in canonical form; write %q", tokens.Clip(text), canonical)
	}
	return ip, nil
}

// MatchIP refuses a client other than the one that the token is bound to. Like the edges it compares
// text: the token's with the client's, or with the client's canonical form.
func MatchIP(bound, client string) *tokens.Error {
	if client == "" {
		return tokens.Refuse(tokens.IPMismatch, "the token is bound to an address and the client's is not known")
	}
	if bound == client {
		return nil
	}
	if ip, err := netip.ParseAddr(client); err == nil && Canonical(ip).String() == bound {
		return nil
	}
	return tokens.Refuse(tokens.IPMismatch, "the token is bound to another address than the client's %q", tokens.Clip(client))
}
