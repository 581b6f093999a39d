package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// scripted is a service whose operation goes through the given states as soon as it is watched.
type scripted struct {
	tokensvcv1.UnimplementedRotationServiceServer
	states []*tokensvcv1.WatchOperationResponse
	hangs  bool // after the last state
}

func (s *scripted) StartRotation(context.Context, *tokensvcv1.StartRotationRequest) (*tokensvcv1.StartRotationResponse, error) {
	return &tokensvcv1.StartRotationResponse{Operation: s.states[0].GetOperation()}, nil
}

func (s *scripted) WatchOperation(_ *tokensvcv1.WatchOperationRequest, stream tokensvcv1.RotationService_WatchOperationServer) error {
	for _, m := range s.states {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	if s.hangs {
		<-stream.Context().Done()
	}
	return nil
}

// serveScript returns the address of a service.
func serveScript(t *testing.T, s *scripted) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	tokensvcv1.RegisterRotationServiceServer(server, s)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

const hour = int64(3600)

// state is one state of a rotation by a cut.
func state(step tokensvcv1.OperationStep, why string) *tokensvcv1.WatchOperationResponse {
	return &tokensvcv1.WatchOperationResponse{
		Operation: &tokensvcv1.Operation{
			Id: "op-1", TargetId: "live", Kind: tokensvcv1.OperationKind_OPERATION_KIND_ROTATE, Mode: tokensvcv1.RotationMode_ROTATION_MODE_CUT,
			FromVersion: 1, ToVersion: 2, Step: step,
		},
		Plan: &tokensvcv1.RotationPlan{Action: "wait", Why: why, Time: &timestamppb.Timestamp{Seconds: hour}},
	}
}

func closed(outcome tokensvcv1.OperationOutcome) *tokensvcv1.WatchOperationResponse {
	m := state(tokensvcv1.OperationStep_OPERATION_STEP_APPLIED, "")
	m.Plan, m.Operation.Outcome, m.Operation.CloseTime = nil, outcome, &timestamppb.Timestamp{Seconds: hour}
	return m
}

func TestRotateIsWatchedLineByLine(t *testing.T) {
	t.Parallel()
	scheduled := state(tokensvcv1.OperationStep_OPERATION_STEP_SCHEDULED, "tokens of key 1 shorten")
	applying := state(tokensvcv1.OperationStep_OPERATION_STEP_APPLYING, "signing stays closed")
	applying.Operation.Tries, applying.Operation.LastError, applying.Plan.Alarm = 2, "throttled 429", "look at it"
	draining := state(tokensvcv1.OperationStep_OPERATION_STEP_DRAINING, "tokens of key 1 live")
	done := closed(tokensvcv1.OperationOutcome_OPERATION_OUTCOME_DONE)
	cases := map[string]struct {
		service scripted
		args    []string
		code    int
		out     []string // parts of the lines, in order
		err     string
	}{
		"done": {
			scripted{states: []*tokensvcv1.WatchOperationResponse{scheduled, scheduled, applying, done}},
			nil, exitOK,
			[]string{
				"scheduled; wait: tokens of key 1 shorten; until 1970-01-01T01:00:00Z",
				"applying; wait: signing stays closed; until 1970-01-01T01:00:00Z; failed 2 times: throttled 429; ALARM: look at it",
				"done", "key live/2 signs; nothing is left to do",
			},
			"",
		},
		"abandoned": {
			scripted{states: []*tokensvcv1.WatchOperationResponse{scheduled, closed(tokensvcv1.OperationOutcome_OPERATION_OUTCOME_ABANDONED)}},
			nil, exitFailed,
			[]string{"scheduled", "abandoned", "the operation was abandoned; key live/1 goes on"},
			"the new key is not in use: operation op-1 was abandoned",
		},
		"until it signs": {
			scripted{states: []*tokensvcv1.WatchOperationResponse{scheduled, draining}, hangs: true},
			nil, exitOK,
			[]string{"scheduled", "draining", "key live/2 signs; the old one ends when its tokens have"},
			"",
		},
		"until its end": {
			scripted{states: []*tokensvcv1.WatchOperationResponse{draining, done}},
			[]string{"--wait"},
			exitOK,
			[]string{"draining", "done", "nothing is left to do"},
			"",
		},
		"the service ends": {
			scripted{states: []*tokensvcv1.WatchOperationResponse{scheduled}},
			nil, exitFailed,
			[]string{"scheduled"},
			"`tokensvc keys rotate live --watch` shows it",
		},
		"as JSON": {
			scripted{states: []*tokensvcv1.WatchOperationResponse{scheduled, done}},
			[]string{"--output", "json"},
			exitOK,
			[]string{`{"operation":{"id":"op-1",`, `"outcome":"OPERATION_OUTCOME_DONE"`},
			"",
		},
		"detached": {
			scripted{states: []*tokensvcv1.WatchOperationResponse{scheduled}},
			[]string{"--detach"},
			exitOK,
			[]string{"operation", "target", "kind", "mode", "from", "to", "step"},
			"",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			args := append([]string{"keys", "rotate", "live", "--server", serveScript(t, &c.service)}, c.args...)
			code := run(t.Context(), args, system{in: strings.NewReader(""), out: &out, err: &errs})
			if code != c.code || !strings.Contains(errs.String(), c.err) {
				t.Errorf("exit %d, %q; want %d, %q", code, &errs, c.code, c.err)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if len(lines) != len(c.out) {
				t.Fatalf("got\n%s\nwant %d lines", &out, len(c.out))
			}
			for i, want := range c.out {
				if !strings.Contains(lines[i], want) {
					t.Errorf("line %d is %q; want %q", i, lines[i], want)
				}
			}
		})
	}
}

// TestInterruptedWatchSaysThatTheOperationGoesOn, and leaves nothing behind.
func TestInterruptedWatchSaysThatTheOperationGoesOn(t *testing.T) {
	t.Parallel()
	address := serveScript(t, &scripted{states: []*tokensvcv1.WatchOperationResponse{state(tokensvcv1.OperationStep_OPERATION_STEP_SCHEDULED, "w")}, hangs: true})
	ctx, interrupt := context.WithCancel(t.Context())
	var errs bytes.Buffer
	out := writerFunc(func(p []byte) (int, error) {
		interrupt() // as soon as something is shown
		return len(p), nil
	})
	if code := run(ctx, []string{"keys", "rotate", "live", "--server", address}, system{in: strings.NewReader(""), out: out, err: &errs}); code != exitFailed {
		t.Errorf("exit %d", code)
	}
	if !strings.Contains(errs.String(), "the operation goes on") {
		t.Errorf("stderr %q", &errs)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestDrawSteps(t *testing.T) {
	t.Parallel()
	now := time.Unix(hour-90, 0)
	got := strings.Join(drawSteps(state(tokensvcv1.OperationStep_OPERATION_STEP_APPLYING, "signing stays closed"), now), "\n")
	want := "rotate of target live, mode cut: key 1 to key 2\n" +
		"  ✓ scheduled\n" +
		"  ● applying; wait: signing stays closed; until 1970-01-01T01:00:00Z (1m30s)\n" +
		"  ○ applied"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	got = strings.Join(drawSteps(closed(tokensvcv1.OperationOutcome_OPERATION_OUTCOME_DONE), now), "\n")
	if strings.Count(got, "✓") != 3 || strings.ContainsAny(got, "●○✗") {
		t.Errorf("done:\n%s", got)
	}
}

// TestLiveViewRedrawsInPlace: the second picture begins on the first line of the first.
func TestLiveViewRedrawsInPlace(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	v := &liveView{w: &out, width: func() int { return usualWidth }}
	m := state(tokensvcv1.OperationStep_OPERATION_STEP_SCHEDULED, "w")
	for range 2 {
		if err := v.tick(m, time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if got := out.String(); strings.Count(got, "\x1b[4A") != 1 || strings.HasPrefix(got, "\x1b[4A") {
		t.Errorf("%q", got)
	}
}

// TestLiveViewFitsTheTerminal: no row is wider than the terminal, and as many rows as were drawn are gone back.
func TestLiveViewFitsTheTerminal(t *testing.T) {
	t.Parallel()
	m := state(tokensvcv1.OperationStep_OPERATION_STEP_SCHEDULED, "tokens of key 1 shorten towards the cut, unbroken"+strings.Repeat("x", 50))
	for _, width := range []int{0, 12, 40, 80, 200} {
		var out bytes.Buffer
		v := &liveView{w: &out, width: func() int { return width }}
		for range 2 {
			if err := v.tick(m, time.Unix(0, 0)); err != nil {
				t.Fatal(err)
			}
		}
		first, second, found := strings.Cut(out.String(), "\x1b[J")
		rows := strings.Split(strings.TrimSuffix(strings.ReplaceAll(first, "\x1b[2K", ""), "\n"), "\n")
		if back := fmt.Sprintf("\x1b[%dA", len(rows)); !found || !strings.HasPrefix(second, back) {
			t.Errorf("width %d: %d rows, then %q", width, len(rows), second)
		}
		for _, row := range rows {
			if n := utf8.RuneCountInString(row); n > max(width, 2*len(foldIndent)) {
				t.Errorf("width %d: a row of %d: %q", width, n, row)
			}
		}
		squeeze := strings.NewReplacer(" ", "", "\n", "")
		if got, want := squeeze.Replace(strings.Join(rows, "")), squeeze.Replace(strings.Join(drawSteps(m, time.Unix(0, 0)), "")); got != want {
			t.Errorf("width %d: got\n%s\nwant\n%s", width, got, want)
		}
	}
}

// TestStepSaysAMomentOnce: where the reason ends with the moment that is waited for, it is not said again.
func TestStepSaysAMomentOnce(t *testing.T) {
	t.Parallel()
	m := state(tokensvcv1.OperationStep_OPERATION_STEP_DRAINING, "tokens of key 1 live until 1970-01-01T01:00:00Z")
	for now, want := range map[time.Time]string{
		{}:                    "draining; wait: tokens of key 1 live until 1970-01-01T01:00:00Z",
		time.Unix(hour-90, 0): "draining; wait: tokens of key 1 live until 1970-01-01T01:00:00Z (1m30s)",
	} {
		if got := describeStep(m, now); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestTimelineOfAKeptKey: a key that is kept for a day leaves the minutes of the rotation their room.
func TestTimelineOfAKeptKey(t *testing.T) {
	t.Parallel()
	stamp := func(minutes int64) *timestamppb.Timestamp { return &timestamppb.Timestamp{Seconds: minutes * 60} }
	keys := []*tokensvcv1.Key{
		{TargetId: "live", Version: 1, State: tokensvcv1.KeyState_KEY_STATE_RETIRED, CreateTime: stamp(0), ActivateTime: stamp(1), RetireTime: stamp(4), DestroyAfter: stamp(24 * 60)},
		{TargetId: "live", Version: 2, State: tokensvcv1.KeyState_KEY_STATE_ACTIVE, CreateTime: stamp(3), ActivateTime: stamp(5)},
	}
	var out bytes.Buffer
	if err := printTimeline(&out, keys, time.Unix(6*60, 0)); err != nil {
		t.Fatal(err)
	}
	for mark, atLeast := range map[rune]int{markPending: 20, markSigns: 30, markKept: 15} {
		if n := strings.Count(out.String(), string(mark)); n < atLeast {
			t.Errorf("%d marks %c, want at least %d\n%s", n, mark, atLeast, &out)
		}
	}
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	stamp := func(minutes int64) *timestamppb.Timestamp { return &timestamppb.Timestamp{Seconds: minutes * 60} }
	keys := []*tokensvcv1.Key{
		{TargetId: "live", Version: 1, State: tokensvcv1.KeyState_KEY_STATE_RETIRED, CreateTime: stamp(0), ActivateTime: stamp(10), RetireTime: stamp(40), DestroyAfter: stamp(59)},
		{TargetId: "live", Version: 2, State: tokensvcv1.KeyState_KEY_STATE_ACTIVE, CreateTime: stamp(25), ActivateTime: stamp(30)},
	}
	var out bytes.Buffer
	if err := printTimeline(&out, keys, time.Unix(50*60, 0)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	count := func(line string, mark rune) int { return strings.Count(line, string(mark)) }
	for name, c := range map[string]struct {
		line     string
		mark     rune
		low, top int
	}{
		"1 pending":  {lines[2], markPending, 9, 11},
		"1 signs":    {lines[2], markSigns, 19, 21},
		"1 accepted": {lines[2], markAccepted, 9, 11},
		"1 kept":     {lines[2], markKept, 18, 20},
		"2 pending":  {lines[3], markPending, 4, 6},
		"2 signs":    {lines[3], markSigns, 29, 31},
		"now":        {lines[4], markNow, 1, 1},
	} {
		if n := count(c.line, c.mark); n < c.low || n > c.top {
			t.Errorf("%s: %d marks, want %d to %d\n%s", name, n, c.low, c.top, &out)
		}
	}
	if err := printTimeline(&out, nil, time.Unix(0, 0)); err != nil || !strings.Contains(out.String(), "no keys") {
		t.Errorf("%v", err)
	}
}
