package rotatetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	horizon     = 120 // ticks in which rotations begin
	settling    = 400 // ticks in which the last may end
	maxSteps    = 8   // in one tick
)

// Kind is the shape of a provider's API.
type Kind int

// Kinds.
const (
	// Minter makes keys, several at once.
	Minter Kind = iota
	// Setter has one slot.
	Setter
	// BlindSetter has one slot that cannot be read.
	BlindSetter
	// Pair has two slots, used in turn.
	Pair
	// Kinds is their number.
	Kinds
)

// String returns the name of a kind.
func (k Kind) String() string {
	names := [...]string{"minter", "setter", "blind setter", "pair"}
	if k < 0 || int(k) >= len(names) {
		return fmt.Sprintf("kind(%d)", int(k))
	}
	return names[k]
}

// Scenario is what happens in one run.
type Scenario struct {
	Kind Kind
	// Crashes are the points, counted from 1, at which the process dies.
	Crashes []int
	// Down is how many ticks it takes to start again.
	Down int
	// Answers are those of the provider's calls, counted from 1, that do not go well.
	Answers map[int]Answer
	// Eager does several steps in one tick, as the loop does, instead of one.
	Eager bool
	// Mutation drops a rule.
	Mutation Mutation
	// Event happens outside our process, at every tick.
	Event func(*World)
	// Policy changes the target's policy.
	Policy func(*keystore.Policy)
	// Script answers the n-th call of a name that Answers has no answer for.
	Script func(call string, n int) Answer
	// Twin runs a second process beside the first, which never dies.
	Twin bool
	// Breaks means that tokens may break before their time.
	Breaks bool
	// Backend returns another provider than the one in memory. It has to give Answers and Script itself.
	Backend func(s Scenario, now func() time.Time, propagation, maxCall time.Duration) (Backend, error)
	// Open returns another store than the one in memory, and what closes it.
	Open func(ctx context.Context, now func() time.Time) (keystore.Store, func() error, error)
}

// String says what the scenario is, for the report of a violation.
func (s Scenario) String() string {
	return fmt.Sprintf("%s crashes=%v down=%d answers=%v eager=%t mutation=%q", s.Kind, s.Crashes, s.Down, s.Answers, s.Eager, s.Mutation)
}

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

	backend   Backend
	scenario  Scenario
	mutation  Mutation
	tick      int
	begin     time.Time
	store     keystore.Store
	lazy      *lazyStore
	sealer    keystore.Sealer
	executor  *rotate.Executor
	twin      *rotate.Executor
	closing   func() error
	replicas  []*replica
	entry     *playback.Entry
	history   []keystore.Record
	tokens    []token
	outcome   Outcome
	sleeping  int
	lastAlarm string
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
	w.outcome.Calls = w.Vendor.calls
	return w.outcome
}

// Now is the world's clock.
func (w *World) Now() time.Time { return w.begin.Add(time.Duration(w.tick) * Tick) }

// Tick is how many ticks have passed.
func (w *World) Tick() int { return w.tick }

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
		Target: "event", scenario: s, mutation: s.Mutation, begin: time.Date(2031, 2, 3, 4, 0, 0, 0, time.UTC), sealer: sealer,
		outcome: Outcome{Alarms: map[string]int{}},
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
		if w.backend, err = s.Backend(s, w.Now, propagation, maxCall); err != nil {
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
		return nil, err
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
	traits := provider.Traits{Slots: 1, Propagation: t.Propagation, MaxCall: maxCall}
	return rotate.New(rotate.Config{
		Store: store, Sealer: w.sealer, Clock: w.Now, Timing: t, Log: slog.New(slog.DiscardHandler),
		Providers: func(keystore.Target) (provider.Provider, error) { return w.backend.Provider(traits), nil },
		Crash:     point,
	})
}

// film is a playback of the target that tokens of its scheme can be bound to.
func film(t keystore.Target) playback.Playback {
	p := playback.Playback{ID: "film", TargetID: t.ID, URL: "https://edge.example/1/stream/playlist.m3u8", TTL: lifetime}
	switch t.Scheme {
	case schemes.QencodeJWT:
		p.Qencode = &playback.Qencode{URI: "stream"}
	case schemes.AgoraTimestamp:
		p.Agora = &playback.Agora{}
	default:
		p.Hdnts = &playback.Hdnts{StreamID: "stream"}
	}
	return p
}

func (w *World) point(string) {
	w.outcome.Points++
	if slices.Contains(w.scenario.Crashes, w.outcome.Points) {
		panic(crashed{})
	}
}

// run drives the world until the horizon, then until the open operation has ended.
func (w *World) run(ctx context.Context) error {
	for ; w.tick < horizon; w.tick++ {
		if err := w.one(ctx); err != nil {
			return fmt.Errorf("tick %d: %w", w.tick, err)
		}
	}
	for ; !w.settled(); w.tick++ {
		if w.tick == horizon+settling {
			op := w.Record().Operation
			if op == nil {
				return fmt.Errorf("at the end there are %d versions, %d orphans and %d keys at the provider", len(w.Record().Keys), len(w.Record().Orphans), len(w.backend.KIDs()))
			}
			return fmt.Errorf("operation stuck at %s after %d tries (%s)", op.Step, op.Tries, op.LastError)
		}
		if err := w.one(ctx); err != nil {
			return fmt.Errorf("tick %d: %w", w.tick, err)
		}
	}
	return w.checkEnd()
}

// Advance runs a number of ticks, without crashes of the test's own making, and returns the first
// violation.
func (w *World) Advance(ctx context.Context, ticks int) error {
	for range ticks {
		if err := w.one(ctx); err != nil {
			return fmt.Errorf("tick %d: %w", w.tick, err)
		}
		w.tick++
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
