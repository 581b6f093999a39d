package edge

import "sync/atomic"

// Conventions beside those of Conventions, as a Tally names them.
const (
	ConventionEnvoy     = "envoy"
	ConventionAgora     = "agora"
	ConventionStreamAPI = "streamapi"
)

// Tally counts decisions by convention and outcome. Its conventions never change, so that it needs no lock. A nil
// Tally counts nothing.
type Tally struct {
	conventions map[string]*[outcomes]atomic.Uint64
}

// outcomes is how many Outcomes there are.
const outcomes = int(Allowed) + 1

// NewTally returns a tally that has counted nothing.
func NewTally() *Tally {
	t := &Tally{conventions: make(map[string]*[outcomes]atomic.Uint64)}
	for _, c := range Conventions() {
		t.conventions[c.Name] = &[outcomes]atomic.Uint64{}
	}
	for _, name := range []string{ConventionEnvoy, ConventionAgora, ConventionStreamAPI} {
		t.conventions[name] = &[outcomes]atomic.Uint64{}
	}
	return t
}

// Count counts a decision.
func (t *Tally) Count(convention string, o Outcome) {
	if t != nil {
		t.conventions[convention][o].Add(1)
	}
}

// Counts calls yield for each convention and outcome, in no order.
func (t *Tally) Counts(yield func(convention string, o Outcome, count uint64)) {
	for name, counts := range t.conventions {
		for o := range counts {
			yield(name, Outcome(o), counts[o].Load())
		}
	}
}

// OutcomeOf returns the outcome that the error of Decider.Session stands for; nil allows.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Allowed
	}
	answer := outcomeOf(err)
	return answer.Outcome
}

// String returns an outcome's name.
func (o Outcome) String() string {
	switch o {
	case Allowed:
		return "allowed"
	case Unauthenticated:
		return "unauthenticated"
	case Unknown:
		return "unknown"
	case Refused:
		return "refused"
	default:
		return "refused"
	}
}
