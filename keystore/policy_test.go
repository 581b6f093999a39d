package keystore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

func TestCheckPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		provider string
		change   func(*keystore.Target)
		legal    bool
	}{
		"overlap":                {"qencode", func(x *keystore.Target) { x.Policy.Mode = keystore.Overlap }, true},
		"cut":                    {"wowza", func(x *keystore.Target) { x.Policy.Mode = keystore.Cut }, true},
		"cut with two resources": {"wowza", func(x *keystore.Target) { x.Policy.Mode, x.Resources = keystore.Cut, []string{"a", "b"} }, true},
		"pair":                   {"agora", func(x *keystore.Target) { x.Policy.Mode, x.Resources = keystore.Pair, []string{"a", "b"} }, true},
		"window over midnight":   {"wowza", func(x *keystore.Target) { x.Policy.Window = "23:30-00:30" }, true},
		"probe":                  {"wowza", func(x *keystore.Target) { x.Policy.ProbeURL = "https://edge.example/p?x=1" }, true},
		"drift":                  {"wowza", func(x *keystore.Target) { x.Policy.OnDrift = keystore.DriftReassert }, true},

		"overlap in one slot":    {"wowza", func(x *keystore.Target) { x.Policy.Mode = keystore.Overlap }, false},
		"pair of one":            {"agora", func(x *keystore.Target) { x.Policy.Mode, x.Resources = keystore.Pair, []string{"a"} }, false},
		"cut of an overlap":      {"qencode", func(x *keystore.Target) { x.Policy.Mode = keystore.Cut }, false},
		"unknown mode":           {"wowza", func(x *keystore.Target) { x.Policy.Mode = "swap" }, false},
		"three resources":        {"wowza", func(x *keystore.Target) { x.Resources = []string{"a", "b", "c"} }, false},
		"twice the same":         {"wowza", func(x *keystore.Target) { x.Resources = []string{"a", "a"} }, false},
		"empty resource":         {"wowza", func(x *keystore.Target) { x.Resources = []string{""} }, false},
		"resource with a blank":  {"wowza", func(x *keystore.Target) { x.Resources = []string{"a b"} }, false},
		"long resource":          {"wowza", func(x *keystore.Target) { x.Resources = []string{strings.Repeat("a", 257)} }, false},
		"negative period":        {"wowza", func(x *keystore.Target) { x.Policy.Every = -1 }, false},
		"window without minutes": {"wowza", func(x *keystore.Target) { x.Policy.Window = "2-4" }, false},
		"empty window":           {"wowza", func(x *keystore.Target) { x.Policy.Window = "02:00-02:00" }, false},
		"window past midnight":   {"wowza", func(x *keystore.Target) { x.Policy.Window = "22:00-24:00" }, false},
		"probe of a file":        {"wowza", func(x *keystore.Target) { x.Policy.ProbeURL = "file:///etc/passwd" }, false},
		"probe without a host":   {"wowza", func(x *keystore.Target) { x.Policy.ProbeURL = "https:///p" }, false},
		"probe with a password":  {"wowza", func(x *keystore.Target) { x.Policy.ProbeURL = "https://a:b@edge.example/" }, false},
		"unknown drift":          {"wowza", func(x *keystore.Target) { x.Policy.OnDrift = "ignore" }, false},
	} {
		x := record(c.provider).Target
		c.change(&x)
		if err := keystore.CheckTarget(x); c.legal != (err == nil) || err != nil && !errors.Is(err, keystore.ErrIllegal) {
			t.Errorf("%s: %v; legal is %t", name, err, c.legal)
		}
	}
}

func TestMode(t *testing.T) {
	for _, c := range []struct {
		provider  string
		resources []string
		policy    keystore.Mode
		want      keystore.Mode
	}{
		{"qencode", nil, "", keystore.Overlap},
		{"akamai", nil, "", keystore.Overlap},
		{"wowza", []string{"a"}, "", keystore.Cut},
		{"agora", []string{"a", "b"}, "", keystore.Pair},
		{"wowza", []string{"a", "b"}, keystore.Cut, keystore.Cut},
	} {
		x := keystore.Target{Provider: c.provider, Resources: c.resources, Policy: keystore.Policy{Mode: c.policy}}
		if got := x.Mode(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestNextOpening(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse("2 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for _, c := range []struct{ window, now, want string }{
		{"", "5 12:00", "5 12:00"},
		{"02:00-04:00", "5 01:59", "5 02:00"},
		{"02:00-04:00", "5 02:00", "5 02:00"},
		{"02:00-04:00", "5 03:59", "5 03:59"},
		{"02:00-04:00", "5 04:00", "6 02:00"},
		{"23:00-01:00", "5 00:59", "5 00:59"},
		{"23:00-01:00", "5 01:00", "5 23:00"},
		{"23:00-01:00", "5 23:30", "5 23:30"},
	} {
		if got := (keystore.Policy{Window: c.window}).NextOpening(at(c.now)); !got.Equal(at(c.want)) {
			t.Errorf("%q at %s: %s, want %s", c.window, c.now, got.Format("2 15:04"), c.want)
		}
	}
}

func TestEqual(t *testing.T) {
	a := record("agora").Target
	a.Resources = []string{"a", "b"}
	b := a
	b.Resources = []string{"a", "b"}
	b.CreatedAt, b.UpdatedAt, b.LongLivedUntil = start(), start(), start()
	if !a.Equal(b) || !b.Equal(a) {
		t.Error("what a store stamps makes a difference")
	}
	for name, change := range map[string]func(*keystore.Target){
		"resources":   func(x *keystore.Target) { x.Resources = []string{"b", "a"} },
		"policy":      func(x *keystore.Target) { x.Policy.SoleOwner = true },
		"options":     func(x *keystore.Target) { x.Options.AgoraForm = "mid16" },
		"description": func(x *keystore.Target) { x.Description = "x" },
		"lifetime":    func(x *keystore.Target) { x.MaxTokenLifetime++ },
		"managed":     func(x *keystore.Target) { x.Managed = true },
	} {
		c := b
		change(&c)
		if a.Equal(c) {
			t.Errorf("%s makes no difference", name)
		}
	}
	c, d := a, a
	c.Resources, d.Resources = nil, []string{}
	if !c.Equal(d) {
		t.Error("none differs from empty")
	}
}

// TestLongestLife: what was lowered counts when the old tokens have died, also for keys that retire.
func TestLongestLife(t *testing.T) {
	lowered := record("qencode").Target
	lowered.MaxTokenLifetime = time.Hour
	now := start().Add(2 * time.Hour)
	x := keystore.Succeed(record("qencode").Target, lowered, start())
	for _, c := range []struct {
		now  time.Time
		want time.Duration
	}{{start(), lifetime}, {now, 4 * time.Hour}, {start().Add(5 * time.Hour), time.Hour}, {start().Add(lifetime), time.Hour}} {
		if got := x.LongestLife(c.now); got != c.want {
			t.Errorf("after %s: %s, want %s", c.now.Sub(start()), got, c.want)
		}
	}
	raised := x
	raised.MaxTokenLifetime, raised.LongLivedUntil = 12*time.Hour, time.Time{}
	if x := keystore.Succeed(x, raised, now); x.LongestLife(now) != 12*time.Hour || !x.LongLivedUntil.Equal(start().Add(lifetime)) {
		t.Errorf("raised again: %s, %v", x.LongestLife(now), x.LongLivedUntil)
	}
	r := record("qencode", keystore.Active, keystore.Pending)
	r.Target = x
	if err := r.Activate(2, now, timing()); err != nil {
		t.Fatal(err)
	}
	if want := now.Add(45*time.Second + 4*time.Hour); !r.Keys[0].RetireAfter.Equal(want) {
		t.Errorf("retire after %v, want %v", r.Keys[0].RetireAfter, want)
	}
}
