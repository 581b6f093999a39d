package entitle

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/entitle/expression"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/tokens"
)

// said is what a policy has to say. The zero value is that nobody knows.
type said uint8

const (
	dontKnow said = iota
	no
	yes
)

// verdict is the outcome of one policy.
type verdict struct {
	said said
	// detail is the outcome in words.
	detail string
	// reason of a no.
	reason tokens.Reason
	// grant that lets in, if one does.
	grant *Grant
	// until is when a yes ends; zero where no end is known.
	until time.Time
	// err is why nobody knows.
	err error
}

// evaluation answers one request.
type evaluation struct {
	ctx      context.Context //nolint:containedctx // lives as long as one call of Check
	policies *Policies
	request  *Request
	steps    []Step
	// grants are those of the viewer once they have been read.
	grants *held
}

// held are the grants of a viewer, judged.
type held struct {
	all   []Grant
	steps []Step
	best  *Grant
	err   error
}

// access follows one policy that stands depth deep. What playback.CheckAccess refuses is not known here:
// a damaged policy lets nobody in.
func (e *evaluation) access(a *playback.Access, depth int) verdict {
	switch {
	case depth > playback.MaxAccessDepth:
		return verdict{detail: "the policy is too deep", err: errNoRule}
	case a.Open:
		e.step(Step{Rule: RuleOpen, Allowed: true, Detail: "everybody is let in"})
		return verdict{said: yes, detail: "everybody is let in"}
	case a.Grant:
		return e.grant()
	case a.Expression != "":
		return e.expression(a.Expression)
	case a.Webhook != "":
		return e.webhook(a.Webhook)
	case len(a.AllOf) > 0:
		return e.allOf(a.AllOf, depth)
	case len(a.AnyOf) > 0:
		return e.anyOf(a.AnyOf, depth)
	default:
		return verdict{detail: "the policy has no rule", err: errNoRule}
	}
}

// allOf says yes when every policy does. One no decides, whatever others do not know.
func (e *evaluation) allOf(policies []playback.Access, depth int) verdict {
	sum := verdict{said: yes}
	var details []string
	for i := range policies {
		v := e.access(&policies[i], depth+1)
		switch v.said {
		case no:
			return v
		case yes:
			if sum.grant == nil {
				sum.grant = v.grant
			}
			sum.until = earlier(sum.until, v.until)
		default:
			if sum.said == yes {
				sum.said, sum.err, details = dontKnow, v.err, nil
			}
		}
		if v.said == sum.said {
			details = append(details, v.detail)
		}
	}
	sum.detail = strings.Join(details, "; ")
	if sum.said != yes {
		return verdict{detail: sum.detail, err: sum.err}
	}
	return sum
}

// anyOf says what the first policy says that lets in. Where none does, one that does not know leaves the
// answer open: it might have been a yes.
func (e *evaluation) anyOf(policies []playback.Access, depth int) verdict {
	sum := verdict{said: no, reason: tokens.NotEntitled}
	var details []string
	for i := range policies {
		v := e.access(&policies[i], depth+1)
		switch v.said {
		case yes:
			return v
		case no:
			if v.reason == tokens.Revoked {
				sum.reason = v.reason
			}
		default:
			if sum.said == no {
				sum.said, sum.err, details = dontKnow, v.err, nil
			}
		}
		if v.said == sum.said {
			details = append(details, v.detail)
		}
	}
	sum.detail = strings.Join(details, "; ")
	return sum
}

// earlier returns the earlier of two ends, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (e *evaluation) step(s Step) {
	if len(e.steps) < maxSteps {
		e.steps = append(e.steps, s)
	}
}

// hold reads and judges the viewer's grants, once.
func (e *evaluation) hold() *held {
	if e.grants != nil {
		return e.grants
	}
	h := &held{}
	r := e.request
	h.all, h.err = e.policies.grants.GrantsFor(e.ctx, r.Viewer, r.Playback.ID, r.Now, maxGrants)
	if h.err == nil {
		h.best, h.steps = Choose(h.all, r)
	}
	e.grants = h
	return h
}

func (e *evaluation) grant() verdict {
	h := e.hold()
	if h.err != nil {
		e.step(Step{Rule: RuleGrant, Detail: "the store did not answer"})
		return verdict{detail: "the store did not answer", err: h.err}
	}
	for _, s := range h.steps {
		e.step(s)
	}
	if h.best != nil {
		return verdict{said: yes, detail: "grant " + h.best.ID + " lets in", grant: h.best, until: h.best.End}
	}
	v := verdict{said: no, reason: tokens.NotEntitled}
	if len(h.all) == 0 {
		v.detail = fmt.Sprintf("the viewer holds no grant of playback %q or of a product it is in", e.request.Playback.ID)
		e.step(Step{Rule: RuleGrant, Detail: v.detail})
		return v
	}
	revoked := 0
	details := make([]string, len(h.all))
	for i := range h.all {
		details[i] = "grant " + h.all[i].ID + ": " + h.steps[i].Detail
		if h.all[i].State == Revoked {
			revoked++
		}
	}
	if revoked == len(h.all) {
		v.reason = tokens.Revoked
	}
	v.detail = strings.Join(details, "; ")
	return v
}

func (e *evaluation) expression(text string) verdict {
	program, err := e.policies.compile(text)
	if err != nil {
		return e.notKnown(RuleExpression, "the expression does not compile", err)
	}
	in := &expression.Input{
		Viewer: e.request.Viewer, PlaybackID: e.request.Playback.ID, TargetID: e.request.Playback.TargetID, Device: e.request.Viewing.Device,
		Country: e.request.Viewing.Country, Attributes: e.request.Viewing.Attributes, Now: e.request.Now,
	}
	if ip := e.request.Viewing.ClientIP; ip.IsValid() {
		in.ClientIP = ip.String()
	}
	var until time.Time
	if program.UsesGrants() {
		h := e.hold()
		if h.err != nil {
			return e.notKnown(RuleExpression, "the store did not answer", h.err)
		}
		for i := range h.all {
			g := &h.all[i]
			if !h.steps[i].Allowed {
				continue
			}
			in.Grants = append(in.Grants, expression.Grant{ID: g.ID, OrderID: g.OrderID, ProductID: g.ProductID, Start: g.Start, End: g.End})
			until = earlier(until, g.End)
		}
	}
	allowed, detail, err := program.Eval(e.ctx, in)
	if err != nil {
		return e.notKnown(RuleExpression, "the expression was cut off", err)
	}
	e.step(Step{Rule: RuleExpression, Allowed: allowed, Detail: detail})
	if !allowed {
		return verdict{said: no, detail: detail, reason: tokens.NotEntitled}
	}
	return verdict{said: yes, detail: detail, until: until}
}

func (e *evaluation) webhook(id string) verdict {
	answer, err := e.policies.hooks.Ask(e.ctx, id, e.request)
	if err != nil {
		return e.notKnown(RuleWebhook, fmt.Sprintf("web hook %q gave no answer", id), err)
	}
	detail := fmt.Sprintf("web hook %q: %s", id, answer.Detail)
	e.step(Step{Rule: RuleWebhook, Allowed: answer.Allowed, Detail: detail})
	if !answer.Allowed {
		return verdict{said: no, detail: detail, reason: tokens.NotEntitled}
	}
	return verdict{said: yes, detail: detail, until: answer.Until}
}

func (e *evaluation) notKnown(rule, detail string, err error) verdict {
	e.step(Step{Rule: rule, Detail: detail})
	return verdict{detail: detail, err: err}
}
