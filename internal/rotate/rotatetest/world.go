package rotatetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/envelope"
	"github.com/tokensvc/tokensvc/tokens"
)

// Tick is the unit of the world's clock. It is a minute since the signer refuses tokens that a cut
// leaves less than a minute.
const Tick = time.Minute

// Terms of the world; see package rotate.
const (
	lifetime    = 6 * Tick // T
	cacheTicks  = 2        // C
	skew        = Tick     // S
	propagation = 2 * Tick // P
	maxCall     = Tick
	period      = 30 * Tick
	horizon     = 80  // ticks in which rotations begin: three, so that a pair comes back to its first slot
	settling    = 400 // ticks in which the last may end
	maxSteps    = 8   // in one tick
)

// Outcome is what a run came to.
type Outcome struct {
	Points, Calls    int // crash points and calls that were passed
	Versions, Tokens int
	Refused          int // signs that were refused
	Alarms           map[string]int
	Violation        error
}

// crashed is what the process panics with where it dies.
type crashed struct{}

type token struct {
	version     int
	fingerprint string
	iat, exp    time.Time
}

// World holds what survives a crash, and the process that may die.
type World struct {
	// Vendor is the provider in memory; another Backend leaves it unused.
	Vendor *Vendor
	Target string

	backend    Backend
	scenario   Scenario
	mutation   Mutation
	tick       atomic.Int64 // servers read it beside us
	begin      time.Time
	store      keystore.Store
	lazy       *lazyStore
	sealer     keystore.Sealer
	executor   *rotate.Executor
	twin       *rotate.Executor
	closing    func() error
	replicas   []*replica
	entry      *playback.Entry
	history    []keystore.Record
	tokens     []token
	outcome    Outcome
	surrogates map[int]surrogate
	log        *slog.Logger
	sleeping   int
	lastAlarm  string
}

func timing() rotate.Timing {
	return rotate.Timing{
		Timing:      keystore.Timing{SnapshotMaxAge: cacheTicks * Tick, ClockSkew: skew, RollbackWindow: 10 * Tick},
		Propagation: propagation, MaxCall: maxCall, CutWindow: 15 * Tick, CheckEvery: 10 * Tick, Poll: Tick,
		RetryBase: Tick, RetryCap: 4 * Tick, ClosedRetryCap: 2 * Tick, StoreMargin: Tick,
		ProbeEvery: Tick, Probes: 3, ForeignLifetime: lifetime,
	}
}

// Run runs a scenario to its end or its first violation.
func Run(ctx context.Context, s Scenario) Outcome {
	w, err := New(ctx, s)
	if err != nil {
		return Outcome{Violation: err}
	}
	err = w.run(ctx)
	w.outcome.Violation = errors.Join(err, w.Close())
	w.outcome.Calls = w.backend.Calls()
	return w.outcome
}

// Now is the world's clock.
func (w *World) Now() time.Time { return w.begin.Add(time.Duration(w.tick.Load()) * Tick) }

// Tick is how many ticks have passed.
func (w *World) Tick() int { return int(w.tick.Load()) }

// Record is the target's record as it was committed last.
func (w *World) Record() keystore.Record { return w.history[len(w.history)-1] }

// Alarm is what the last step asked a person to look at.
func (w *World) Alarm() string { return w.lastAlarm }

// Expect notes a token of a secret that somebody else has signed, with a life of the given ticks.
func (w *World) Expect(secret tokens.Secret, ticks int) {
	w.tokens = append(w.tokens, token{
		fingerprint: w.Vendor.fingerprint(secret), iat: w.Now(), exp: w.Now().Add(time.Duration(ticks) * Tick),
	})
}

// Executor is the process that runs now.
func (w *World) Executor() *rotate.Executor { return w.executor }

// New returns a world at its first tick, in which nothing has happened yet.
func New(ctx context.Context, s Scenario) (*World, error) {
	sealer, err := envelope.New(envelope.GenerateMasterKeys())
	if err != nil {
		return nil, err
	}
	w := &World{
		Target: s.Target, scenario: s, mutation: s.Mutation, sealer: sealer, outcome: Outcome{Alarms: map[string]int{}},
		// Not at a full second: some providers cut their times to it.
		begin:      time.Date(2031, 2, 3, 4, 0, 0, 700_000_000, time.UTC),
		surrogates: map[int]surrogate{}, log: s.Log,
	}
	if w.Target == "" {
		w.Target = "event"
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	w.store, w.closing = NewStore(w.Now), func() error { return nil }
	if s.Open != nil {
		if w.store, w.closing, err = s.Open(ctx, w.Now); err != nil {
			return nil, err
		}
	}
	w.Vendor = NewVendor(schemes.WowzaHdnts, w.Now, propagation)
	w.Vendor.answers, w.Vendor.script = s.Answers, s.Script
	w.backend = inMemory{w.Vendor, s.Kind}
	if s.Backend != nil {
		if w.backend, err = s.Backend(s, w.Now, propagation); err != nil {
			return nil, errors.Join(err, w.closing())
		}
	}
	target := w.backend.Target()
	target.ID, target.Account, target.MaxTokenLifetime = w.Target, "main", lifetime
	target.Policy = keystore.Policy{Every: period, SoleOwner: true}
	if s.Policy != nil {
		s.Policy(&target.Policy)
	}
	w.entry = playback.NewEntry(film(target))
	if _, err := w.store.Create(ctx, target); err != nil {
		return nil, errors.Join(err, w.closing())
	}
	if w.mutation == NoJournal {
		w.lazy = &lazyStore{Store: w.store}
	}
	for age := range cacheTicks + 1 {
		w.replicas = append(w.replicas, newReplica(w, age, 0))
	}
	w.replicas = append(w.replicas, newReplica(w, cacheTicks, skew), newReplica(w, cacheTicks, -skew))
	w.start()
	if s.Twin {
		w.twin = w.process(w.store, nil)
	}
	return w, nil
}

// Close ends the world's replicas and its store.
func (w *World) Close() error {
	for _, r := range w.replicas {
		r.signer.Close()
	}
	return w.closing()
}

// start begins a life of the process.
func (w *World) start() {
	store := w.store
	switch {
	case w.lazy != nil:
		w.lazy.crash()
		store = w.lazy
	case w.mutation == NoLifetime:
		store = shortStore{store}
	}
	w.executor = w.process(store, w.point)
}

// process returns an executor as a process of its own would have it.
func (w *World) process(store keystore.Store, point func(string)) *rotate.Executor {
	t := w.mutation.timing()
	adapter := sync.OnceValues(func() (provider.Provider, error) {
		return w.backend.Provider(provider.Traits{Slots: 1, Propagation: t.Propagation, MaxCall: maxCall})
	})
	return rotate.New(rotate.Config{
		Store: store, Sealer: w.sealer, Clock: w.Now, Timing: t, Log: w.log,
		Providers: func(keystore.Target) (provider.Provider, error) { return adapter() },
		Crash:     point,
	})
}

// film is a playback of the target that the world's tokens can be bound to.
func film(t keystore.Target) playback.Playback {
	p := playback.Playback{ID: "film", TargetID: t.ID, URL: "https://edge.example/1/stream/playlist.m3u8", TTL: lifetime}
	if t.Scheme == schemes.AgoraTimestamp {
		p.Agora = &playback.Agora{}
	} else {
		p.Hdnts = &playback.Hdnts{StreamID: "stream"}
	}
	return p
}

func (w *World) point(name string) {
	w.outcome.Points++
	w.log.Debug("crash point", "number", w.outcome.Points, "name", name, "tick", w.Tick(), "calls", w.backend.Calls())
	if slices.Contains(w.scenario.Crashes, w.outcome.Points) {
		panic(crashed{})
	}
}

// run drives the world until the horizon, then until the open operation has ended.
func (w *World) run(ctx context.Context) error {
	for w.Tick() < horizon {
		if err := w.Advance(ctx, 1); err != nil {
			return err
		}
	}
	for !w.settled() {
		if w.Tick() == horizon+settling {
			op := w.Record().Operation
			if op == nil {
				return fmt.Errorf("at the end there are %d versions, %d orphans and %d keys at the provider", len(w.Record().Keys), len(w.Record().Orphans), len(w.backend.KIDs()))
			}
			return fmt.Errorf("operation stuck at %s after %d tries (%s)", op.Step, op.Tries, op.LastError)
		}
		if err := w.Advance(ctx, 1); err != nil {
			return err
		}
	}
	return w.checkEnd()
}

// Advance runs a number of ticks, without crashes of the test's own making, and returns the first
// violation.
func (w *World) Advance(ctx context.Context, ticks int) error {
	for range ticks {
		if err := w.one(ctx); err != nil {
			return fmt.Errorf("tick %d: %w", w.Tick(), err)
		}
		w.tick.Add(1)
	}
	return nil
}

// one is one tick: a pass of the process, what happens outside, the replicas' signs, and the check.
func (w *World) one(ctx context.Context) error {
	if w.sleeping > 0 {
		w.sleeping--
		if w.sleeping == 0 {
			w.start()
		}
	} else if err := w.pass(ctx, w.executor); err != nil {
		return err
	}
	if w.twin != nil {
		if err := w.pass(ctx, w.twin); err != nil {
			return err
		}
	}
	r, err := w.store.Get(ctx, w.Target)
	if err != nil {
		return err
	}
	w.history = append(w.history, r)
	w.outcome.Versions = len(r.Keys)
	if w.scenario.Event != nil {
		w.scenario.Event(w)
	}
	if err := w.sign(ctx); err != nil {
		return err
	}
	return w.check()
}

// pass lets the process work, and die.
func (w *World) pass(ctx context.Context, process *rotate.Executor) (err error) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if _, ok := cause.(crashed); !ok {
			panic(cause)
		}
		w.sleeping = w.scenario.Down
		if w.sleeping == 0 {
			w.start()
		}
	}()
	steps := 1
	if w.scenario.Eager {
		steps = maxSteps
	}
	for range steps {
		result, err := process.Step(ctx, w.Target)
		if result.Decision.Alarm != "" && result.Decision.Alarm != w.lastAlarm {
			w.outcome.Alarms[result.Decision.Alarm]++
		}
		w.lastAlarm = result.Decision.Alarm
		if errors.Is(err, keystore.ErrIllegal) {
			return fmt.Errorf("a plan that the record refuses: %w", err)
		}
		if err != nil || !result.Done {
			return nil // a provider that fails is no violation
		}
	}
	return nil
}

func (w *World) sign(ctx context.Context) error {
	r := w.Record()
	for _, replica := range w.replicas {
		version, expires, ok, err := replica.sign(ctx, w.entry)
		if err != nil {
			return err
		}
		if !ok {
			w.outcome.Refused++
			continue
		}
		k, err := r.Key(version)
		if err != nil {
			return err
		}
		w.outcome.Tokens++
		w.tokens = append(w.tokens, token{version: version, fingerprint: k.Fingerprint, iat: w.Now(), exp: expires})
	}
	return nil
}

// settled reports whether keys were rotated and nothing is left to do but to wait for the next rotation.
func (w *World) settled() bool {
	r := w.Record()
	used := 0
	for i := range r.Keys {
		if !r.Keys[i].ActivatedAt.IsZero() {
			used++
		}
	}
	if used < 2 {
		return false
	}
	if w.sleeping > 0 || r.Operation != nil || w.scenario.Kind == Minter && r.Target.Policy.SoleOwner && len(r.Orphans) > 0 {
		return false
	}
	return !slices.ContainsFunc(r.Keys, func(k keystore.Key) bool { return k.State == keystore.Retiring })
}
