package rotatetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

// Scenario is what happens in one run. What is plain data of it can be written as JSON and read back.
type Scenario struct {
	Kind Kind `json:"kind"`
	// Provider names the stand-in that a Backend runs; the provider in memory has no name.
	Provider string `json:"provider,omitempty"`
	// Crashes are the points, counted from 1, at which the process dies.
	Crashes []int `json:"crashes,omitempty"`
	// Down is how many ticks it takes to start again.
	Down int `json:"down,omitempty"`
	// Answers are those of the provider's calls, counted from 1, that do not go well.
	Answers map[int]Answer `json:"answers,omitempty"`
	// Tries is how often an adapter sends a call that may be repeated, so that it hides passing failures; 0
	// means its default. The provider in memory has none that repeats.
	Tries int `json:"tries,omitempty"`
	// Eager does several steps in one tick, as the loop does, instead of one.
	Eager bool `json:"eager,omitempty"`
	// Mutation drops a rule.
	Mutation Mutation `json:"mutation,omitempty"`
	// Twin runs a second process beside the first, which never dies.
	Twin bool `json:"twin,omitempty"`

	// Event happens outside our process, at every tick.
	Event func(*World) `json:"-"`
	// Policy changes the target's policy.
	Policy func(*keystore.Policy) `json:"-"`
	// Script answers the n-th call of a name that Answers has no answer for.
	Script func(call string, n int) Answer `json:"-"`
	// Breaks means that tokens may break before their time.
	Breaks bool `json:"-"`
	// Target is the id of the target; empty means "event".
	Target string `json:"-"`
	// Backend returns another provider than the one in memory. It has to give Answers and Script itself.
	Backend func(s Scenario, now func() time.Time, propagation time.Duration) (Backend, error) `json:"-"`
	// Open returns another store than the one in memory, and what closes it.
	Open func(ctx context.Context, now func() time.Time) (keystore.Store, func() error, error) `json:"-"`
	// Log is told of steps and crash points; nil means nobody.
	Log *slog.Logger `json:"-"`
}

// String is the plan of the scenario, which ParseScenario reads.
func (s Scenario) String() string {
	text, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// ParseScenario reads what String has written.
func ParseScenario(text string) (Scenario, error) {
	var s Scenario
	in := json.NewDecoder(bytes.NewReader([]byte(text)))
	in.DisallowUnknownFields()
	if err := in.Decode(&s); err != nil {
		return s, fmt.Errorf("plan of a run: want the JSON that a violation was reported with: %w", err)
	}
	return s, nil
}

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
)

func kindNames() []string { return []string{"minter", "setter", "blind setter", "pair"} }

// String returns the name of a kind.
func (k Kind) String() string { return name("kind", kindNames(), int(k)) }

// MarshalText writes the name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the name.
func (k *Kind) UnmarshalText(text []byte) error {
	i, err := number("kind", kindNames(), text)
	*k = Kind(i)
	return err
}

func answerNames() []string {
	return []string{"ok", "rejected", "throttled", "lost before", "lost after", "server error", "denied", "error after"}
}

// String returns the name of an answer.
func (a Answer) String() string { return name("answer", answerNames(), int(a)) }

// MarshalText writes the name.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the name.
func (a *Answer) UnmarshalText(text []byte) error {
	i, err := number("answer", answerNames(), text)
	*a = Answer(i)
	return err
}

func mutationNames() []string {
	return []string{"none", "no cache age (C)", "no token lifetime (T)", "no settle wait (P)", "no clamp to the horizon", "no journal before effects"}
}

// String returns the name of a mutation.
func (m Mutation) String() string { return name("mutation", mutationNames(), int(m)) }

// MarshalText writes the name.
func (m Mutation) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the name.
func (m *Mutation) UnmarshalText(text []byte) error {
	i, err := number("mutation", mutationNames(), text)
	*m = Mutation(i)
	return err
}

func name(what string, names []string, i int) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("%s(%d)", what, i)
	}
	return names[i]
}

func number(what string, names []string, text []byte) (int, error) {
	i := slices.Index(names, string(text))
	if i < 0 {
		return 0, fmt.Errorf("%s %q: want one of %q", what, text, names)
	}
	return i, nil
}
