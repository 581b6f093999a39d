// Package policytest runs cases against an access policy: who is let in, and why, without a server, a store or a
// web hook. docs/policies.md describes the file.
package policytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/tokens"
)

// maxFile bounds a file of cases, in bytes.
const maxFile = 4 << 20

// Verdicts of a case.
const (
	Allowed = "allowed"
	Denied  = "denied"
	Unknown = "unknown"
)

// File is a policy and its cases.
type File struct {
	Policy   yaml.Node `yaml:"policy"`
	Playback string    `yaml:"playback"`
	Target   string    `yaml:"target"`
	Now      Instant   `yaml:"now"`
	Cases    []Case    `yaml:"cases"`
}

// Instant is a time in a file, written as RFC 3339 has it.
type Instant struct{ time.Time }

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *Instant) UnmarshalYAML(n *yaml.Node) error {
	var err error
	if t.Time, err = time.Parse(time.RFC3339, n.Value); err != nil {
		return fmt.Errorf("line %d: %q is not a time like 2026-11-20T20:00:00Z", n.Line, tokens.Clip(n.Value))
	}
	return nil
}

// Case is one question and the answer it should get.
type Case struct {
	Name       string            `yaml:"name"`
	Viewer     string            `yaml:"viewer"`
	Now        Instant           `yaml:"now"`
	ClientIP   string            `yaml:"client_ip"`
	Device     string            `yaml:"device"`
	Country    string            `yaml:"country"`
	Attributes map[string]string `yaml:"attributes"`
	Grants     []Grant           `yaml:"grants"`
	// Webhooks says what each web hook answers: yes, no or down; down where it is not named.
	Webhooks map[string]string `yaml:"webhooks"`
	// Want is allowed, denied or unknown.
	Want string `yaml:"want"`
	// Reason of a denial; not looked at when empty.
	Reason string `yaml:"reason"`
}

// Grant is one of the viewer's grants of the playback.
type Grant struct {
	ID         string         `yaml:"id"`
	OrderID    string         `yaml:"order_id"`
	ProductID  string         `yaml:"product_id"`
	Start      Instant        `yaml:"start_time"`
	End        Instant        `yaml:"end_time"`
	Revoked    bool           `yaml:"revoked"`
	Plays      int            `yaml:"plays"`
	MaxPlays   int            `yaml:"max_plays"`
	MaxDevices int            `yaml:"max_devices"`
	Countries  []string       `yaml:"countries"`
	Networks   []netip.Prefix `yaml:"networks"`
}

// Result is what came of one case.
type Result struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Want string `json:"want"`
	// WantReason is the reason of the denial that is wanted, when the case names one.
	WantReason string `json:"want_reason,omitempty"`
	Got        string `json:"got"`
	// Reason is that of a denial.
	Reason string `json:"reason,omitempty"`
	// Detail is the answer in words.
	Detail string `json:"detail"`
}

// Run reads a file of cases and runs them. The error says what is wrong with the file.
func Run(ctx context.Context, name string, text []byte) ([]Result, error) {
	f, err := read(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	access, err := config.AccessFromNode(name, "policy", &f.Policy)
	if err != nil {
		return nil, err
	}
	if f.Playback == "" {
		f.Playback = "playback"
	}
	results := make([]Result, 0, len(f.Cases))
	for i := range f.Cases {
		r, err := f.Cases[i].run(ctx, f, access)
		if err != nil {
			return nil, fmt.Errorf("%s: cases[%d]: %w", name, i, err)
		}
		results = append(results, r)
	}
	return results, nil
}

func read(text []byte) (*File, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("the file is over %d bytes", maxFile)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	f := &File{}
	if err := decoder.Decode(f); err != nil && !errors.Is(err, io.EOF) {
		return nil, inWords(err)
	}
	switch {
	case f.Policy.IsZero():
		return nil, errors.New("policy is missing")
	case len(f.Cases) == 0:
		return nil, errors.New("there are no cases")
	}
	return f, nil
}

// inWords leaves the names of Go types out of what the decoder says.
func inWords(err error) error {
	wrong, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return err
	}
	lines := make([]string, len(wrong.Errors))
	for i, line := range wrong.Errors {
		line, _, _ = strings.Cut(line, " in type ")
		lines[i], _, _ = strings.Cut(line, " into ")
	}
	return errors.New(strings.Join(lines, "; "))
}

// run asks one question of a checker whose store and web hooks are those of the case.
func (c *Case) run(ctx context.Context, f *File, access *playback.Access) (Result, error) {
	request, err := c.request(f, access)
	if err != nil {
		return Result{}, err
	}
	world := &world{grants: c.grants(request), hooks: c.Webhooks}
	policies, err := entitle.NewPolicies(world, world)
	if err != nil {
		return Result{}, err
	}
	if err := policies.CheckPolicy(access); err != nil {
		return Result{}, err
	}
	r := Result{Name: c.Name, Want: c.Want, WantReason: c.Reason}
	switch d, err := policies.Check(ctx, request); {
	case err != nil:
		r.Got, r.Detail = Unknown, err.Error()
	case d.Allowed:
		r.Got, r.Detail = Allowed, d.Detail
	default:
		r.Got, r.Detail, r.Reason = Denied, d.Detail, string(d.Reason)
	}
	r.OK = r.Got == r.Want && (c.Reason == "" || c.Reason == r.Reason)
	return r, nil
}

func (c *Case) request(f *File, access *playback.Access) (entitle.Request, error) {
	r := entitle.Request{
		Playback: &playback.Playback{ID: f.Playback, TargetID: f.Target, Access: access}, Viewer: c.Viewer, Now: c.Now.Time,
		Viewing: entitle.Viewing{Device: c.Device, Country: c.Country, Attributes: c.Attributes},
	}
	if r.Now.IsZero() {
		r.Now = f.Now.Time
	}
	switch {
	case c.Name == "":
		return r, errors.New("name is missing")
	case c.Viewer == "":
		return r, errors.New("viewer is missing")
	case r.Now.IsZero():
		return r, errors.New("now is missing, here and for the file; write a time as 2026-11-20T20:00:00Z")
	case c.Want != Allowed && c.Want != Denied && c.Want != Unknown:
		return r, fmt.Errorf("want is %q; write %s, %s or %s", tokens.Clip(c.Want), Allowed, Denied, Unknown)
	case c.Reason != "" && c.Want != Denied:
		return r, fmt.Errorf("reason goes with want: %s only", Denied)
	}
	for id, answer := range c.Webhooks {
		if !asks(access, id) {
			return r, fmt.Errorf("the policy asks no web hook %q", tokens.Clip(id))
		}
		if answer != "yes" && answer != "no" && answer != "down" {
			return r, fmt.Errorf("web hook %q answers %q; write \"yes\", \"no\" or \"down\", in quotes", tokens.Clip(id), tokens.Clip(answer))
		}
	}
	if c.ClientIP != "" {
		var err error
		if r.Viewing.ClientIP, err = netip.ParseAddr(c.ClientIP); err != nil {
			return r, fmt.Errorf("client_ip: %q is no address", tokens.Clip(c.ClientIP))
		}
	}
	return r, nil
}

// asks reports whether a policy names a web hook.
func asks(a *playback.Access, hook string) bool {
	if a == nil {
		return false
	}
	inner := func(one playback.Access) bool { return asks(&one, hook) }
	return a.Webhook == hook || slices.ContainsFunc(a.AllOf, inner) || slices.ContainsFunc(a.AnyOf, inner)
}

func (c *Case) grants(r entitle.Request) []entitle.Grant {
	grants := make([]entitle.Grant, len(c.Grants))
	for i, g := range c.Grants {
		grants[i] = entitle.Grant{
			ID: g.ID, Viewer: c.Viewer, ProductID: g.ProductID, Start: g.Start.Time, End: g.End.Time, OrderID: g.OrderID, State: entitle.Active, Plays: g.Plays,
			Limits: entitle.Limits{MaxPlays: g.MaxPlays, MaxDevices: g.MaxDevices, Countries: g.Countries, Networks: g.Networks},
		}
		if g.ProductID == "" {
			grants[i].PlaybackID = r.Playback.ID
		}
		if g.Revoked {
			grants[i].State, grants[i].RevokedAt = entitle.Revoked, r.Now
		}
	}
	return grants
}

// world is a store and web hooks that answer as a case says.
type world struct {
	grants []entitle.Grant
	hooks  map[string]string
}

func (w *world) GrantsFor(_ context.Context, _, _ string, _ time.Time, limit int) ([]entitle.Grant, error) {
	return w.grants[:min(limit, len(w.grants))], nil
}

// Has implements entitle.Hooks: whether the config file has a web hook is not asked here.
func (*world) Has(string) bool { return true }

// Ask implements entitle.Hooks.
func (w *world) Ask(_ context.Context, id string, _ *entitle.Request) (entitle.HookAnswer, error) {
	switch w.hooks[id] {
	case "yes":
		return entitle.HookAnswer{Allowed: true, Detail: "says yes"}, nil
	case "no":
		return entitle.HookAnswer{Detail: "says no"}, nil
	default:
		return entitle.HookAnswer{}, errors.New("it is down")
	}
}
