package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// Calls that a task can make.
const (
	callEmpty = "empty"
	callSign  = "sign"
	callBatch = "batch"
)

// task tells the client what to do for a while.
type task struct {
	// Address is that of gRPC, or of HTTP when HTTP is set.
	Address  string `json:"address"`
	HTTP     bool   `json:"http"`
	Call     string `json:"call"`
	Playback string `json:"playback"`
	// Batch is how many signs a batch holds.
	Batch int `json:"batch"`
	// Callers is how many calls are under way at once; each waits for its answer (closed loop).
	Callers int `json:"callers"`
	// Rate, when set, begins so many calls a second whatever becomes of the others (open loop).
	Rate float64 `json:"rate"`
	// Conns is how many connections the callers share.
	Conns int           `json:"conns"`
	For   time.Duration `json:"for"`
}

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

// caller makes one call.
type caller func(context.Context) error

// loadOnDemand does one task for each line of in.
func loadOnDemand(ctx context.Context, in io.Reader, out io.Writer) error {
	l := loader{dialled: map[string][]grpc.ClientConnInterface{}}
	defer l.close()
	answer := json.NewEncoder(out)
	for questions := bufio.NewScanner(in); questions.Scan(); {
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
	return nil
}

// loader keeps its connections from task to task.
type loader struct {
	dialled map[string][]grpc.ClientConnInterface
	closers []io.Closer
	web     *http.Client
}

func (l *loader) close() {
	for _, c := range l.closers {
		_ = c.Close() // the process ends
	}
	if l.web != nil {
		l.web.CloseIdleConnections()
	}
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

// callers returns one caller for each of t.Conns connections.
func (l *loader) callers(t task) ([]caller, error) {
	if t.HTTP {
		return l.webCallers(t)
	}
	for len(l.dialled[t.Address]) < t.Conns {
		conn, err := grpc.NewClient(t.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, err
		}
		l.dialled[t.Address] = append(l.dialled[t.Address], conn)
		l.closers = append(l.closers, conn)
	}
	var calls []caller
	for _, conn := range l.dialled[t.Address][:t.Conns] {
		call, err := grpcCaller(conn, t)
		if err != nil {
			return nil, err
		}
		calls = append(calls, call)
	}
	return calls, nil
}

func grpcCaller(conn grpc.ClientConnInterface, t task) (caller, error) {
	invoke := func(method string, in proto.Message, answer func() proto.Message) caller {
		return func(ctx context.Context) error { return conn.Invoke(ctx, method, in, answer()) }
	}
	sign := &tokensvcv1.SignPlaybackRequest{Id: t.Playback, Viewer: viewer}
	switch t.Call {
	case callEmpty:
		return invoke(echoMethod, &emptypb.Empty{}, func() proto.Message { return &emptypb.Empty{} }), nil
	case callSign:
		return invoke(tokensvcv1.PlaybackService_SignPlayback_FullMethodName, sign,
			func() proto.Message { return &tokensvcv1.SignPlaybackResponse{} }), nil
	case callBatch:
		batch := &tokensvcv1.BatchSignPlaybackRequest{Requests: slices.Repeat([]*tokensvcv1.SignPlaybackRequest{sign}, t.Batch)}
		return invoke(tokensvcv1.PlaybackService_BatchSignPlayback_FullMethodName, batch,
			func() proto.Message { return &tokensvcv1.BatchSignPlaybackResponse{} }), nil
	default:
		return nil, fmt.Errorf("unknown call %q", t.Call)
	}
}

func (l *loader) webCallers(t task) ([]caller, error) {
	if l.web == nil {
		l.web = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}}
	}
	path, body := echoPath, []byte("{}")
	if t.Call == callSign {
		path, body = "/v1/playbacks/"+t.Playback+":sign", []byte(`{"viewer":"`+viewer+`"}`)
	}
	return []caller{func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+t.Address+path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := l.web.Do(r)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if answer.StatusCode != http.StatusOK {
			err = errors.Join(err, errors.New(answer.Status))
		}
		return errors.Join(err, answer.Body.Close())
	}}, nil
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
