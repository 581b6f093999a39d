package expression_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/entitle/expression"
	"github.com/tokensvc/tokensvc/tokens"
)

func compiler(t testing.TB) *expression.Compiler {
	t.Helper()
	c, err := expression.NewCompiler()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func now() time.Time { return time.Date(2026, 11, 20, 21, 30, 0, 0, time.UTC) }

func input() *expression.Input {
	return &expression.Input{
		Viewer: "ann", PlaybackID: "final", TargetID: "live", ClientIP: "203.0.113.7", Device: "tv", Country: "DE",
		Attributes: map[string]string{"tier": "gold", "age": "17", "pattern": "("},
		Grants: []expression.Grant{
			{ID: "g1", OrderID: "o1", ProductID: "season", Start: now().Add(-time.Hour), End: now().Add(time.Hour)},
			{ID: "g2", OrderID: "o2", Start: now().Add(-time.Hour)},
		},
		Now: now(),
	}
}

func TestEval(t *testing.T) {
	t.Parallel()
	c := compiler(t)
	cases := []struct {
		text   string
		want   bool
		detail string
	}{
		{`true`, true, ""},
		{`viewer.id == "ann" && playback.id == "final" && playback.target_id == "live"`, true, ""},
		{`viewer.id.startsWith("b")`, false, "is false"},
		{`request.country in ["DE", "AT", "CH"]`, true, ""},
		{`request.client_ip.startsWith("203.0.113.")`, true, ""},
		{`request.device == "tv"`, true, ""},
		{`request.attributes.tier == "gold"`, true, ""},
		{`request.attributes["tier"].matches("^(gold|silver)$")`, true, ""},
		{`int(request.attributes.age) >= 18`, false, "is false"},
		{`has(request.attributes.staff) && request.attributes.staff == "true"`, false, "is false"},
		{`request.attributes.staff == "true"`, false, "no such key: staff"},
		{`request.attributes.staff != "true"`, false, "no such key: staff"},
		{`!(request.attributes.staff == "true")`, false, "no such key: staff"},
		{`int(request.attributes.tier) > 1`, false, "has no value"},
		{`1 / int(request.attributes.age == "17" ? "0" : "1") == 1`, false, "divi"},
		{`"x".matches(request.attributes.pattern)`, false, "has no value"},
		{`grants.exists(g, g.product_id == "season")`, true, ""},
		{`grants.exists(g, has(g.end_time) && g.end_time > now)`, true, ""},
		{`grants.filter(g, !has(g.end_time)).map(g, g.id) == ["g2"]`, true, ""},
		{`size(grants) == 2 && grants[0].start_time < now`, true, ""},
		{`now.getHours() >= 20 && now.getHours("Europe/Berlin") == 22`, true, ""},
		{`now < timestamp("2026-12-01T00:00:00Z")`, true, ""},
	}
	for _, tc := range cases {
		t.Run(tc.text, func(t *testing.T) {
			t.Parallel()
			p, err := c.Compile(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			got, detail, err := p.Eval(t.Context(), input())
			if err != nil || got != tc.want || !strings.Contains(detail, tc.detail) {
				t.Errorf("got %t, %q, %v; want %t, %q", got, detail, err, tc.want, tc.detail)
			}
		})
	}
}

func TestCompileRefusesWithThePosition(t *testing.T) {
	t.Parallel()
	c := compiler(t)
	ten := `[1,2,3,4,5,6,7,8,9,0]`
	cases := []struct{ name, text, want string }{
		{"empty", ``, "1:1"},
		{"syntax", `viewer.id ==`, "1:13"},
		{"second line", "true &&\n  viewr.id == \"x\"", "2:3: undeclared reference"},
		{"no such variable", `request.contry == "DE"`, "1:1: undeclared reference to 'request'; the variables are viewer.id, playback.id, playback.target_id, request.client_ip, request.device, request.country, request.attributes, grants and now"},
		{"wrong type", `viewer.id == 5`, "1:11: found no matching overload"},
		{"no condition", `viewer.id`, "1:1: has a value of type string"},
		{"unsure type", `dyn(true)`, "1:1: has a value of type dyn"},
		{"no such field", `grants.exists(g, g.price > 1)`, "1:19: undefined field"},
		{"no such function", `viewer.id.sha1() == "x"`, "undeclared reference"},
		{"bad pattern", `viewer.id.matches("(")`, "1:19"},
		{"back reference", `viewer.id.matches("(a)\\1")`, "1:19"},
		{"pattern bomb", `viewer.id.matches("((a{100}){100}){100}")`, "1:19"},
		{"bad time", `now < timestamp("tomorrow")`, "1:17"},
		{"brackets", strings.Repeat("(", 1000) + "true" + strings.Repeat(")", 1000), "1:"},
		{"conditions", strings.Repeat("true?", 700) + "true" + strings.Repeat(":true", 700), "1:"},
		{"lists", strings.Repeat("[", 300) + strings.Repeat("]", 300) + " == []", "1:"},
		{"fields", "request.attributes" + strings.Repeat(".a", 1500) + ` == ""`, "1:"},
		{"too long", strings.Repeat("true || ", 600) + "true", "1:"},
		{"many terms", strings.Repeat("1+", 2000) + "1 == 1", "1:"},
		{"loops in loops", ten + `.all(a, ` + ten + `.all(b, ` + ten + `.all(c, a+b+c > 0)))`, "1:"},
		{"attributes by attributes", `request.attributes.all(a, request.attributes.all(b, request.attributes[a].matches(request.attributes[b])))`, "may cost"},
		{"grants by attributes", `grants.all(g, request.attributes.all(a, request.attributes[a].matches(g.id + g.order_id + g.product_id + ".*.*.*")))`, "may cost"},
		{"text that doubles", `grants.map(g, viewer.id + viewer.id + viewer.id).map(x, x+x+x+x+x+x).exists(x, (x+x+x+x+x).matches("(a|b)*c"))`, "1:"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := c.Compile(tc.text)
			if !errors.Is(err, tokens.ErrInvalidParams) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err != nil && len(err.Error()) > 512 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestEvalKeepsTheDeadline(t *testing.T) {
	t.Parallel()
	p, err := compiler(t).Compile(`grants.all(g, g.id != "")`)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if allowed, _, err := p.Eval(ctx, input()); allowed || err == nil {
		t.Errorf("got %t, %v", allowed, err)
	}
}

// TestEvalIsCutOff runs an expression on more than the estimate was told of.
func TestEvalIsCutOff(t *testing.T) {
	t.Parallel()
	p, err := compiler(t).Compile(`request.attributes.all(k, request.attributes[k].contains("b"))`)
	if err != nil {
		t.Fatal(err)
	}
	in := input()
	in.Attributes = map[string]string{}
	for i := range 64 {
		in.Attributes[strings.Repeat("k", i+1)] = strings.Repeat("a", 1<<20) + "b"
	}
	allowed, _, err := p.Eval(t.Context(), in)
	if allowed || err == nil || !strings.Contains(err.Error(), "cost") {
		t.Errorf("got %t, %v", allowed, err)
	}
}

func TestUsesGrants(t *testing.T) {
	t.Parallel()
	c := compiler(t)
	for text, want := range map[string]bool{`viewer.id == "grants"`: false, `size(grants) > 0`: true} {
		p, err := c.Compile(text)
		if err != nil || p.UsesGrants() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzCompile holds that no text makes the compiler or a run panic or take long, and that no refusal is silent.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{`true`, `viewer.id == "a"`, `grants.exists(g, g.id.matches("a*"))`, `[1].map(x, x)`, `{"a": 1}`, "\x00", `"` + "\xff" + `" == ""`, `r"""x""" != b'\x00'`} {
		f.Add(seed)
	}
	c := compiler(f)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := c.Compile(text)
		if err != nil {
			if !errors.Is(err, tokens.ErrInvalidParams) {
				t.Fatal(err)
			}
			return
		}
		if allowed, _, err := p.Eval(t.Context(), input()); allowed && err != nil {
			t.Errorf("yes with an error: %v", err)
		}
	})
}

func BenchmarkEval(b *testing.B) {
	p, err := compiler(b).Compile(`request.country in ["DE", "AT"] && has(request.attributes.tier) && request.attributes.tier == "gold"`)
	if err != nil {
		b.Fatal(err)
	}
	in := input()
	b.ReportAllocs()
	for b.Loop() {
		if ok, _, err := p.Eval(b.Context(), in); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
