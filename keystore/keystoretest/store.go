package keystoretest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/keystore"
)

// Config says how to get a store.
type Config struct {
	// Open returns an empty store that takes its time from now and closes with t.
	Open func(t *testing.T, now func() time.Time) keystore.Store
	// Reopen returns a second handle on what s holds, as another process would. Nil where only one
	// handle can be had.
	Reopen func(t *testing.T, s keystore.Store, now func() time.Time) keystore.Store
}

// Run tests a store.
func Run(t *testing.T, c Config) {
	suite := map[string]func(*testing.T, *harness){
		"create and read back":           testCreate,
		"ids are exact":                  testExactIDs,
		"pages":                          testPages,
		"absent":                         testAbsent,
		"illegal targets":                testIllegalTargets,
		"update keeps every field":       testEveryField,
		"store stamps times":             testStamps,
		"copies share no memory":         testCopies,
		"error of fn changes nothing":    testFnError,
		"revisions grow":                 testRevisions,
		"illegal changes":                testIllegalChanges,
		"activation is all or nothing":   testActivation,
		"key life":                       testLife,
		"delete":                         testDelete,
		"operation keeps every field":    testOperationFields,
		"rotation is journaled":          testRotation,
		"replacement is journaled":       testReplacement,
		"one open operation":             testOneOpen,
		"operation ids are used once":    testOperationIDs,
		"journal is all or nothing":      testJournalWhole,
		"history":                        testHistory,
		"history is pruned":              testPrune,
		"orphans":                        testOrphans,
		"delete wants an ended journal":  testDeleteJournal,
		"lower lifetime counts later":    testLowerLifetime,
		"lease is exclusive":             testLeaseExclusive,
		"fences grow":                    testFencesGrow,
		"lost lease is fenced":           testFenced,
		"lease runs out":                 testLeaseExpiry,
		"malformed leases":               testMalformedLeases,
		"fence outlives its target":      testFenceAfterDelete,
		"nested updates":                 testNested,
		"endless nesting ends":           testEndlessNesting,
		"parallel updates lose nothing":  testParallelUpdates,
		"parallel leases":                testParallelLeases,
		"parallel activations":           testParallelActivations,
		"watch":                          testWatch,
		"watch ends":                     testWatchEnds,
		"rewrap":                         testRewrap,
		"rewrap reaches the journal":     testRewrapVoid,
		"rewrap goes on after a failure": testRewrapFailures,
	}
	if c.Reopen != nil {
		suite["second handle sees all"] = testSecondHandle
		suite["second handle is fenced"] = testSecondHandleFenced
		suite["watch across handles"] = testWatchAcross
		suite["parallel updates across handles"] = testParallelAcross
	}
	for name, test := range suite {
		t.Run(name, func(t *testing.T) {
			clock := NewClock(time.Date(2031, 2, 3, 4, 5, 6, 789_000, time.UTC))
			test(t, &harness{Store: c.Open(t, clock.Now), clock: clock, config: c})
		})
	}
}

// Clock is a clock that moves when told. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at now.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now returns the time of the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// harness is a store with its clock.
type harness struct {
	keystore.Store
	clock  *Clock
	config Config
}

func (h *harness) reopen(t *testing.T) *harness {
	t.Helper()
	return &harness{Store: h.config.Reopen(t, h.Store, h.clock.Now), clock: h.clock, config: h.config}
}

func target(id string) keystore.Target {
	return keystore.Target{
		ID: id, Provider: "qencode", Scheme: "qencode-jwt", Account: "main", Description: "Großes Spiel",
		Options:          keystore.SchemeOptions{EdgeAuthTokenName: "hdnea", EdgeAuthAlgorithm: "sha1", EdgeAuthEscapeEarly: true, AgoraForm: "mid16"},
		MaxTokenLifetime: 6 * time.Hour, Managed: true,
	}
}

// create adds a target without keys.
func (h *harness) create(t *testing.T, id string) keystore.Record {
	t.Helper()
	r, err := h.Create(t.Context(), target(id))
	if err != nil {
		t.Fatalf("Create(%s): %v", id, err)
	}
	return r
}

func (h *harness) get(t *testing.T, id string) keystore.Record {
	t.Helper()
	r, err := h.Get(t.Context(), id)
	if err != nil {
		t.Fatalf("Get(%s): %v", id, err)
	}
	return r
}

func (h *harness) lease(t *testing.T, id, holder string) keystore.Fence {
	t.Helper()
	fence, err := h.Lease(t.Context(), id, holder, time.Minute)
	if err != nil {
		t.Fatalf("Lease(%s, %s): %v", id, holder, err)
	}
	return fence
}

// update runs fn under a lease of its own.
func (h *harness) update(t *testing.T, id string, fn func(*keystore.Record) error) keystore.Record {
	t.Helper()
	fence := h.lease(t, id, "update")
	r, err := h.Update(t.Context(), id, fence, fn)
	if err != nil {
		t.Fatalf("Update(%s): %v", id, err)
	}
	if err := h.Release(t.Context(), id, fence); err != nil {
		t.Fatalf("Release(%s): %v", id, err)
	}
	return r
}

// addKey adds a pending key with bytes.
func (h *harness) addKey(r *keystore.Record) *keystore.Key {
	n := r.NextVersion()
	return r.Add(keystore.Key{
		KID: fmt.Sprintf("kid-%d", n), Fingerprint: fmt.Sprintf("sha256:%d", n),
		Sealed: fmt.Appendf(nil, "sealed bytes %d", n), Origin: "import",
	}, h.clock.Now())
}

func wantIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want one that wraps %q", err, want)
	}
}

func wantEqual(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("mismatch (-want +got):\n%s", diff)
	}
}
