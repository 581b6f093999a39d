package signer

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// Config bounds the hot path.
type Config struct {
	// Timing holds C, the oldest snapshot to sign from, and S, the clock skew.
	Timing keystore.Timing
	// Propagation is P: how long a provider takes to learn a new key.
	Propagation time.Duration
	// MaxCall is the longest provider call.
	MaxCall time.Duration
	// Workers is how many RSA signatures run at once: the number of CPUs. Half as many run checks of
	// signatures.
	Workers int
	// Queue is how many RSA signatures may wait, and how many checks.
	Queue int
	// MaxWait is the longest that an RSA signature or check may wait when the caller sets no deadline.
	MaxWait time.Duration
	// SharedTokens bounds the cache of shared tokens; one takes about a kilobyte.
	SharedTokens int
	// ProvenTokens bounds the memory of tokens whose costly signature has been checked; one takes about
	// two kilobytes.
	ProvenTokens int
}

// DefaultConfig returns the defaults for a machine of the given number of CPUs.
func DefaultConfig(cpus int) Config {
	return Config{
		Timing: keystore.DefaultTiming(), Propagation: time.Minute, MaxCall: 30 * time.Second,
		Workers: cpus, Queue: 256 * cpus, MaxWait: 2 * time.Second, SharedTokens: 16384, ProvenTokens: 16384,
	}
}

// cutFloor is the shortest lifetime worth signing when a cut clamps it.
const cutFloor = time.Minute

// Request is what varies between two signs of one playback.
type Request struct {
	Viewer   string
	ClientIP string
	// TTL is the lifetime asked for; 0 means the playback's own.
	TTL time.Duration
	// NotAfter is when the viewer's right ends, which no token outlives; zero means that no end is known.
	NotAfter time.Time
	// SessionID stands in the URL beside the token, for edges that ask; no signature covers it. Empty where
	// there is no session.
	SessionID string
}

// Credential is a signed token with what the caller needs to renew it in time.
type Credential struct {
	Token        string
	URL          string
	ExpiresAt    time.Time
	RefreshAfter time.Time
	ServerTime   time.Time
	KeyRef       string
	KID          string
	Clamped      bool
}

// Signer signs playbacks from the keyring's snapshot.
type Signer struct {
	keys   *Keyring
	pool   *Pool // signs
	checks *Pool // verifies
	shared *SharedTokens
	proven *proven
	cfg    Config
	now    func() time.Time

	outcomes outcomes
}

// New starts the pools of a signer. Close ends them.
func New(keys *Keyring, cfg Config, now func() time.Time) *Signer {
	pool := NewPool(cfg.Workers, cfg.Queue, cfg.MaxWait)
	return &Signer{
		keys: keys, pool: pool, checks: newPool(checks(), (cfg.Workers+1)/2, cfg.Queue, cfg.MaxWait),
		shared: NewSharedTokens(pool, cfg.SharedTokens), proven: newProven(cfg.ProvenTokens), cfg: cfg, now: now,
		outcomes: newOutcomes(),
	}
}

// Close waits for signatures and checks under way.
func (s *Signer) Close() {
	s.pool.Close()
	s.checks.Close()
}

// Snapshot returns the keys to sign or verify with, or a refusal with reason SNAPSHOT_STALE when they
// are older than C.
func (s *Signer) Snapshot() (*Snapshot, error) { return s.snapshotAt(s.now()) }

func (s *Signer) snapshotAt(now time.Time) (*Snapshot, error) {
	snapshot := s.keys.Snapshot()
	if snapshot == nil || now.Sub(snapshot.seen) > s.cfg.Timing.SnapshotMaxAge {
		return nil, refuse(tokens.SnapshotStale, time.Second, "the keys in memory have not been compared with the store for more than %s; the store may be unreachable", s.cfg.Timing.SnapshotMaxAge)
	}
	return snapshot, nil
}

// CheckPlayback refuses a playback that could not be signed; see playback.Check.
func (s *Signer) CheckPlayback(p playback.Playback) error { return s.check(p, playback.Check) }

// CheckMint refuses a token without a playback that no playback would be signed for; see
// playback.CheckMint.
func (s *Signer) CheckMint(p playback.Playback) error { return s.check(p, playback.CheckMint) }

func (s *Signer) check(p playback.Playback, rules func(playback.Playback, keystore.Target, time.Time) error) error {
	target, err := s.target(p.TargetID)
	if err != nil {
		return err
	}
	return rules(p, target.Target, s.now())
}

// Costly reports whether a token of the playback may cost milliseconds of a worker.
func (s *Signer) Costly(p *playback.Entry) bool {
	snapshot := s.keys.Snapshot()
	if snapshot == nil {
		return false
	}
	target := snapshot.Target(p.TargetID)
	return target != nil && target.Active != nil && target.Active.Public() != nil
}

// Workers is how many costly signatures run at once.
func (s *Signer) Workers() int { return s.cfg.Workers }

// Sign makes a credential. Errors are *Error (the service cannot), *tokens.Error (the request may not)
// or that of ctx.
func (s *Signer) Sign(ctx context.Context, p *playback.Entry, r Request) (Credential, error) {
	now := s.now()
	snapshot, err := s.snapshotAt(now)
	if err != nil {
		s.outcomes.count("", err)
		return Credential{}, err
	}
	target := snapshot.Target(p.TargetID)
	if target == nil {
		err := refuse(tokens.NotFound, 0, "target %q of the playback does not exist", p.TargetID)
		s.outcomes.count("", err)
		return Credential{}, err
	}
	c, err := s.sign(ctx, target, p, r, now)
	s.outcomes.count(target.Target.Scheme, err)
	return c, err
}

// sign makes a credential with the target's active key.
func (s *Signer) sign(ctx context.Context, target *Target, p *playback.Entry, r Request, now time.Time) (Credential, error) {
	key := target.Active
	if key == nil && target.Broken != "" {
		return Credential{}, refuse(tokens.NoActiveKey, 0, "the active key %s cannot be opened; the log of the service says why", target.Broken)
	}
	if key == nil {
		return Credential{}, refuse(tokens.NoActiveKey, 0, "target %q has no active key; import one with `tokensvc keys import %s --activate`", target.ID, target.ID)
	}
	url, ok := p.URLAt(key.Slot)
	if !ok {
		return Credential{}, refuse(tokens.NoActiveKey, 0, "key %s stands in the second slot of its target, where playback %q has no address; give it an alternate", key.Ref, p.ID)
	}
	ttl := r.TTL
	if ttl == 0 {
		ttl = p.TTL
	}
	w := window{ttl: ttl, granularity: p.ExpiryGranularity, maxLifetime: target.MaxTokenLifetime, horizon: s.horizon(key, now), notAfter: r.NotAfter}
	exp, clamped, err := w.expiry(now)
	if err != nil {
		return Credential{}, err
	}
	if clamped && exp.Sub(now) < min(cutFloor, ttl) {
		return Credential{}, s.cutover(key, now)
	}
	token, err := s.token(ctx, target, p, r, exp, now)
	if err != nil {
		return Credential{}, err
	}
	placed := schemes.Place(target.Target.Scheme, target.Options, url, token)
	if r.SessionID != "" {
		placed = tokens.AppendQuery(placed, schemes.SessionName(target.Target.Scheme), "=", r.SessionID)
	}
	key.living.add(exp, now)
	return Credential{
		Token: token, URL: placed, ExpiresAt: exp, RefreshAfter: s.refresh(target, key, now, exp, clamped),
		ServerTime: now, KeyRef: key.Ref, KID: key.ID(), Clamped: clamped,
	}, nil
}

// token signs in place where a signature is cheap, through the pool where it is not, and through the
// shared tokens where the viewer does not matter.
func (s *Signer) token(ctx context.Context, target *Target, p *playback.Entry, r Request, exp, now time.Time) (string, error) {
	key := target.Active
	if key.Public() == nil {
		c, err := signNow(target, p, r, exp, now)
		return c.Token, err
	}
	if !p.PerViewer {
		shared := SharedKey{Key: key.Key, Claims: p.Claims, Exp: exp.Unix()}
		token, ok := s.shared.Lookup(shared)
		s.shared.uses.count(ok)
		if ok {
			return token, nil
		}
		return s.shared.Get(ctx, shared, func() (tokens.Credential, error) { return signNow(target, p, r, exp, now) })
	}
	c, err := await(ctx, s.pool, func() (tokens.Credential, error) { return signNow(target, p, r, exp, now) })
	return c.Token, err
}

// signNow signs with the active key, in the caller's goroutine.
func signNow(target *Target, p *playback.Entry, r Request, exp, now time.Time) (tokens.Credential, error) {
	params, err := p.Params(&target.Target, playback.Viewing{Viewer: r.Viewer, ClientIP: r.ClientIP, Expire: exp, Slot: target.Active.Slot})
	if err != nil {
		return tokens.Credential{}, err
	}
	return target.Active.Sign(params, now)
}

// horizon returns the key's horizon, or zero once it has ended by the slowest clock: whoever was to carry
// the cut out has not begun, or the snapshot would say so, and must schedule another one.
func (s *Signer) horizon(k *Key, now time.Time) time.Time {
	if !k.HorizonEnds.IsZero() && !now.Before(k.HorizonEnds.Add(s.cfg.Timing.ClockSkew)) {
		return time.Time{}
	}
	return k.Horizon
}

// reopening is when signing is expected to be open again after a cut at the key's horizon: with its
// successor, or with the key itself if nobody carries the cut out.
func (s *Signer) reopening(k *Key) time.Time {
	opens := k.Horizon.Add(s.cfg.Timing.ClockSkew + s.cfg.MaxCall + s.cfg.Propagation + s.cfg.Timing.SnapshotMaxAge)
	if ends := k.HorizonEnds.Add(s.cfg.Timing.ClockSkew); !k.HorizonEnds.IsZero() && ends.Before(opens) {
		return ends
	}
	return opens
}

func (s *Signer) cutover(k *Key, now time.Time) *Error {
	return refuse(tokens.KeyCutover, max(s.reopening(k).Sub(now), time.Second),
		"key %s is cut at %s; signing opens again with its successor", k.Ref, k.Horizon.UTC().Format(time.RFC3339))
}

// refresh follows design: four fifths of the lifetime, or the reopening after a cut where the edge's
// cookie carries the viewer through.
func (s *Signer) refresh(target *Target, k *Key, now, exp time.Time, clamped bool) time.Time {
	if clamped && schemes.CookieCarries(target.Target.Scheme) {
		return s.reopening(k).Add(time.Duration(jitter() * float64(cutFloor))).UTC()
	}
	return refreshAfter(now, exp, jitter())
}

// jitter returns a number in [0, 1).
func jitter() float64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, and fills b
	return float64(binary.LittleEndian.Uint64(b[:])>>11) / (1 << 53)
}
