package entitle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/tokensvc/tokensvc/internal/entitle/expression"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/tokens"
)

// Rules of steps beside RuleGrant.
const (
	RuleOpen       = "open"
	RuleExpression = "expression"
	RuleWebhook    = "webhook"
	// RuleRevocation comes before every policy: a viewer or playback that is held watches nothing.
	RuleRevocation = "revocation"
)

// Bounds of one decision, and of what is kept between them.
const (
	// maxSteps bounds Decision.Steps.
	maxSteps = 64
	// maxGrants is how many grants of a viewer and a playback are looked at.
	maxGrants = 64
	// maxDetail bounds Decision.Detail, in bytes.
	maxDetail = 1024
	// maxPrograms is how many compiled expressions are kept; one takes some kilobytes.
	maxPrograms = 4096
)

// Grants is the part of Store that decisions need.
type Grants interface {
	// GrantsFor is that of Store.
	GrantsFor(ctx context.Context, viewer, playback string, now time.Time, limit int) ([]Grant, error)
}

// Hooks are the web hooks of the config file.
type Hooks interface {
	// Has reports whether there is a web hook of the id.
	Has(id string) bool
	// Ask puts a question to a web hook. An error means that nobody knows.
	Ask(ctx context.Context, id string, r *Request) (HookAnswer, error)
}

// HookAnswer is what a web hook said.
type HookAnswer struct {
	Allowed bool
	// Until is when the answer ends to hold; zero means that the hook named no end.
	Until time.Time
	// Detail is the answer in words.
	Detail string
}

// Policies is the Checker that follows the access policies of playbacks. It is safe for concurrent use.
type Policies struct {
	grants   Grants
	hooks    Hooks
	compiler *expression.Compiler
	// programs are keyed by their text: what a text means never changes, so no update can leave a stale one.
	programs *otter.Cache[string, *expression.Program]
}

var _ Checker = (*Policies)(nil)

// NewPolicies returns a checker. A nil hooks has none.
func NewPolicies(grants Grants, hooks Hooks) (*Policies, error) {
	compiler, err := expression.NewCompiler()
	if err != nil {
		return nil, err
	}
	if hooks == nil {
		hooks = noHooks{}
	}
	return &Policies{
		grants: grants, hooks: hooks, compiler: compiler,
		programs: otter.Must(&otter.Options[string, *expression.Program]{MaximumSize: maxPrograms}),
	}, nil
}

// CheckPolicy refuses a policy that could not be followed: a shape that playback.CheckAccess refuses, an
// expression that does not compile, or a web hook that is not there. Errors wrap tokens.ErrInvalidParams; that
// of an expression holds its position.
func (p *Policies) CheckPolicy(a *playback.Access) error {
	if err := playback.CheckAccess(a); err != nil {
		return err
	}
	return a.Walk(func(part *playback.Access) error {
		if part.Webhook != "" && !p.hooks.Has(part.Webhook) {
			return tokens.ParamError(tokens.InvalidArgument, "access.webhook", "no web hook %q stands in the config file", tokens.Clip(part.Webhook))
		}
		if part.Expression == "" {
			return nil
		}
		_, err := p.compile(part.Expression)
		return err
	})
}

func (p *Policies) compile(text string) (*expression.Program, error) {
	if program, ok := p.programs.GetIfPresent(text); ok {
		return program, nil
	}
	program, err := p.compiler.Compile(text)
	if err != nil {
		return nil, err
	}
	p.programs.Set(text, program)
	return program, nil
}

// Check implements Checker.
func (p *Policies) Check(ctx context.Context, r Request) (Decision, error) {
	if r.Playback == nil {
		return Decision{}, unknown("no playback was named", nil)
	}
	access := r.Playback.Access
	if access == nil {
		access = &playback.Access{Open: true}
	}
	e := evaluation{ctx: ctx, policies: p, request: &r}
	v := e.access(access, 1)
	d := Decision{Detail: clip(v.detail), Steps: e.steps}
	switch v.said {
	case yes:
		d.Allowed, d.Grant, d.Until = true, v.grant, v.until
		return d, nil
	case no:
		d.Reason = v.reason
		return d, nil
	default:
		return Decision{}, unknown(clip(v.detail), v.err)
	}
}

// unknown is the error of a question to which nobody knows the answer.
func unknown(detail string, cause error) error {
	refusal := tokens.Refuse(tokens.EntitlementUnknown, "whether the viewer may watch is not known: %s; try again", detail)
	if cause == nil {
		return refusal
	}
	return &unknownError{refusal: refusal, cause: cause}
}

// unknownError shows callers the refusal and logs the cause.
type unknownError struct {
	refusal *tokens.Error
	cause   error
}

func (e *unknownError) Error() string   { return e.refusal.Error() + " (" + e.cause.Error() + ")" }
func (e *unknownError) Unwrap() []error { return []error{e.refusal, e.cause} }

// clip bounds a text that was put together from those of many rules.
func clip(text string) string {
	if len(text) <= maxDetail {
		return text
	}
	return strings.ToValidUTF8(text[:maxDetail-len("…")], "") + "…"
}

type noHooks struct{}

func (noHooks) Has(string) bool { return false }

func (noHooks) Ask(_ context.Context, id string, _ *Request) (HookAnswer, error) {
	return HookAnswer{}, fmt.Errorf("web hook %q does not stand in the config file", id)
}

var errNoRule = errors.New("the policy has no rule")
