package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// outcome is what became of a task.
type outcome struct {
	Answered int           `json:"answered"`
	Refused  int           `json:"refused"` // for overload
	Took     time.Duration `json:"took"`
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
	Error    string        `json:"error"`
}

// rate returns the answers a second.
func (o outcome) rate() float64 { return float64(o.Answered) / o.Took.Seconds() }

// loadOnDemand does one task for each line of in.
func loadOnDemand(ctx context.Context, in io.Reader, out io.Writer) error {
	l := loader{dialled: map[string][]grpc.ClientConnInterface{}}
	defer l.close()
	answer := json.NewEncoder(out)
	questions := bufio.NewScanner(in)
	questions.Buffer(nil, maxTask)
	for questions.Scan() {
		var t task
		if err := json.Unmarshal(questions.Bytes(), &t); err != nil {
			return err
		}
		o, err := l.do(ctx, t)
		if err != nil {
			o.Error = err.Error()
		}
		if err := answer.Encode(o); err != nil {
			return err
		}
	}
	return questions.Err()
}

func (l *loader) do(ctx context.Context, t task) (outcome, error) {
	calls, err := l.callers(t)
	if err != nil {
		return outcome{}, err
	}
	if t.Rate > 0 {
		return openLoop(ctx, t, calls)
	}
	return closedLoop(ctx, t, calls)
}

// tally collects what becomes of calls.
type tally struct {
	mu      sync.Mutex
	took    []time.Duration
	refused int
	failed  error
}

func (t *tally) add(took []time.Duration, refused int, failed error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.took = append(t.took, took...)
	t.refused += refused
	if t.failed == nil {
		t.failed = failed
	}
}

func (t *tally) outcome(took time.Duration) (outcome, error) {
	slices.Sort(t.took)
	o := outcome{Answered: len(t.took), Refused: t.refused, Took: took}
	if n := len(t.took); n > 0 {
		o.P50, o.P99 = t.took[n/2], t.took[n*99/100]
	}
	return o, t.failed
}

// closedLoop keeps t.Callers calls under way.
func closedLoop(ctx context.Context, t task, calls []caller) (outcome, error) {
	var all tally
	var wg sync.WaitGroup
	began := time.Now()
	for i := range t.Callers {
		wg.Go(func() {
			var took []time.Duration
			refused, call := 0, calls[i%len(calls)]
			for last := time.Now(); last.Sub(began) < t.For; {
				err := call(ctx)
				now := time.Now()
				switch {
				case err == nil:
					took = append(took, now.Sub(last))
				case status.Code(err) == codes.ResourceExhausted:
					refused++
				default:
					all.add(took, refused, err)
					return
				}
				last = now
			}
			all.add(took, refused, nil)
		})
	}
	wg.Wait()
	return all.outcome(time.Since(began))
}

// openLoop begins t.Rate calls a second.
func openLoop(ctx context.Context, t task, calls []caller) (outcome, error) {
	var all tally
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	began, begun := time.Now(), 0
	for now := began; now.Sub(began) < t.For; now = <-tick.C {
		for ; float64(begun) < t.Rate*now.Sub(began).Seconds(); begun++ {
			call := calls[begun%len(calls)]
			wg.Go(func() {
				start := time.Now()
				switch err := call(ctx); {
				case err == nil:
					all.add([]time.Duration{time.Since(start)}, 0, nil)
				case status.Code(err) == codes.ResourceExhausted:
					all.add(nil, 1, nil)
				default:
					all.add(nil, 0, err)
				}
			})
		}
	}
	wg.Wait()
	return all.outcome(time.Since(began))
}
