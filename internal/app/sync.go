package app

import (
	"context"
	"errors"
	"time"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore"
)

// Sync is the companion job: it rotates the keys of all targets at their providers. It works beside a
// service on the same store, and applies nothing of the config file but accounts and times.
type Sync struct {
	app      *App
	executor *rotate.Executor
}

// NewSync opens the store, which must exist, and builds the adapters of all accounts. Close must follow.
func NewSync(ctx context.Context, cfg config.Config, in Inputs) (*Sync, error) {
	a := &App{cfg: cfg, log: in.Log, now: in.Now, counters: newCounters()}
	s := &Sync{app: a}
	if err := s.open(ctx, cfg, in); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return s, nil
}

func (s *Sync) open(ctx context.Context, cfg config.Config, in Inputs) (err error) {
	a := s.app
	if a.store, err = sqlite.Open(ctx, cfg.Store.Path, sqlite.Options{Now: in.Now, MustExist: true}); err != nil {
		return err
	}
	if a.sealer, err = openSealer(ctx, cfg, a.store, in.Stdin, in.Log); err != nil {
		return err
	}
	if err := a.sealer.Check(ctx, a.store); err != nil {
		return err
	}
	err = a.openExecutor()
	s.executor = a.executor
	return err
}

// Close frees what NewSync has opened.
func (s *Sync) Close() error { return s.app.Close() }

// SyncReport is what one run came to for one target, or what it would do next.
type SyncReport struct {
	Target string `json:"target"`
	// Steps are the actions that were carried out, in order.
	Steps []string `json:"steps,omitempty"`
	// Next is the action that comes next, and Why the reason.
	Next string `json:"next"`
	Why  string `json:"why"`
	// At is when; absent when the record has to change first.
	At time.Time `json:"at,omitzero"`
	// CutAt is the cut that Next would schedule.
	CutAt time.Time `json:"cut_at,omitzero"`
	// Breaks says which live tokens and playing sessions the open or next operation ends before their time.
	Breaks string `json:"breaks"`
	// LiveTokens is how many live tokens it cuts; nil where nobody has asked the service, which counts them.
	LiveTokens *LiveTokens `json:"live_tokens,omitempty"`
	// Alarm is what a person has to look at.
	Alarm string `json:"alarm,omitempty"`
	// Waits means that an operation is open, or due and not begun.
	Waits bool `json:"waits"`
	// Error is the failure that ended the run.
	Error string `json:"error,omitempty"`
}

// LiveTokens is how many tokens of a key are alive when a rotation ends it.
type LiveTokens struct {
	// AtMost counts those that one process has handed out since CountedSince.
	AtMost int64 `json:"at_most"`
	// AliveAt is when the key ends; absent while that is not known, and the key waits for its tokens.
	AliveAt      time.Time `json:"alive_at,omitzero"`
	CountedSince time.Time `json:"counted_since"`
}

// Once does what is due, and stays with a cut that it schedules, or finds due within maxWait, until signing is
// open again. The reports are in ascending order of target.
func (s *Sync) Once(ctx context.Context, maxWait time.Duration) ([]SyncReport, error) {
	reports, err := s.executor.Once(ctx, rotate.Options{MaxWait: maxWait})
	out := make([]SyncReport, 0, len(reports))
	for i := range reports {
		r := &reports[i]
		report := s.describe(r.Target, r.Last)
		report.Waits = r.Waits
		for _, step := range r.Steps {
			report.Steps = append(report.Steps, string(step))
		}
		if r.Err != nil {
			report.Error = r.Err.Error()
		}
		out = append(out, report)
	}
	return out, err
}

// Watch rotates until ctx ends.
func (s *Sync) Watch(ctx context.Context) error { return s.executor.Loop(ctx) }

// Plan says what a run would do next for each target, and why. It asks no provider and changes nothing; it
// takes for granted that providers hold what the store says.
func (s *Sync) Plan(ctx context.Context) ([]SyncReport, error) {
	records, err := s.app.store.List(ctx, keystore.Page{})
	if err != nil {
		return nil, err
	}
	out := make([]SyncReport, 0, len(records))
	for i := range records {
		d, err := s.plan(records[i])
		report := s.describe(records[i].Target.ID, d)
		report.Waits = records[i].Operation != nil
		if err != nil {
			report.Error = err.Error()
		}
		out = append(out, report)
	}
	return out, nil
}

func (s *Sync) plan(r keystore.Record) (rotate.Decision, error) {
	now := s.app.now()
	facts := rotate.Facts{Checked: now}
	if r.Target.Account != "" {
		p, err := s.executor.Provider(r.Target)
		if err != nil {
			return rotate.Decision{}, err
		}
		facts.Traits, facts.Abilities = p.Traits(), rotate.AbilitiesOf(p)
	}
	return rotate.Plan(r, facts, rotationTiming(s.app.cfg), now), nil
}

func (s *Sync) describe(target string, d rotate.Decision) SyncReport {
	return SyncReport{Target: target, Next: string(d.Action), Why: d.Why, At: d.At, CutAt: d.CutAt, Alarm: d.Alarm, Breaks: d.Breaks}
}

// SyncOrphan is a key in quarantine.
type SyncOrphan struct {
	Target    string    `json:"target"`
	KID       string    `json:"kid"`
	FoundAt   time.Time `json:"found_at"`
	Operation string    `json:"operation"`
}

// Orphans lists the keys in quarantine, of one target or of all when it is empty.
func (s *Sync) Orphans(ctx context.Context, target string) ([]SyncOrphan, error) {
	records, err := s.app.store.List(ctx, keystore.Page{})
	if err != nil {
		return nil, err
	}
	out := []SyncOrphan{}
	for i := range records {
		id := records[i].Target.ID
		if target != "" && id != target {
			continue
		}
		for _, o := range records[i].Orphans {
			out = append(out, SyncOrphan{Target: id, KID: o.KID, FoundAt: o.FoundAt, Operation: o.Operation})
		}
	}
	return out, nil
}

// RevokeOrphan deletes a key in quarantine at its provider.
func (s *Sync) RevokeOrphan(ctx context.Context, target, kid string) error {
	return s.executor.RevokeOrphan(ctx, target, kid)
}

// Protected is how token checking stands at one resource of a target.
type Protected struct {
	Resource string `json:"resource"`
	// On means that tokens are checked without Protect.
	On bool `json:"on"`
	// Change says what Protect does, or has done; empty for nothing. Where On is set it repeats what was said to
	// a provider that does not show how it stands.
	Change string `json:"change,omitempty"`
	// Breaks says which viewers the change can break; empty if none.
	Breaks string `json:"breaks,omitempty"`
	// Open says what goes on to play without a token; empty if nothing does.
	Open string `json:"open,omitempty"`
	// PlaybackID is the name under which the resource wants tokens, where the provider makes one.
	PlaybackID string `json:"playback_id,omitempty"`
}

// Attached says that a resource carries what an output of a stream sends.
type Attached struct {
	Resource string `json:"resource"`
	Output   string `json:"output"`
	// New means that it did not before.
	New bool `json:"new"`
}

// Attach attaches every resource of a target to every output of a stream's transcoder, at a provider that knows
// such a thing.
func (s *Sync) Attach(ctx context.Context, target, transcoder string) ([]Attached, error) {
	all, err := s.executor.Attach(ctx, target, transcoder)
	out := make([]Attached, 0, len(all))
	for _, a := range all {
		out = append(out, Attached{Resource: a.Resource, Output: a.Output, New: a.New})
	}
	return out, err
}

// Protection says how token checking stands at a target's provider, and what Protect would change.
func (s *Sync) Protection(ctx context.Context, target string) ([]Protected, error) {
	all, err := s.executor.Protection(ctx, target)
	return protected(all), err
}

// Protect switches token checking on at a target's provider, where it is off.
func (s *Sync) Protect(ctx context.Context, target string) ([]Protected, error) {
	all, err := s.executor.Protect(ctx, target)
	return protected(all), err
}

func protected(all []rotate.Protection) []Protected {
	out := make([]Protected, 0, len(all))
	for i := range all {
		out = append(out, Protected(all[i]))
	}
	return out
}
