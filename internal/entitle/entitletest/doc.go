// Package entitletest is the suite that every entitle.Store passes.
package entitletest

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/entitle"
)

// Config says how to make the store under test.
type Config struct {
	// Open returns a store that holds the playbacks "final" and "replay" and nothing else, whose clock is
	// now. The test's cleanup closes it.
	Open func(t *testing.T, now func() time.Time) entitle.Store
	// DeletePlayback removes a playback.
	DeletePlayback func(t *testing.T, s entitle.Store, id string)
	// Revoke revokes a grant at a moment.
	Revoke func(t *testing.T, s entitle.Store, id, reason string, at time.Time)
}

// Run tests a store.
func Run(t *testing.T, c Config) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T, *harness){
		"create and read back":            testCreate,
		"batch outcomes":                  testOutcomes,
		"idempotency":                     testIdempotency,
		"idempotency under load":          testIdempotencyUnderLoad,
		"filters":                         testFilters,
		"pages":                           testPages,
		"absent":                          testAbsent,
		"grants for a playback":           testGrantsFor,
		"grants for are bounded":          testGrantsForBounded,
		"revoked":                         testRevoked,
		"grants outlive what they are of": testSubjectGone,
		"products":                        testProducts,
		"product pages":                   testProductPages,
		"products refuse":                 testProductRefusals,
		"copies share no memory":          testCopies,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &harness{cfg: c, time: time.Date(2031, 2, 3, 4, 5, 6, 789_000, time.UTC)}
			h.Store = c.Open(t, h.now)
			test(t, h)
		})
	}
}

// harness is a store under test and its clock, which stands still until a test moves it.
type harness struct {
	entitle.Store

	cfg  Config
	time time.Time
}

func (h *harness) now() time.Time { return h.time }

// grant is a sound new grant of ada's for the playback "final".
func (h *harness) grant(change ...func(*entitle.Grant)) entitle.Grant {
	ids, err := entitle.NewIDs(rand.Reader, h.time, 1)
	if err != nil {
		panic(err)
	}
	g := entitle.Grant{ID: ids[0], Viewer: "ada", PlaybackID: "final", Start: h.time, CreatedAt: h.time, State: entitle.Active}
	for _, c := range change {
		c(&g)
	}
	return g
}

// create adds grants that are all new.
func (h *harness) create(t *testing.T, grants ...entitle.Grant) []entitle.Grant {
	t.Helper()
	created, err := h.CreateGrants(t.Context(), grants)
	if err != nil {
		t.Fatal(err)
	}
	stored := make([]entitle.Grant, len(created))
	for i, c := range created {
		if c.Err != nil || c.Repeated {
			t.Fatalf("grant %d: %+v", i, c)
		}
		stored[i] = c.Grant
	}
	return stored
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

func idsOf(grants []entitle.Grant) []string {
	ids := make([]string, len(grants))
	for i := range grants {
		ids[i] = grants[i].ID
	}
	return ids
}
