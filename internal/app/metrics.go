package app

import (
	"context"
	"maps"
	"net/http"
	"time"

	"github.com/tokensvc/tokensvc/internal/obs"
	"github.com/tokensvc/tokensvc/keystore"
)

// withMetrics adds the handler of metrics to others.
func (a *App) withMetrics(extra map[string]http.Handler) map[string]http.Handler {
	all := maps.Clone(extra)
	if all == nil {
		all = map[string]http.Handler{}
	}
	all["GET /metrics"] = obs.NewMetrics(a.state, a.families, a.log)
	return all
}

// state reads what the metrics show.
func (a *App) state(ctx context.Context) (obs.State, error) {
	records, err := a.store.List(ctx, keystore.Page{})
	if err != nil {
		return obs.State{}, err
	}
	state := obs.State{Targets: make([]obs.TargetState, 0, len(records))}
	if a.signer != nil {
		state.Signing = &obs.SigningState{SnapshotAge: a.keyring.Age()}
		state.Signing.QueuedSignatures, state.Signing.QueuedChecks = a.signer.Queued()
	}
	if a.executor != nil {
		tally := a.executor.Tally()
		state.Steps, state.Failures = tally.Steps, tally.Failures
	}
	now := a.now()
	for i := range records {
		state.Targets = append(state.Targets, targetState(&records[i], now))
	}
	return state, nil
}

func targetState(r *keystore.Record, now time.Time) obs.TargetState {
	t := obs.TargetState{Target: r.Target.ID, Provider: r.Target.Provider, Orphans: len(r.Orphans)}
	if op := r.Operation; op != nil {
		t.Step, t.Alarm = string(op.Step), op.Alarm != ""
	}
	if !r.NextRotation.IsZero() && r.Operation == nil {
		t.Overdue = max(now.Sub(r.NextRotation), 0)
	}
	if k := r.Active(); k != nil {
		t.Signs, t.KeyAge = true, max(now.Sub(k.ActivatedAt), 0)
		if ends := k.HorizonEnds; !k.Horizon.IsZero() && (ends.IsZero() || now.Before(ends)) {
			t.Blackout = max(now.Sub(k.Horizon), 0)
		}
	}
	return t
}
