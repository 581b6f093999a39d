package app

import (
	"crypto/rand"
	"encoding/binary"
	"net/http"
	"slices"
	"time"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/agora"
	"github.com/tokensvc/tokensvc/internal/provider/qencode"
	"github.com/tokensvc/tokensvc/internal/provider/wowza"
	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/internal/server"
	"github.com/tokensvc/tokensvc/keystore"
)

// probeTimeout bounds one question to an edge.
const probeTimeout = 10 * time.Second

// openExecutor builds what rotates keys, and the adapters of all accounts that have credentials: one for each, since
// an adapter keeps the account's rate and its login.
func (a *App) openExecutor() error {
	var err error
	if a.adapters, err = newProviders(a.cfg, a.log, a.now, a.calls); err != nil {
		return err
	}
	audit := a.log.With("audit", true)
	a.executor = rotate.New(rotate.Config{
		Store: a.store, Sealer: a.sealer, Providers: a.adapters.of, Clock: a.now, Timing: rotationTiming(a.cfg), Log: a.log, Jitter: jitter,
		Prober: rotate.HTTPProber{Client: &http.Client{
			Timeout: probeTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{DisableKeepAlives: true},
		}},
		Observe: func(e rotate.Event) {
			audit.Info("rotation step", "target", e.Target, "operation", e.Operation, "action", string(e.Action), "step", string(e.Step),
				"class", e.Class, "provider_request", e.RequestID)
		},
	})
	return nil
}

// rotationTiming takes over what the config says of the times of rotation.
func rotationTiming(cfg config.Config) rotate.Timing {
	t := rotate.DefaultTiming()
	t.Timing, t.Propagation, t.MaxCall = cfg.Timing(), cfg.Propagation, cfg.MaxCall
	return t
}

// jitter returns a number in [0, 1).
func jitter() float64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, and fills b
	return float64(binary.LittleEndian.Uint64(b[:])>>11) / (1 << 53)
}

// rotation is what the API needs of it. Without an executor it plans by what is known of each provider, and
// leaves the work to the job; it takes for granted that the provider holds what the record says.
func (a *App) rotation() server.Rotation {
	r := server.Rotation{Timing: rotationTiming(a.cfg)}
	if a.executor != nil {
		r.Plan, r.Adopt = a.executor.Plan, a.executor.Adopt
		return r
	}
	r.Plan = func(record keystore.Record) (rotate.Decision, error) {
		now := a.now()
		traits := provider.Traits{Slots: 1, CookieBound: a.cookieBound(record.Target)}
		facts := rotate.Facts{Abilities: abilitiesOf(record.Target.Provider), Traits: traits, Checked: now}
		return rotate.Plan(record, facts, r.Timing, now), nil
	}
	return r
}

// cookieBound tells what the config file says of the edge's cookies.
func (a *App) cookieBound(t keystore.Target) bool {
	return slices.ContainsFunc(a.cfg.Accounts, func(c config.Account) bool { return c.ID == t.Account && c.CookieBoundToSecret })
}

// abilitiesOf tells what the adapter of a provider can do, without one.
func abilitiesOf(name string) rotate.Abilities {
	switch name {
	case "wowza":
		return rotate.AbilitiesOf((*wowza.Client)(nil))
	case "qencode":
		return rotate.AbilitiesOf((*qencode.Client)(nil))
	case "agora":
		return rotate.AbilitiesOf((*agora.Client)(nil))
	default:
		return rotate.Abilities{}
	}
}
