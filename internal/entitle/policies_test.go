package entitle_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/tokens"
)

// shelf is a store of grants; its error is what it answers with.
type shelf struct {
	grants []entitle.Grant
	err    error
	reads  int
}

func (s *shelf) GrantsFor(_ context.Context, _, _ string, _ time.Time, limit int) ([]entitle.Grant, error) {
	s.reads++
	if s.err != nil {
		return nil, s.err
	}
	return s.grants[:min(limit, len(s.grants))], nil
}

// hooks answer by their ids: yes, no, anything else is an error.
type hooks struct{ until time.Time }

func (hooks) Has(id string) bool { return id != "absent" }

func (h hooks) Ask(_ context.Context, id string, _ *entitle.Request) (entitle.HookAnswer, error) {
	switch id {
	case "yes":
		return entitle.HookAnswer{Allowed: true, Until: h.until, Detail: "it says yes"}, nil
	case "no":
		return entitle.HookAnswer{Detail: "it says no"}, nil
	default:
		return entitle.HookAnswer{}, errors.New("does not answer")
	}
}

func instant() time.Time { return time.Date(2026, 11, 20, 20, 0, 0, 0, time.UTC) }

func aGrant(id string, end time.Time) entitle.Grant {
	return entitle.Grant{ID: id, Viewer: "ann", PlaybackID: "final", Start: instant().Add(-time.Hour), End: end, State: entitle.Active}
}

func revoked(g entitle.Grant) entitle.Grant {
	g.State, g.RevokedAt = entitle.Revoked, instant().Add(-time.Minute)
	return g
}

func hook(id string) playback.Access             { return playback.Access{Webhook: id} }
func when(text string) playback.Access           { return playback.Access{Expression: text} }
func allOf(a ...playback.Access) playback.Access { return playback.Access{AllOf: a} }
func anyOf(a ...playback.Access) playback.Access { return playback.Access{AnyOf: a} }

func policies(t testing.TB, s *shelf, h entitle.Hooks) *entitle.Policies {
	t.Helper()
	p, err := entitle.NewPolicies(s, h)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func request(a *playback.Access) entitle.Request {
	return entitle.Request{
		Playback: &playback.Playback{ID: "final", TargetID: "live", Access: a}, Viewer: "ann", Now: instant(),
		Viewing: entitle.Viewing{Attributes: map[string]string{"tier": "gold"}},
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	soon, later := instant().Add(time.Hour), instant().Add(2*time.Hour)
	var (
		open  = playback.Access{Open: true}
		grant = playback.Access{Grant: true}
	)
	held := []entitle.Grant{aGrant("g1", later)}
	cases := []struct {
		name   string
		access *playback.Access
		grants []entitle.Grant
		broken bool // the store does not answer
		// want is yes, no, or unknown, with what follows it: the grant, the end, a part of the detail
		want   string
		grant  string
		until  time.Time
		detail string
		reason tokens.Reason
	}{
		{name: "no policy", want: "yes", detail: "everybody"},
		{name: "open", access: &open, want: "yes", detail: "everybody"},
		{name: "open without a store", access: &open, broken: true, want: "yes"},
		{name: "no grant", access: &grant, want: "no", detail: "holds no grant", reason: tokens.NotEntitled},
		{name: "a grant", access: &grant, grants: held, want: "yes", grant: "g1", until: later},
		{name: "a grant that ended", access: &grant, grants: []entitle.Grant{aGrant("g1", instant())}, want: "no", detail: "it ended", reason: tokens.NotEntitled},
		{name: "a revoked grant", access: &grant, grants: []entitle.Grant{revoked(held[0])}, want: "no", detail: "revoked", reason: tokens.Revoked},
		{name: "a revoked and an ended grant", access: &grant, grants: []entitle.Grant{revoked(held[0]), aGrant("g2", instant())}, want: "no", reason: tokens.NotEntitled},
		{name: "no store", access: &grant, broken: true, want: "unknown", detail: "store"},
		{name: "expression", access: new(when(`request.attributes.tier == "gold"`)), want: "yes"},
		{name: "expression that is false", access: new(when(`viewer.id == "bob"`)), want: "no", detail: "false", reason: tokens.NotEntitled},
		{name: "expression without its attribute", access: new(when(`request.attributes.staff == "true"`)), want: "no", detail: "no such key", reason: tokens.NotEntitled},
		{name: "expression over grants", access: new(when(`grants.exists(g, g.id == "g1")`)), grants: held, want: "yes", until: later},
		{name: "expression over grants that do not count", access: new(when(`grants.exists(g, g.id == "g1")`)), grants: []entitle.Grant{revoked(held[0])}, want: "no", reason: tokens.NotEntitled},
		{name: "expression over grants without a store", access: new(when(`size(grants) == 0`)), broken: true, want: "unknown"},
		{name: "expression that needs no store", access: new(when(`true`)), broken: true, want: "yes"},
		{name: "expression that does not compile", access: new(when(`true ||`)), want: "unknown", detail: "compile"},
		{name: "web hook", access: new(hook("yes")), want: "yes", until: soon, detail: "it says yes"},
		{name: "web hook that refuses", access: new(hook("no")), want: "no", detail: "it says no", reason: tokens.NotEntitled},
		{name: "web hook down", access: new(hook("down")), want: "unknown", detail: `web hook "down"`},
		{name: "all yes", access: new(allOf(grant, hook("yes"), open)), grants: held, want: "yes", grant: "g1", until: soon},
		{name: "all but one", access: new(allOf(open, hook("no"), grant)), grants: held, want: "no", detail: "it says no", reason: tokens.NotEntitled},
		{name: "all but an unknown", access: new(allOf(open, hook("down"), grant)), grants: held, want: "unknown"},
		{name: "a no beats an unknown", access: new(allOf(hook("down"), hook("no"))), want: "no", reason: tokens.NotEntitled},
		{name: "a no beats an unknown behind it", access: new(allOf(hook("no"), hook("down"))), want: "no", reason: tokens.NotEntitled},
		{name: "any: the first yes", access: new(anyOf(hook("no"), grant, hook("yes"))), grants: held, want: "yes", grant: "g1", until: later},
		{name: "any: a yes in front of an unknown", access: new(anyOf(hook("yes"), hook("down"))), want: "yes", until: soon},
		{name: "any: a yes behind an unknown", access: new(anyOf(hook("down"), hook("yes"))), want: "yes", until: soon},
		{name: "any: no and unknown", access: new(anyOf(hook("no"), hook("down"))), want: "unknown", detail: `"down"`},
		{name: "any: all no", access: new(anyOf(hook("no"), when("false"))), want: "no", detail: "it says no; the expression is false", reason: tokens.NotEntitled},
		{name: "any: revoked and no", access: new(anyOf(hook("no"), grant)), grants: []entitle.Grant{revoked(held[0])}, want: "no", reason: tokens.Revoked},
		{name: "nested", access: new(anyOf(allOf(grant, hook("no")), allOf(grant, when("true")))), grants: held, want: "yes", grant: "g1", until: later},
		{name: "nested unknown", access: new(allOf(anyOf(hook("down"), grant), open)), want: "unknown"},
		{name: "no rule", access: &playback.Access{}, want: "unknown", detail: "no rule"},
		{name: "too deep", access: new(allOf(allOf(allOf(allOf(open))))), want: "unknown", detail: "too deep"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{grants: c.grants}
			if c.broken {
				s.err = errors.New("disk on fire")
			}
			d, err := policies(t, s, hooks{until: soon}).Check(t.Context(), request(c.access))
			detail := d.Detail
			switch {
			case err != nil:
				detail = err.Error()
				if c.want != "unknown" || tokens.ReasonOf(err) != tokens.EntitlementUnknown || d.Allowed {
					t.Fatalf("got %v, %v; want %s", d, err, c.want)
				}
				if !cmp.Equal(d, entitle.Decision{}) {
					t.Errorf("an error came with %v", d)
				}
			case d.Allowed != (c.want == "yes") || c.want == "unknown":
				t.Fatalf("got %+v, want %s", d, c.want)
			}
			id := ""
			if d.Grant != nil {
				id = d.Grant.ID
			}
			if id != c.grant || !d.Until.Equal(c.until) || d.Reason != c.reason || !strings.Contains(detail, c.detail) {
				t.Errorf("got grant %q until %s reason %q: %s", id, d.Until, d.Reason, detail)
			}
			if err == nil && len(d.Steps) == 0 {
				t.Error("no step says why")
			}
		})
	}
}

func TestCheckPolicy(t *testing.T) {
	t.Parallel()
	p := policies(t, &shelf{}, hooks{})
	for want, access := range map[string]playback.Access{
		"2:1: undeclared":        allOf(playback.Access{Grant: true}, when("true &&\nviewr")),
		"no web hook \"absent\"": anyOf(hook("absent")),
		"has 0 rules":            allOf(playback.Access{}),
	} {
		if err := p.CheckPolicy(&access); !errors.Is(err, tokens.ErrInvalidParams) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	for _, access := range []*playback.Access{nil, {Open: true}, new(allOf(when("true"), hook("yes")))} {
		if err := p.CheckPolicy(access); err != nil {
			t.Error(err)
		}
	}
	if err := policies(t, &shelf{}, nil).CheckPolicy(new(hook("yes"))); err == nil {
		t.Error("a web hook was found where there are none")
	}
}

func TestDecisionsAreBounded(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	for i := range 200 {
		s.grants = append(s.grants, aGrant(fmt.Sprintf("g%d", i), instant().Add(-time.Minute)))
	}
	grant := playback.Access{Grant: true}
	d, err := policies(t, s, nil).Check(t.Context(), request(new(anyOf(grant, grant, when("size(grants) > 0"), grant))))
	if err != nil || d.Allowed {
		t.Fatal(d, err)
	}
	if len(d.Steps) != 64 || len(d.Detail) > 1024 {
		t.Errorf("%d steps and a detail of %d bytes", len(d.Steps), len(d.Detail))
	}
	if s.reads != 1 {
		t.Errorf("the grants were read %d times for one decision", s.reads)
	}
}

// TestNoYesOutOfNothing holds decisions to the truth tables of a logic with three values: nothing that nobody
// knows ever lets a viewer in, and no denial pretends to know.
func TestNoYesOutOfNothing(t *testing.T) {
	t.Parallel()
	p := policies(t, &shelf{err: errors.New("disk on fire")}, hooks{})
	rapid.Check(t, func(t *rapid.T) {
		left := playback.MaxAccessRules - 1
		access := drawAccess(t, 1, &left)
		if err := playback.CheckAccess(&access); err != nil {
			t.Fatal(err)
		}
		d, err := p.Check(t.Context(), request(&access))
		got := 0
		switch {
		case err != nil:
		case d.Allowed:
			got = 1
		default:
			got = -1
		}
		if want := truth(&access); got != want {
			t.Fatalf("%+v: got %d, want %d (%v, %v)", access, got, want, d, err)
		}
	})
}

// truth returns 1 for yes, -1 for no and 0 for unknown, where the store does not answer.
func truth(a *playback.Access) int {
	switch {
	case a.Open, a.Webhook == "yes", a.Expression == "true":
		return 1
	case a.Webhook == "no", a.Expression == "false":
		return -1
	case len(a.AllOf) > 0:
		least := 1
		for i := range a.AllOf {
			least = min(least, truth(&a.AllOf[i]))
		}
		return least
	case len(a.AnyOf) > 0:
		most := -1
		for i := range a.AnyOf {
			most = max(most, truth(&a.AnyOf[i]))
		}
		return most
	default:
		return 0
	}
}

func drawAccess(t *rapid.T, depth int, left *int) playback.Access {
	kinds := []string{"open", "grant", "true", "false", "yes", "no", "down", "all", "any"}
	if depth == playback.MaxAccessDepth || *left == 0 {
		kinds = kinds[:7]
	}
	var a playback.Access
	switch kind := rapid.SampledFrom(kinds).Draw(t, "kind"); kind {
	case "open":
		a.Open = true
	case "grant":
		a.Grant = true
	case "true", "false":
		a.Expression = kind
	case "yes", "no", "down":
		a.Webhook = kind
	default:
		list := make([]playback.Access, rapid.IntRange(1, min(4, *left)).Draw(t, "policies"))
		*left -= len(list)
		for i := range list {
			list[i] = drawAccess(t, depth+1, left)
		}
		if a.AllOf = list; kind == "any" {
			a.AllOf, a.AnyOf = nil, list
		}
	}
	return a
}
