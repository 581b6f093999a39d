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

// Singles yields every single crash, every single answer, and every answer with every crash after it, up to
// the given points and calls, for every kind of provider.
func Singles(points, calls int) iter.Seq[Scenario] {
	return func(yield func(Scenario) bool) {
		for kind := range Kinds {
			for call := 0; call <= calls; call++ {
				for answer := range Answers {
					if (call == 0) != (answer == OK) {
						continue
					}
					for point := 0; point <= points; point++ {
						for i, down := range downs() {
							if point == 0 && i > 0 {
								continue
							}
							s := Scenario{Kind: kind, Down: down, Eager: (point+call)%2 == 1}
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

// Pairs yields every pair of crashes up to the given point, for every kind of provider and every time down.
func Pairs(points int) iter.Seq[Scenario] {
	return func(yield func(Scenario) bool) {
		for kind := range Kinds {
			for a := 1; a <= points; a++ {
				for b := a + 1; b <= points+4; b++ {
					for _, down := range downs() {
						if !yield(Scenario{Kind: kind, Crashes: []int{a, b}, Down: down, Eager: (a+b)%2 == 1}) {
							return
						}
					}
				}
			}
		}
	}
}

// Random yields scenarios with several crashes and several bad answers, without end.
func Random(seed uint64) iter.Seq[Scenario] {
	return func(yield func(Scenario) bool) {
		r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // the seed has to repeat a run
		for {
			s := Scenario{Kind: Kind(r.IntN(int(Kinds))), Down: r.IntN(30), Eager: r.IntN(2) == 0, Answers: map[int]Answer{}}
			for point := 1; point < 120; point++ {
				if r.IntN(20) == 0 {
					s.Crashes = append(s.Crashes, point)
				}
			}
			for call := 1; call < 60; call++ {
				if r.IntN(6) == 0 {
					s.Answers[call] = 1 + Answer(r.IntN(int(Answers)-1))
				}
			}
			if !yield(s) {
				return
			}
		}
	}
}

// Mixed yields n scenarios: every single crash and every single answer first; then, in equal parts, pairs of
// crashes, crashes with a bad answer, and many faults at random. What is too many is taken at even
// distances.
func Mixed(n int, seed uint64) func(yield func(Scenario) bool) {
	const points, calls = 60, 30
	return func(yield func(Scenario) bool) {
		left := n
		give := func(scenarios iter.Seq[Scenario], most int) bool {
			for s := range scenarios {
				if left == 0 {
					return false
				}
				if most == 0 {
					break
				}
				if !yield(s) {
					return false
				}
				left--
				most--
			}
			return true
		}
		if !give(Singles(points, 0), n) || !give(Singles(0, calls), n) {
			return
		}
		third := left / 3
		_ = give(spread(Pairs(points), third), third) && give(spread(Singles(points, calls), third), third) && give(Random(seed), left)
	}
}

// spread yields about n scenarios at even distances.
func spread(scenarios iter.Seq[Scenario], n int) iter.Seq[Scenario] {
	return func(yield func(Scenario) bool) {
		total := 0
		for range scenarios {
			total++
		}
		// A stride that shares no factor with the lengths of the loops meets all of their values.
		stride := max(total/max(n, 1), 1) | 1
		i := 0
		for s := range scenarios {
			if i%stride == 0 && !yield(s) {
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

// RunAll runs at most limit scenarios, several at once; 0 means all.
func RunAll(ctx context.Context, scenarios iter.Seq[Scenario], limit, workers int) Tally {
	var tally Tally
	var mu sync.Mutex
	var wg sync.WaitGroup
	queue := make(chan Scenario)
	for range max(workers, 1) {
		wg.Go(func() {
			for s := range queue {
				o := Run(ctx, s)
				mu.Lock()
				tally.Runs++
				if o.Violation != nil {
					tally.Violations++
					if len(tally.First) < firstViolations {
						tally.First = append(tally.First, fmt.Sprintf("%s: %v", s, o.Violation))
					}
				}
				mu.Unlock()
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

// Mutant is a rule dropped for one kind of provider, which has to be noticed.
type Mutant struct {
	Mutation Mutation
	Kind     Kind
}

// Mutants lists the rules that each kind of provider cannot do without.
func Mutants() []Mutant {
	return []Mutant{
		{NoCacheAge, Minter},
		{NoCacheAge, Setter},
		{NoCacheAge, Pair},
		{NoLifetime, Minter},
		{NoLifetime, Setter},
		{NoLifetime, Pair},
		{NoSettle, Minter},
		{NoSettle, Setter},
		{NoSettle, Pair},
		{NoClamp, Setter},
		{NoJournal, Minter},
		{NoJournal, Setter},
	}
}

// Caught looks for a violation under a mutant: without a fault first, then with every single crash. It
// returns the first, or "".
func (m Mutant) Caught(ctx context.Context) string {
	const points = 50
	for point := 0; point <= points; point++ {
		for i, down := range downs() {
			s := Scenario{Kind: m.Kind, Mutation: m.Mutation, Down: down, Eager: (point+i)%2 == 1}
			if point > 0 {
				s.Crashes = []int{point}
			}
			if o := Run(ctx, s); o.Violation != nil {
				return fmt.Sprintf("%s: %v", s, o.Violation)
			}
		}
	}
	return ""
}
