package entitle_test

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/tokens"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

func TestJudgeSaysAllThatAGrantLacks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*entitle.Grant, *entitle.Request)
		want   []string // parts of the detail; none means that it lets in
	}{
		{"plain", func(*entitle.Grant, *entitle.Request) {}, nil},
		{"of a product", func(g *entitle.Grant, _ *entitle.Request) { g.PlaybackID, g.ProductID = "", "season" }, nil},
		{"zero state", func(g *entitle.Grant, _ *entitle.Request) { g.State = "" }, []string{"state is unknown"}},
		{"revoked", func(g *entitle.Grant, _ *entitle.Request) { g.State, g.RevokedAt = entitle.Revoked, noon }, []string{"revoked at 2026-03-01T12:00:00Z"}},
		{"first moment", func(g *entitle.Grant, _ *entitle.Request) { g.Start = noon }, nil},
		{"a moment early", func(g *entitle.Grant, _ *entitle.Request) { g.Start = noon.Add(1) }, []string{"begins at"}},
		{"last moment", func(g *entitle.Grant, _ *entitle.Request) { g.End = noon.Add(1) }, nil},
		{"a moment late", func(g *entitle.Grant, _ *entitle.Request) { g.End = noon }, []string{"ended at 2026-03-01T12:00:00Z"}},
		{"another viewer", func(_ *entitle.Grant, r *entitle.Request) { r.Viewer = "bob" }, []string{"another viewer's"}},
		{"another playback", func(_ *entitle.Grant, r *entitle.Request) { r.Playback = &playback.Playback{ID: "other"} }, []string{"another playback"}},
		{"no playback", func(_ *entitle.Grant, r *entitle.Request) { r.Playback = nil }, []string{"another playback"}},
		{"country", func(g *entitle.Grant, r *entitle.Request) {
			g.Limits.Countries, r.Viewing.Country = []string{"AT", "DE"}, "DE"
		}, nil},
		{"wrong country", func(g *entitle.Grant, r *entitle.Request) {
			g.Limits.Countries, r.Viewing.Country = []string{"AT", "DE", "CH", "FR", "IT", "LI", "BE"}, "US"
		}, []string{"not count in US, only in AT, DE, CH, FR, IT and 2 more"}},
		{"no country", func(g *entitle.Grant, _ *entitle.Request) { g.Limits.Countries = []string{"AT"} }, []string{"no country was named"}},
		{"network", func(g *entitle.Grant, r *entitle.Request) {
			g.Limits.Networks, r.Viewing.ClientIP = []netip.Prefix{prefix("192.0.2.0/24")}, netip.MustParseAddr("192.0.2.7")
		}, nil},
		{"mapped address", func(g *entitle.Grant, r *entitle.Request) {
			g.Limits.Networks, r.Viewing.ClientIP = []netip.Prefix{prefix("192.0.2.0/24")}, netip.MustParseAddr("::ffff:192.0.2.7")
		}, nil},
		{"address with a zone", func(g *entitle.Grant, r *entitle.Request) {
			g.Limits.Networks, r.Viewing.ClientIP = []netip.Prefix{prefix("fe80::/10")}, netip.MustParseAddr("fe80::1%eth0")
		}, nil},
		{"wrong network", func(g *entitle.Grant, r *entitle.Request) {
			g.Limits.Networks, r.Viewing.ClientIP = []netip.Prefix{prefix("192.0.2.0/24"), prefix("2001:db8::/32")}, netip.MustParseAddr("198.51.100.1")
		}, []string{"198.51.100.1 is in none of its networks"}},
		{"no address", func(g *entitle.Grant, _ *entitle.Request) { g.Limits.Networks = []netip.Prefix{prefix("0.0.0.0/0")} }, []string{"no client_ip was named"}},
		{"device", func(g *entitle.Grant, r *entitle.Request) { g.Limits.MaxDevices, r.Viewing.Device = 1, "tv" }, nil},
		{"no device", func(g *entitle.Grant, _ *entitle.Request) { g.Limits.MaxDevices = 1 }, []string{"no device was named"}},
		{"a play left", func(g *entitle.Grant, _ *entitle.Request) { g.Limits.MaxPlays, g.Plays = 2, 1 }, nil},
		{"plays used up", func(g *entitle.Grant, _ *entitle.Request) { g.Limits.MaxPlays, g.Plays = 2, 2 }, []string{"used up (2 of 2)"}},
		{"the last play goes on", func(g *entitle.Grant, r *entitle.Request) { g.Limits.MaxPlays, g.Plays, r.GrantID = 2, 2, g.ID }, nil},
		{"another grant's play goes on", func(g *entitle.Grant, r *entitle.Request) { g.Limits.MaxPlays, g.Plays, r.GrantID = 2, 2, "other" }, []string{"used up"}},
		{"a grant without an id", func(g *entitle.Grant, _ *entitle.Request) { g.ID, g.Limits.MaxPlays, g.Plays = "", 2, 2 }, []string{"used up"}},
		{"everything", func(g *entitle.Grant, r *entitle.Request) {
			r.Viewer, g.End = "bob", noon
			g.Limits = entitle.Limits{MaxPlays: 1, MaxDevices: 1, Countries: []string{"AT"}, Networks: []netip.Prefix{prefix("::/0")}}
			g.Plays = 1
		}, []string{"another viewer's", "ended", "country", "client_ip", "device", "used up"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := &entitle.Grant{ID: "g1", Viewer: "ada", PlaybackID: "final", Start: noon.Add(-time.Hour), State: entitle.Active}
			r := &entitle.Request{Playback: &playback.Playback{ID: "final"}, Viewer: "ada", Now: noon}
			c.change(g, r)
			got := entitle.Judge(g, r)
			if got.Rule != entitle.RuleGrant || got.GrantID != g.ID || got.Detail == "" || got.Allowed != (c.want == nil) {
				t.Fatalf("%+v", got)
			}
			for _, part := range c.want {
				if !strings.Contains(got.Detail, part) {
					t.Errorf("%q does not say %q", got.Detail, part)
				}
			}
		})
	}
}

func TestTheGrantWithTheLatestEndCounts(t *testing.T) {
	t.Parallel()
	grant := func(id string, start, end time.Duration, limits entitle.Limits) entitle.Grant {
		g := entitle.Grant{ID: id, Viewer: "ada", PlaybackID: "final", Start: noon.Add(start), State: entitle.Active, Limits: limits}
		if end != 0 {
			g.End = noon.Add(end)
		}
		return g
	}
	hour, counted := time.Hour, entitle.Limits{MaxSessions: 1}
	for _, c := range []struct {
		name   string
		grants []entitle.Grant
		want   string // "" for none
	}{
		{"none", nil, ""},
		{"past and future", []entitle.Grant{grant("past", -2*hour, -hour, entitle.Limits{}), grant("future", hour, 2*hour, entitle.Limits{})}, ""},
		{"overlapping", []entitle.Grant{grant("first", -2*hour, hour, entitle.Limits{}), grant("second", -hour, 2*hour, entitle.Limits{})}, "second"},
		{"overlapping, the other way", []entitle.Grant{grant("second", -hour, 2*hour, entitle.Limits{}), grant("first", -2*hour, hour, entitle.Limits{})}, "second"},
		{"without an end", []entitle.Grant{grant("a", -hour, hour, entitle.Limits{}), grant("b", -hour, 0, entitle.Limits{}), grant("c", -hour, 9*hour, entitle.Limits{})}, "b"},
		{"longer but not now", []entitle.Grant{grant("a", hour, 9*hour, entitle.Limits{}), grant("b", -hour, hour, entitle.Limits{})}, "b"},
		{"equal ends, one counted", []entitle.Grant{grant("counted", -hour, hour, counted), grant("free", -hour, hour, entitle.Limits{})}, "free"},
		{"equal ends", []entitle.Grant{grant("newest", -hour, 0, counted), grant("oldest", -hour, 0, counted)}, "newest"},
		{"the session's own, before a longer one", []entitle.Grant{grant("own", -hour, hour, counted), grant("longer", -hour, 0, entitle.Limits{})}, "own"},
		{"the session's own, behind a longer one", []entitle.Grant{grant("longer", -hour, 0, entitle.Limits{}), grant("own", -hour, hour, counted)}, "own"},
		{"the session's own, which has ended", []entitle.Grant{grant("own", -2*hour, -hour, counted), grant("longer", -hour, 0, counted)}, "longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			best, steps := entitle.Choose(c.grants, &entitle.Request{Playback: &playback.Playback{ID: "final"}, Viewer: "ada", GrantID: "own", Now: noon})
			got := ""
			if best != nil {
				got = best.ID
			}
			if got != c.want || len(steps) != len(c.grants) {
				t.Errorf("chose %q, want %q; %+v", got, c.want, steps)
			}
		})
	}
}

func TestCheckGrantNamesTheFieldAndTheFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*entitle.Grant)
		field  string // "" for a sound grant
		says   string
	}{
		{"sound", func(*entitle.Grant) {}, "", ""},
		{"full", func(g *entitle.Grant) {
			g.End, g.OrderID, g.IdempotencyKey = noon.Add(time.Second), "o-1", "k"
			g.Limits = entitle.Limits{MaxPlays: 1_000_000, MaxSessions: 1000, MaxDevices: 1000, Countries: []string{"AT", "XK"}, Networks: []netip.Prefix{prefix("192.0.2.0/24"), prefix("::/0")}}
		}, "", ""},
		{"no viewer", func(g *entitle.Grant) { g.Viewer = "" }, "viewer", "required"},
		{"long viewer", func(g *entitle.Grant) { g.Viewer = strings.Repeat("v", 257) }, "viewer", "257 bytes"},
		{"NUL in the viewer", func(g *entitle.Grant) { g.Viewer = "a\x00" }, "viewer", "control"},
		{"half a letter", func(g *entitle.Grant) { g.Viewer = "a\xff" }, "viewer", "UTF-8"},
		{"no subject", func(g *entitle.Grant) { g.PlaybackID = "" }, "subject", "required"},
		{"two subjects", func(g *entitle.Grant) { g.ProductID = "p" }, "subject", "both"},
		{"line end in the order", func(g *entitle.Grant) { g.OrderID = "a\nb" }, "order_id", "control"},
		{"line end in the key", func(g *entitle.Grant) { g.IdempotencyKey = "a\u2028\u0085" }, "idempotency_key", "control"},
		{"inverted window", func(g *entitle.Grant) { g.End = noon.Add(-time.Hour) }, "end_time", "2026-03-01T11:00:00Z is not after start_time, 2026-03-01T12:00:00Z"},
		{"empty window", func(g *entitle.Grant) { g.End = noon }, "end_time", "not after"},
		{"milliseconds", func(g *entitle.Grant) { g.End = time.Unix(1_772_366_400_000, 0) }, "end_time", "milliseconds"},
		{"before 1970", func(g *entitle.Grant) { g.Start = time.Unix(-1, 0) }, "start_time", "1970"},
		{"minus one", func(g *entitle.Grant) { g.Limits.MaxPlays = -1 }, "limits.max_plays", "-1"},
		{"many sessions", func(g *entitle.Grant) { g.Limits.MaxSessions = 1001 }, "limits.max_sessions", "1 to 1000"},
		{"many devices", func(g *entitle.Grant) { g.Limits.MaxDevices = 1001 }, "limits.max_devices", "1 to 1000"},
		{"UK", func(g *entitle.Grant) { g.Limits.Countries = []string{"UK"} }, "limits.countries", "GB"},
		{"EU", func(g *entitle.Grant) { g.Limits.Countries = []string{"EU"} }, "limits.countries", "members"},
		{"no such country", func(g *entitle.Grant) { g.Limits.Countries = []string{"AT", "QQ"} }, "limits.countries", `"QQ"`},
		{"small letters", func(g *entitle.Grant) { g.Limits.Countries = []string{"de"} }, "limits.countries", "capitals"},
		{"a blank", func(g *entitle.Grant) { g.Limits.Countries = []string{"T "} }, "limits.countries", "capitals"},
		{"country twice", func(g *entitle.Grant) { g.Limits.Countries = []string{"AT", "AT"} }, "limits.countries", "twice"},
		{"host bits", func(g *entitle.Grant) { g.Limits.Networks = []netip.Prefix{prefix("192.0.2.7/24")} }, "limits.networks", "want 192.0.2.0/24"},
		{"network twice", func(g *entitle.Grant) { g.Limits.Networks = []netip.Prefix{prefix("::/0"), prefix("::/0")} }, "limits.networks", "twice"},
		{"networks without end", func(g *entitle.Grant) { g.Limits.Networks = make([]netip.Prefix, 65) }, "limits", "65 networks"},
		{"no network", func(g *entitle.Grant) { g.Limits.Networks = make([]netip.Prefix, 1) }, "limits.networks", "is not an IPv4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := &entitle.Grant{Viewer: "ada", PlaybackID: "final", Start: noon}
			c.change(g)
			err := entitle.CheckGrant(g)
			if c.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantField(t, err, c.field, c.says)
		})
	}
}

func wantField(t *testing.T, err error, field, says string) {
	t.Helper()
	e, ok := err.(*tokens.Error) //nolint:errorlint // it has to be the error itself
	if !ok || e.Field != field || e.Reason != tokens.InvalidArgument || !strings.Contains(e.Message, says) {
		t.Errorf("%v; want field %s to be told %q", err, field, says)
	}
}

func TestParseNetwork(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"192.0.2.0/24": "192.0.2.0/24", "192.0.2.7": "192.0.2.7/32", "2001:db8::/32": "2001:db8::/32", "::1": "::1/128", "0.0.0.0/0": "0.0.0.0/0",
	} {
		if got, err := entitle.ParseNetwork("n", text); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, says := range map[string]string{
		"": "is not", "192.0.2.0/33": "is not", "192.0.2/24": "is not", "192.0.2.7/24": "want 192.0.2.0/24", "::ffff:192.0.2.0/120": "is not",
		"::ffff:192.0.2.1": "is not", "fe80::1%eth0": "is not", "example.com": "is not", "192.0.2.0/024": "is not", "192.0.2.0/255.255.255.0": "is not",
	} {
		_, err := entitle.ParseNetwork("n", text)
		wantField(t, err, "n", says)
	}
}

func TestNewIDsAscendWithinABatchAndWithTime(t *testing.T) {
	t.Parallel()
	random := func(n byte) *bytes.Reader { return bytes.NewReader(bytes.Repeat([]byte{n}, 1<<16)) }
	early, err := entitle.NewIDs(random(0xff), noon, 1000)
	if err != nil {
		t.Fatal(err)
	}
	late, err := entitle.NewIDs(random(0), noon.Add(time.Millisecond), 4096)
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(early, late)
	if !slices.IsSorted(all) || len(slices.Compact(all)) != 5096 {
		t.Error("not in ascending order, or twice the same")
	}
	for _, text := range []string{early[0], early[999], late[4095]} {
		id, err := uuid.Parse(text)
		if err != nil || id.Version() != 7 || id.Variant() != uuid.RFC4122 {
			t.Errorf("%s: version %d, variant %s, %v", text, id.Version(), id.Variant(), err)
		}
		seconds, nanos := id.Time().UnixTime()
		if got := time.Unix(seconds, nanos).Sub(noon); got < 0 || got > time.Millisecond {
			t.Errorf("%s was made at noon and %s", text, got)
		}
	}
	if _, err := entitle.NewIDs(random(0), noon, 4097); err == nil {
		t.Error("4097 ids of one millisecond")
	}
	if _, err := entitle.NewIDs(bytes.NewReader(nil), noon, 1); err == nil {
		t.Error("an id without randomness")
	}
}
