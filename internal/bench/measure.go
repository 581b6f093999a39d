package main

import (
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
)

// effort is how long a run takes.
type effort struct {
	rounds int           // of micro-benchmarks
	slice  time.Duration // of CPU time for one contender in one round

	serviceRounds int
	serviceSlice  time.Duration
	rsaRounds     int
	rsaSlice      time.Duration

	viewers     int // who hold a grant each
	checkRounds int
	checks      int // of one contender in one round
	manyGrants  int // against few
	imports     int
	importRows  int // of each
}

// fewGrants is what many are held against.
const fewGrants = 1000

func thorough() effort {
	return effort{
		rounds: 31, slice: 20 * time.Millisecond,
		serviceRounds: 21, serviceSlice: 400 * time.Millisecond,
		rsaRounds: 5, rsaSlice: 3 * time.Second,
		viewers: 250_000, checkRounds: 21, checks: 3000, manyGrants: 1_000_000,
		imports: 3, importRows: 100_000,
	}
}

func brief() effort {
	return effort{
		rounds: 5, slice: 5 * time.Millisecond,
		serviceRounds: 3, serviceSlice: 150 * time.Millisecond,
		rsaRounds: 1, rsaSlice: time.Second,
		viewers: 10_000, checkRounds: 3, checks: 1000, manyGrants: 50_000,
		imports: 1, importRows: 20_000,
	}
}

// cpuTime returns what the process has used, user and system, garbage collection included. Unlike the
// clock on the wall it does not see the machine's other work.
func cpuTime() time.Duration {
	used := usage()
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// peakMemory returns the most memory that the process has had resident, in bytes.
func peakMemory() int64 {
	peak := usage().Maxrss
	if runtime.GOOS == "darwin" {
		return peak
	}
	return peak << 10
}

func usage() (used syscall.Rusage) {
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // RUSAGE_SELF and a valid pointer cannot fail
	}
	return used
}

// cost returns the CPU time of one call of op, over about slice of it.
func cost(slice time.Duration, op func()) time.Duration {
	const batch = 64
	calls, began := 0, cpuTime()
	for {
		for range batch {
			op()
		}
		calls += batch
		if used := cpuTime() - began; used >= slice {
			return used / time.Duration(calls)
		}
	}
}

// contest runs the contenders in turn, round after round, and returns each one's costs.
func (e effort) contest(contenders ...func()) []figures {
	all := make([]figures, len(contenders))
	for range e.rounds {
		for i, op := range contenders {
			all[i] = append(all[i], float64(cost(e.slice, op).Nanoseconds()))
		}
	}
	return all
}

// figures are measurements of one contender, one a round.
type figures []float64

func (f figures) median() float64 {
	if len(f) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(f))
	return sorted[len(sorted)/2]
}

// over returns the median of the paired ratios of f to base.
func (f figures) over(base figures) float64 {
	ratios := make(figures, 0, len(f))
	for i := range f {
		ratios = append(ratios, f[i]/base[i])
	}
	return ratios.median()
}

// allocations returns how many objects one call of op puts on the heap.
func allocations(op func()) float64 { return testing.AllocsPerRun(1000, op) }
