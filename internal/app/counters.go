package app

import (
	"cmp"
	"maps"
	"sync"

	"github.com/tokensvc/tokensvc/internal/edge"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/obs"
	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/internal/session"
	"github.com/tokensvc/tokensvc/internal/signer"
)

// counters are what an App counts beside its parts, which count for themselves.
type counters struct {
	decisions *edge.Tally
	calls     *providerCalls
	checks    *entitle.Counted // nil in the job
	sessions  *session.Counted // nil in the job
}

func newCounters() counters { return counters{decisions: edge.NewTally(), calls: &providerCalls{}} }

// families reads all that is counted.
func (a *App) families() []obs.Family {
	byCode, took := a.server.CallCounts()
	all := []obs.Family{
		{Name: "calls_total", Help: "Calls that were answered.", Labels: []string{"transport", "method", "code"}, Samples: byCode},
		{Name: "call_duration_seconds", Help: "How long calls took; a stream ends with its client.", Labels: []string{"transport", "method"}, Samples: took},
		a.decisionFamily(), a.checkFamily(), a.calls.family(),
	}
	return append(append(all, signFamilies(a.signer.Counts())...), sessionFamilies(a.sessions.Counts())...)
}

// signFamilies tells what a signer has counted.
func signFamilies(c signer.Counts) []obs.Family {
	signs := obs.Family{Name: "signs_total", Help: "Tries to sign a token, by the reason why none was; OK where one was.", Labels: []string{"scheme", "reason"}}
	for scheme, reasons := range c.Signs {
		for reason, n := range reasons {
			if n > 0 || scheme != "" {
				signs.Samples = append(signs.Samples, sample(n, cmp.Or(scheme, "unknown"), cmp.Or(string(reason), "OK")))
			}
		}
	}
	return []obs.Family{
		signs,
		{
			Name: "rsa_queue_refused_total", Help: "RSA signatures and checks that the queue had no room for.", Labels: []string{"work"},
			Samples: []obs.Sample{sample(c.SignsRefused, "sign"), sample(c.ChecksRefused, "check")},
		},
		{
			Name: "token_cache_uses_total", Help: "Uses of the tokens that viewers share, and of the memory of RSA signatures that were checked.",
			Labels: []string{"cache", "use"},
			Samples: []obs.Sample{
				sample(c.Shared.Hits, "shared", "hit"), sample(c.Shared.Misses, "shared", "miss"),
				sample(c.Proven.Hits, "proven", "hit"), sample(c.Proven.Misses, "proven", "miss"),
			},
		},
	}
}

// sessionFamilies tells what was counted of sessions.
func sessionFamilies(c session.Counts) []obs.Family {
	ended := obs.Family{Name: "sessions_ended_total", Help: "Sessions that this process has ended; nobody ends those that expire.", Labels: []string{"reason"}}
	for reason, n := range c.Ended {
		ended.Samples = append(ended.Samples, sample(n, string(reason)))
	}
	return []obs.Family{
		{Name: "sessions_opened_total", Help: "Sessions that this process has opened.", Samples: []obs.Sample{sample(c.Opened)}},
		{
			Name: "sessions_refused_total", Help: "Sessions that were not opened or extended.", Labels: []string{"reason"},
			Samples: []obs.Sample{sample(c.Limit, "limit"), sample(c.Revoked, "revoked"), sample(c.Gone, "ended"), sample(c.Failed, "failed")},
		},
		ended,
	}
}

func (a *App) decisionFamily() obs.Family {
	f := obs.Family{Name: "edge_decisions_total", Help: "Answers to edges that asked about a request.", Labels: []string{"convention", "outcome"}}
	a.decisions.Counts(func(convention string, o edge.Outcome, n uint64) {
		f.Samples = append(f.Samples, sample(n, convention, o.String()))
	})
	return f
}

func (a *App) checkFamily() obs.Family {
	allowed, refused, unknown := a.checks.Counts()
	return obs.Family{
		Name: "entitlement_checks_total", Help: "Questions whether a viewer may watch; unknown is refused.", Labels: []string{"outcome"},
		Samples: []obs.Sample{sample(allowed, "allowed"), sample(refused, "refused"), sample(unknown, "unknown")},
	}
}

func sample(count uint64, labels ...string) obs.Sample {
	return obs.Sample{Labels: labels, Count: count}
}

// providerCalls counts calls of providers. The names of calls stand in the adapters.
type providerCalls struct {
	mu     sync.Mutex
	counts map[providerCall]uint64
}

type providerCall struct{ provider, call, class string }

// observe returns what rest.Config.Observe is for one provider.
func (c *providerCalls) observe(name string) func(string, *provider.Error) {
	return func(call string, failure *provider.Error) {
		class := "ok"
		if failure != nil {
			class = rotate.Class(failure)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.counts == nil {
			c.counts = make(map[providerCall]uint64)
		}
		c.counts[providerCall{name, call, class}]++
	}
}

func (c *providerCalls) family() obs.Family {
	c.mu.Lock()
	counts := maps.Clone(c.counts)
	c.mu.Unlock()
	f := obs.Family{
		Name: "provider_calls_total", Help: "Calls of providers with all their tries, by the class of their failure; ok where there was none.",
		Labels: []string{"provider", "call", "class"},
	}
	for k, n := range counts {
		f.Samples = append(f.Samples, sample(n, k.provider, k.call, k.class))
	}
	return f
}
