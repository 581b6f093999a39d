// Package clientaddr finds the address of a client behind proxies. Only proxies that are trusted in words
// are believed: what anybody else writes into a header says nothing.
package clientaddr

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// From returns the address of the client of a request: the right-most address of X-Forwarded-For that is no
// trusted proxy's. peer is who has connected; xff holds the values of every such header, in their order; each
// proxy appends the address it was called from, so what stands left of an untrusted address is hearsay.
//
// The header of a peer that is not trusted is ignored, and the peer itself returned. Where every address is a
// proxy's, the client is the left-most. Where a proxy names no address ("unknown", garbage), nobody knows the
// client: the answer is the zero Addr, never the proxy's own address, which may be let in where clients are not.
//
// Addresses come back without zone and with IPv4 unmapped from IPv6. Elements of the header may carry a port,
// and IPv6 brackets, as some load balancers write them.
func From(peer netip.Addr, xff []string, trusted []netip.Prefix) netip.Addr {
	client := canonical(peer)
	for _, line := range slices.Backward(xff) {
		for rest, more := line, true; more; {
			if !Trusts(trusted, client) {
				return client
			}
			element := rest
			comma := strings.LastIndexByte(rest, ',')
			if more = comma >= 0; more {
				rest, element = rest[:comma], rest[comma+1:]
			}
			element = strings.Trim(element, " \t")
			if element == "" {
				continue // RFC 9110, section 5.6.1: lists may hold empty elements
			}
			ip, ok := parse(element)
			if !ok {
				return netip.Addr{}
			}
			client = ip
		}
	}
	return client
}

// ParseTrusted reads the prefixes of trusted proxies; a single address stands for itself. Errors say what
// would be right. Prefixes that hold every address are refused: whoever trusts everybody lets each client
// name its own address.
func ParseTrusted(texts []string) ([]netip.Prefix, error) {
	prefixes := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		prefix, err := parsePrefix(text)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is no network; write it as 10.0.0.0/8, 2001:db8::/32 or one address", text)
	case prefix.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is an IPv4 network written as IPv6; write the IPv4 network", text)
	case prefix.Bits() == 0:
		return netip.Prefix{}, fmt.Errorf("%q trusts every address; name the networks of your proxies", text)
	case prefix != prefix.Masked():
		return netip.Prefix{}, fmt.Errorf("%q has bits beyond its length; write %s", text, prefix.Masked())
	}
	return prefix, nil
}

// parse reads one element: an address, or an address and a port.
func parse(element string) (netip.Addr, bool) {
	if ip, err := netip.ParseAddr(element); err == nil {
		return canonical(ip), true
	}
	if both, err := netip.ParseAddrPort(element); err == nil {
		return canonical(both.Addr()), true
	}
	if bare, ok := strings.CutPrefix(element, "["); ok {
		if bare, ok = strings.CutSuffix(bare, "]"); ok {
			ip, err := netip.ParseAddr(bare)
			return canonical(ip), err == nil && ip.Is6()
		}
	}
	return netip.Addr{}, false
}

// canonical is one form for each address: without zone, IPv4 never within IPv6.
func canonical(ip netip.Addr) netip.Addr { return ip.WithZone("").Unmap() }

// Trusts reports whether an address is that of a trusted proxy.
func Trusts(trusted []netip.Prefix, ip netip.Addr) bool {
	ip = canonical(ip)
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(ip) })
}
