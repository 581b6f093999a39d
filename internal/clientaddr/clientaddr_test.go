package clientaddr_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/clientaddr"
)

func trusted(t testing.TB) []netip.Prefix {
	t.Helper()
	prefixes, err := clientaddr.ParseTrusted([]string{"10.0.0.0/8", "127.0.0.1", "2001:db8:1::/48", "fe80::/10"})
	if err != nil {
		t.Fatal(err)
	}
	return prefixes
}

func TestFrom(t *testing.T) {
	cases := []struct {
		name, peer string
		xff        []string
		want       string // empty: nobody knows
	}{
		{name: "no proxy", peer: "203.0.113.7", want: "203.0.113.7"},
		{name: "header of a stranger", peer: "203.0.113.7", xff: []string{"198.51.100.1"}, want: "203.0.113.7"},
		{name: "a stranger as a proxy's address", peer: "203.0.113.7", xff: []string{"198.51.100.1, 10.0.0.1"}, want: "203.0.113.7"},
		{name: "one proxy", peer: "10.0.0.1", xff: []string{"203.0.113.7"}, want: "203.0.113.7"},
		{name: "two proxies", peer: "10.0.0.1", xff: []string{"203.0.113.7, 10.0.0.2"}, want: "203.0.113.7"},
		{name: "the client lies", peer: "10.0.0.1", xff: []string{"198.51.100.1, 203.0.113.7"}, want: "203.0.113.7"},
		{name: "the client names a proxy", peer: "10.0.0.1", xff: []string{"10.0.0.9, 203.0.113.7, 10.0.0.2"}, want: "203.0.113.7"},
		{name: "two headers count as one", peer: "10.0.0.1", xff: []string{"198.51.100.1, 203.0.113.7", "10.0.0.2"}, want: "203.0.113.7"},
		{name: "the client's own header comes first", peer: "10.0.0.1", xff: []string{"198.51.100.1", "203.0.113.7"}, want: "203.0.113.7"},
		{name: "no header from a proxy", peer: "10.0.0.1", want: "10.0.0.1"},
		{name: "empty header from a proxy", peer: "10.0.0.1", xff: []string{""}, want: "10.0.0.1"},
		{name: "empty elements", peer: "10.0.0.1", xff: []string{", 203.0.113.7 ,,\t10.0.0.2,"}, want: "203.0.113.7"},
		{name: "proxies alone", peer: "10.0.0.1", xff: []string{"10.0.0.3, 10.0.0.2"}, want: "10.0.0.3"},
		{name: "unknown", peer: "10.0.0.1", xff: []string{"unknown"}},
		{name: "garbage where the client should be", peer: "10.0.0.1", xff: []string{"203.0.113.7, x, 10.0.0.2"}},
		{name: "garbage left of the client", peer: "10.0.0.1", xff: []string{"x, 203.0.113.7, 10.0.0.2"}, want: "203.0.113.7"},
		{name: "port", peer: "10.0.0.1", xff: []string{"203.0.113.7:4711"}, want: "203.0.113.7"},
		{name: "IPv6", peer: "2001:db8:1::5", xff: []string{"2001:db8:2::7"}, want: "2001:db8:2::7"},
		{name: "IPv6 in brackets", peer: "10.0.0.1", xff: []string{"[2001:db8:2::7]"}, want: "2001:db8:2::7"},
		{name: "IPv6 and port", peer: "10.0.0.1", xff: []string{"[2001:db8:2::7]:443"}, want: "2001:db8:2::7"},
		{name: "IPv4 in brackets", peer: "10.0.0.1", xff: []string{"[203.0.113.7]"}},
		{name: "half a bracket", peer: "10.0.0.1", xff: []string{"[2001:db8:2::7"}},
		{name: "mapped peer", peer: "::ffff:10.0.0.1", xff: []string{"203.0.113.7"}, want: "203.0.113.7"},
		{name: "mapped client", peer: "10.0.0.1", xff: []string{"::ffff:203.0.113.7"}, want: "203.0.113.7"},
		{name: "a mapped proxy is a proxy", peer: "10.0.0.1", xff: []string{"203.0.113.7, ::ffff:10.0.0.2"}, want: "203.0.113.7"},
		{name: "zone of the peer", peer: "fe80::1%eth0", xff: []string{"203.0.113.7"}, want: "203.0.113.7"},
		{name: "zone of the client", peer: "10.0.0.1", xff: []string{"fe90::1%eth0"}, want: "fe90::1"},
		{name: "leading zero", peer: "10.0.0.1", xff: []string{"203.0.113.07"}},
		{name: "a name", peer: "10.0.0.1", xff: []string{"viewer.example.com"}},
		{name: "a prefix", peer: "10.0.0.1", xff: []string{"203.0.113.0/24"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var want netip.Addr
			if c.want != "" {
				want = netip.MustParseAddr(c.want)
			}
			if got := clientaddr.From(netip.MustParseAddr(c.peer), c.xff, trusted(t)); got != want {
				t.Errorf("From(%s, %q) = %v, want %v", c.peer, c.xff, got, want)
			}
		})
	}
	if got := clientaddr.From(netip.Addr{}, []string{"203.0.113.7"}, trusted(t)); got.IsValid() {
		t.Errorf("a peer without an address was given %v", got)
	}
	if got := clientaddr.From(netip.MustParseAddr("10.0.0.1"), []string{"203.0.113.7"}, nil); got != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("nobody is trusted, and the header was believed: %v", got)
	}
}

func TestParseTrustedRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "is no network",
		"proxy.example.com":   "is no network",
		"10.0.0.0/33":         "is no network",
		"fe80::1%eth0":        "is no network",
		"0.0.0.0/0":           "trusts every address",
		"::/0":                "trusts every address",
		"10.1.2.3/8":          "write 10.0.0.0/8",
		"::ffff:10.0.0.0/104": "write the IPv4 network",
	} {
		_, err := clientaddr.ParseTrusted([]string{text})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseTrusted(%q) = %v, want %q", text, err, want)
		}
	}
}

// FuzzFrom holds that no header of a client ever changes whose address the proxy appended.
func FuzzFrom(f *testing.F) {
	for _, seed := range []string{"", "1.2.3.4", "10.0.0.9", "unknown,,", "[::1]:80", "fe80::1%z", "10.0.0.2, 10.0.0.3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		proxies := trusted(t)
		client := netip.MustParseAddr("203.0.113.7")
		for _, xff := range [][]string{{said + ", 203.0.113.7"}, {said, "203.0.113.7"}, {said, "203.0.113.7", "10.0.0.2"}} {
			if got := clientaddr.From(netip.MustParseAddr("10.0.0.1"), xff, proxies); got != client {
				t.Errorf("From(%q) = %v", xff, got)
			}
		}
		if got := clientaddr.From(client, []string{said}, proxies); got != client {
			t.Errorf("a stranger's header %q gave %v", said, got)
		}
		if got := clientaddr.From(netip.MustParseAddr("10.0.0.1"), []string{said}, proxies); got.Zone() != "" || got.Is4In6() {
			t.Errorf("From(%q) = %v, which has two forms", said, got)
		}
	})
}
