package rotatetest

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
)

// downs are how long the process stays down after a crash, in ticks: shorter than a lease, as long, and
// longer than a cut's window.
func downs() []int { return []int{0, 1, 5, 25} }

// Subject is a provider to run scenarios with.
type Subject struct {
	Kind     Kind
	Provider string // as Scenario.Provider
	// Points and Calls are how many a run without faults passes; what comes later is left out. 0 means unknown.
	Points, Calls int
}

func (s Subject) scenario() Scenario { return Scenario{Kind: s.Kind, Provider: s.Provider} }

// upTo is the lower of a bound and of what is known; 0 is unknown.
func upTo(bound, known int) int {
	if known == 0 {
		return bound
	}
	return min(bound, known)
}

// Suite makes scenarios for every subject in it.
type Suite []Subject

// Measured returns the suite with the points and calls of its subjects, or why one of them cannot even run
// without faults.
func (suite Suite) Measured(ctx context.Context, run Runner) (Suite, error) {
	var measured Suite
	for _, subject := range suite {
		for _, eager := range []bool{false, true} {
			s := subject.scenario()
			s.Eager = eager
			o := run(ctx, s)
			if o.Violation != nil {
				return nil, fmt.Errorf("%s: %w", s, o.Violation)
			}
			subject.Points, subject.Calls = max(subject.Points, o.Points), max(subject.Calls, o.Calls)
		}
		measured = append(measured, subject)
	}
	return measured, nil
}

// InMemory is the suite of the provider in memory.
func InMemory() Suite {
	return Suite{{Kind: Minter}, {Kind: Setter}, {Kind: BlindSetter}, {Kind: Pair}}
}

// tries alternates between an adapter that repeats calls and one that does not.
func tries(i int) int { return (i / 2) % 2 }

// Singles yields every single crash, every single answer, and every answer with every crash after it, up to
// the given points and calls.
func (suite Suite) Singles(points, calls int) iter.Seq[Scenario] {
	return func(yield func(Scenario) bool) {
		for _, subject := range suite {
			for call := 0; call <= upTo(calls, subject.Calls); call++ {
				for answer := range Answers {
					if (call == 0) != (answer == OK) {
						continue
					}
					for point := 0; point <= upTo(points, subject.Points); point++ {
						for i, down := range downs() {
							if point == 0 && i > 0 {
								continue
							}
							s := subject.scenario()
							s.Down, s.Eager, s.Tries = down, (point+call)%2 == 1, tries(point+call+int(answer))
							if point > 0 {
								s.Crashes = []int{point}
							}
							if call > 0 {
								s.Answers = map[int]Answer{call: answer}
							}
							if !yield(s) {
								return
							}
						}
					}
				}
			}
		}
	}
}

// Pairs yields every pair of crashes up to the given point. The time down varies from one to the next.
func (suite Suite) Pairs(points int) iter.Seq[Scenario] {
	return func(yield func(Scenario) bool) {
		for _, subject := range suite {
			last := upTo(points, subject.Points)
			for a := 1; a <= last; a++ {
				for b := a + 1; b <= last; b++ {
					s := subject.scenario()
					s.Crashes, s.Down, s.Eager = []int{a, b}, downs()[(a+b/2)%len(downs())], (a+b)%2 == 1
					if !yield(s) {
						return
					}
				}
			}
		}
	}
}

// Random yields scenarios with several crashes and several bad answers, some of them with a second process,
// without end.
func (suite Suite) Random(seed uint64) iter.Seq[Scenario] {
	return func(yield func(Scenario) bool) {
		r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // the seed has to repeat a run
		for {
			s := suite[r.IntN(len(suite))].scenario()
			s.Down, s.Eager, s.Tries, s.Twin, s.Answers = r.IntN(30), r.IntN(2) == 0, r.IntN(2), r.IntN(4) == 0, map[int]Answer{}
			for point := 1; point < 120; point++ {
				if r.IntN(20) == 0 {
					s.Crashes = append(s.Crashes, point)
				}
			}
			for call := 1; call < 120; call++ {
				if r.IntN(8) == 0 {
					s.Answers[call] = 1 + Answer(r.IntN(int(Answers)-1))
				}
			}
			if !yield(s) {
				return
			}
		}
	}
}

// The points and calls that Mixed meets. The first key and the first rotation pass about as many as are met in
// pairs.
const (
	everyPoint = 90
	everyCall  = 50
	everyPair  = 40
)

// Mixed yields n scenarios: every single crash, every single answer and every pair of crashes first; then, in
// equal parts, crashes with a bad answer, and many faults at random. What is too many is taken at even
// distances.
func (suite Suite) Mixed(n int, seed uint64) iter.Seq[Scenario] {
	return func(yield func(Scenario) bool) {
		left := n
		give := func(scenarios iter.Seq[Scenario], most int) bool {
			for s := range scenarios {
				if left == 0 || most == 0 {
					break
				}
				if !yield(s) {
					return false
				}
				left--
				most--
			}
			return left > 0
		}
		_ = give(suite.Singles(everyPoint, 0), n) && give(suite.Singles(0, everyCall), n) && give(suite.Pairs(everyPair), n) &&
			give(Spread(suite.Singles(everyPoint, everyCall), left/2), left/2) && give(suite.Random(seed), left)
	}
}

// Spread yields about n scenarios at even distances, or all if there are no more.
func Spread(scenarios iter.Seq[Scenario], n int) iter.Seq[Scenario] {
	return func(yield func(Scenario) bool) {
		total := 0
		for range scenarios {
			total++
		}
		every := total
		if n > 0 && total%n == 0 {
			every++ // a distance that is no whole number meets all values of the loops
		}
		i := 0
		for s := range scenarios {
			if chosen := n >= total || i*n%every < n; chosen && !yield(s) {
				return
			}
			i++
		}
	}
}

// Tally is what many runs came to.
type Tally struct {
	Runs, Violations int
	// First holds the first few violations, each with its scenario.
	First []string
}

// firstViolations is how many violations are kept in words.
const firstViolations = 10

// Runner runs a scenario to its end or its first violation.
type Runner func(context.Context, Scenario) Outcome

// RunAll runs at most limit scenarios, 0 means all, as many at once as there are runners. A runner runs one at
// a time. After each of them progress is told, unless it is nil.
func RunAll(ctx context.Context, scenarios iter.Seq[Scenario], limit int, runners []Runner, progress func(Tally)) Tally {
	var tally Tally
	var mu sync.Mutex
	var wg sync.WaitGroup
	queue := make(chan Scenario)
	note := func(s Scenario, o Outcome) {
		mu.Lock()
		defer mu.Unlock()
		tally.Runs++
		if o.Violation != nil {
			tally.Violations++
			if len(tally.First) < firstViolations {
				tally.First = append(tally.First, fmt.Sprintf("%s: %v", s, o.Violation))
			}
		}
		if progress != nil {
			progress(tally)
		}
	}
	for _, run := range runners {
		wg.Go(func() {
			for s := range queue {
				note(s, run(ctx, s))
			}
		})
	}
	sent := 0
	for s := range scenarios {
		if ctx.Err() != nil || limit > 0 && sent == limit {
			break
		}
		queue <- s
		sent++
	}
	close(queue)
	wg.Wait()
	return tally
}

// Mutant is a rule dropped for one subject, which has to be noticed.
type Mutant struct {
	Mutation Mutation
	Subject  Subject
}

// Mutants lists the rules that each subject cannot do without.
func (suite Suite) Mutants() []Mutant {
	var all []Mutant
	for _, subject := range suite {
		rules := []Mutation{NoCacheAge, NoLifetime, NoSettle}
		switch subject.Kind {
		case Minter:
			rules = append(rules, NoJournal)
		case Setter:
			rules = append(rules, NoClamp, NoJournal)
		case Pair:
		case BlindSetter:
			continue // as a setter
		}
		for _, rule := range rules {
			all = append(all, Mutant{rule, subject})
		}
	}
	return all
}

// Caught looks for a violation under a mutant: without a fault first, then with every single crash. It
// returns the first, or "".
func (m Mutant) Caught(ctx context.Context, run Runner) string {
	const points = 50
	for point := 0; point <= points; point++ {
		for i, down := range downs() {
			s := m.Subject.scenario()
			s.Mutation, s.Down, s.Eager = m.Mutation, down, (point+i)%2 == 1
			if point > 0 {
				s.Crashes = []int{point}
			}
			if o := run(ctx, s); o.Violation != nil {
				return fmt.Sprintf("%s: %v", s, o.Violation)
			}
		}
	}
	return ""
}
