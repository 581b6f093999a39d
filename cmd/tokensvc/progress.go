package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// errAborted: the operation ended without its new key in use.
var errAborted = errors.New("the new key is not in use")

// update is what a watch has brought.
type update struct {
	message *tokensvcv1.WatchOperationResponse
	err     error
}

// follow shows an operation until its new key signs; with all, until it is closed. On a terminal the steps
// are drawn in place, elsewhere each change is a line.
func (c *common) follow(ctx context.Context, api tokensvcv1.RotationServiceClient, id string, all bool) error {
	ctx, cancel := context.WithCancel(ctx)
	updates := make(chan update)
	done := make(chan struct{})
	go func() {
		defer close(done)
		receive(ctx, api, id, updates)
	}()
	defer func() { cancel(); <-done }()
	view := c.view()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last *tokensvcv1.WatchOperationResponse
	for {
		select {
		case u := <-updates:
			if u.err != nil {
				return left(last, u.err)
			}
			last = u.message
			if err := view.show(last, time.Now()); err != nil {
				return err
			}
			if ended, err := reached(last.GetOperation(), all); ended {
				return errors.Join(view.end(last), err)
			}
		case <-tick.C:
			if err := view.tick(last, time.Now()); err != nil {
				return err
			}
		case <-ctx.Done():
			return left(last, ctx.Err())
		}
	}
}

// receive hands on what a watch brings, until it ends or ctx does.
func receive(ctx context.Context, api tokensvcv1.RotationServiceClient, id string, updates chan<- update) {
	stream, err := api.WatchOperation(ctx, &tokensvcv1.WatchOperationRequest{Id: id})
	for {
		u := update{err: err}
		if err == nil {
			u.message, u.err = stream.Recv()
		}
		select {
		case updates <- u:
		case <-ctx.Done():
			return
		}
		if u.err != nil {
			return
		}
	}
}

// left says that the operation goes on although nobody watches it, where there is one.
func left(last *tokensvcv1.WatchOperationResponse, err error) error {
	if target := last.GetOperation().GetTargetId(); target != "" {
		return fmt.Errorf("not watched any longer; the operation goes on, `tokensvc keys rotate %s --watch` shows it", target)
	}
	return err
}

// reached reports whether there is nothing more to watch, and how it ended.
func reached(op *tokensvcv1.Operation, all bool) (bool, error) {
	switch {
	case op.GetCloseTime() != nil && op.GetOutcome() != tokensvcv1.OperationOutcome_OPERATION_OUTCOME_DONE:
		return true, fmt.Errorf("%w: operation %s was %s", errAborted, op.GetId(), label(op.GetOutcome().String(), "OPERATION_OUTCOME_"))
	case op.GetCloseTime() != nil:
		return true, nil
	default:
		return !all && signs(op), nil
	}
}

// signs reports whether the new key is in use.
func signs(op *tokensvcv1.Operation) bool {
	switch op.GetStep() {
	case tokensvcv1.OperationStep_OPERATION_STEP_DRAINING, tokensvcv1.OperationStep_OPERATION_STEP_VOIDING:
		return true
	default:
		return op.GetOutcome() == tokensvcv1.OperationOutcome_OPERATION_OUTCOME_DONE
	}
}

// view shows an operation as it goes on.
type view interface {
	// show is told of each change, tick of each second between.
	show(m *tokensvcv1.WatchOperationResponse, now time.Time) error
	tick(m *tokensvcv1.WatchOperationResponse, now time.Time) error
	end(m *tokensvcv1.WatchOperationResponse) error
}

// view returns the one for the output.
func (c *common) view() view {
	switch {
	case c.output == "json":
		return &jsonView{w: c.sys.out}
	case isTerminal(c.sys.out) && c.sys.getenv("TERM") != "dumb":
		return &liveView{w: c.sys.out, width: func() int { return terminalWidth(c.sys.out) }}
	default:
		return &lineView{w: c.sys.out}
	}
}

// isTerminal reports whether a stream of the process is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // a device too, and nobody sits there
	return err != nil || !os.SameFile(info, null)
}

// jsonView writes one JSON object a line.
type jsonView struct{ w io.Writer }

func (v *jsonView) show(m *tokensvcv1.WatchOperationResponse, _ time.Time) error {
	raw, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return err
	}
	var line bytes.Buffer // protojson varies its white space on purpose
	if err := json.Compact(&line, raw); err != nil {
		return err
	}
	line.WriteByte('\n')
	_, err = v.w.Write(line.Bytes())
	return err
}

func (*jsonView) tick(*tokensvcv1.WatchOperationResponse, time.Time) error { return nil }
func (*jsonView) end(*tokensvcv1.WatchOperationResponse) error             { return nil }

// lineView writes a line for each change.
type lineView struct {
	w    io.Writer
	last string
}

func (v *lineView) show(m *tokensvcv1.WatchOperationResponse, now time.Time) error {
	text := describeStep(m, time.Time{})
	if text == v.last {
		return nil
	}
	v.last = text
	_, err := fmt.Fprintf(v.w, "%s  %s\n", now.UTC().Format(time.RFC3339), text)
	return err
}

func (*lineView) tick(*tokensvcv1.WatchOperationResponse, time.Time) error { return nil }

func (v *lineView) end(m *tokensvcv1.WatchOperationResponse) error {
	_, err := fmt.Fprintln(v.w, conclude(m.GetOperation()))
	return err
}

// liveView draws the steps in place on a terminal. Lines that are longer than the terminal is wide it folds by
// itself: where the terminal did, nobody would know how many rows to go back.
type liveView struct {
	w     io.Writer
	width func() int // columns
	drawn int        // lines
}

func (v *liveView) show(m *tokensvcv1.WatchOperationResponse, now time.Time) error {
	var lines []string
	width := v.width()
	for _, line := range drawSteps(m, now) {
		lines = append(lines, fold(line, width)...)
	}
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn) // back to the first line
	}
	for _, line := range lines {
		b.WriteString("\x1b[2K" + line + "\n")
	}
	b.WriteString("\x1b[J") // whatever was longer
	v.drawn = len(lines)
	_, err := io.WriteString(v.w, b.String())
	return err
}

// usualWidth is how many columns a terminal has that does not say.
const usualWidth = 80

// foldIndent stands before what goes on from the line above.
const foldIndent = "      "

// fold breaks a line into rows of at most width characters, at spaces where there are any.
func fold(line string, width int) []string {
	width = max(width, 2*len(foldIndent))
	var rows []string
	rest := []rune(line)
	for len(rest) > width {
		end := width
		for i := width; i > len(foldIndent); i-- {
			if rest[i] == ' ' {
				end = i
				break
			}
		}
		rows = append(rows, string(rest[:end]))
		rest = []rune(foldIndent + strings.TrimLeft(string(rest[end:]), " "))
	}
	return append(rows, string(rest))
}

func (v *liveView) tick(m *tokensvcv1.WatchOperationResponse, now time.Time) error {
	if m == nil {
		return nil
	}
	return v.show(m, now)
}

func (v *liveView) end(m *tokensvcv1.WatchOperationResponse) error {
	_, err := fmt.Fprintln(v.w, conclude(m.GetOperation()))
	return err
}

// stepsOf returns the steps of a mode, in order.
func stepsOf(mode tokensvcv1.RotationMode) []tokensvcv1.OperationStep {
	switch mode {
	case tokensvcv1.RotationMode_ROTATION_MODE_OVERLAP:
		return []tokensvcv1.OperationStep{
			tokensvcv1.OperationStep_OPERATION_STEP_INTENT, tokensvcv1.OperationStep_OPERATION_STEP_MINTING,
			tokensvcv1.OperationStep_OPERATION_STEP_MINTED, tokensvcv1.OperationStep_OPERATION_STEP_DRAINING,
		}
	case tokensvcv1.RotationMode_ROTATION_MODE_CUT:
		return []tokensvcv1.OperationStep{
			tokensvcv1.OperationStep_OPERATION_STEP_SCHEDULED, tokensvcv1.OperationStep_OPERATION_STEP_APPLYING,
			tokensvcv1.OperationStep_OPERATION_STEP_APPLIED,
		}
	case tokensvcv1.RotationMode_ROTATION_MODE_PAIR:
		return []tokensvcv1.OperationStep{
			tokensvcv1.OperationStep_OPERATION_STEP_APPLYING, tokensvcv1.OperationStep_OPERATION_STEP_APPLIED,
			tokensvcv1.OperationStep_OPERATION_STEP_DRAINING, tokensvcv1.OperationStep_OPERATION_STEP_VOIDING,
		}
	case tokensvcv1.RotationMode_ROTATION_MODE_REPLACE:
		return []tokensvcv1.OperationStep{
			tokensvcv1.OperationStep_OPERATION_STEP_SCHEDULED, tokensvcv1.OperationStep_OPERATION_STEP_APPLYING,
			tokensvcv1.OperationStep_OPERATION_STEP_INTENT, tokensvcv1.OperationStep_OPERATION_STEP_MINTING,
			tokensvcv1.OperationStep_OPERATION_STEP_MINTED,
		}
	default:
		return nil
	}
}

// drawSteps draws an operation: what is behind it, where it stands and what for, what is to come.
func drawSteps(m *tokensvcv1.WatchOperationResponse, now time.Time) []string {
	op := m.GetOperation()
	lines := []string{fmt.Sprintf("%s of target %s, mode %s: %s", label(op.GetKind().String(), "OPERATION_KIND_"), op.GetTargetId(),
		label(op.GetMode().String(), "ROTATION_MODE_"), versionChange(op))}
	steps := stepsOf(op.GetMode())
	at := slices.Index(steps, op.GetStep())
	done := op.GetOutcome() == tokensvcv1.OperationOutcome_OPERATION_OUTCOME_DONE
	for i, step := range steps {
		name := label(step.String(), "OPERATION_STEP_")
		switch {
		case i < at || done:
			lines = append(lines, "  ✓ "+name)
		case i == at && op.GetCloseTime() != nil:
			lines = append(lines, "  ✗ "+name)
		case i == at:
			lines = append(lines, "  ● "+describeStep(m, now))
		default:
			lines = append(lines, "  ○ "+name)
		}
	}
	return lines
}

func versionChange(op *tokensvcv1.Operation) string {
	if op.GetFromVersion() == 0 {
		return fmt.Sprintf("key %d", op.GetToVersion())
	}
	return fmt.Sprintf("key %d to key %d", op.GetFromVersion(), op.GetToVersion())
}

// describeStep says where an operation stands, what it waits for and until when; with now, how long that is.
func describeStep(m *tokensvcv1.WatchOperationResponse, now time.Time) string {
	op, plan := m.GetOperation(), m.GetPlan()
	if op.GetCloseTime() != nil {
		return label(op.GetOutcome().String(), "OPERATION_OUTCOME_")
	}
	parts := []string{stepLabel(op)}
	if plan.GetWhy() != "" {
		parts = append(parts, plan.GetAction()+": "+plan.GetWhy())
	}
	if until := plan.GetTime(); until != nil {
		text := until.AsTime().UTC().Format(time.RFC3339)
		if last := len(parts) - 1; strings.HasSuffix(parts[last], text) { // the reason has said it
			parts[last] += remaining(until, now)
		} else {
			parts = append(parts, "until "+text+remaining(until, now))
		}
	}
	if op.GetTries() > 0 {
		parts = append(parts, fmt.Sprintf("failed %d times: %s", op.GetTries(), op.GetLastError()))
	}
	if alarm := plan.GetAlarm(); alarm != "" {
		parts = append(parts, "ALARM: "+alarm)
	}
	return strings.Join(parts, "; ")
}

func remaining(until *timestamppb.Timestamp, now time.Time) string {
	if now.IsZero() {
		return ""
	}
	left := until.AsTime().Sub(now).Round(time.Second)
	if left <= 0 {
		return " (due)"
	}
	return " (" + left.String() + ")"
}

// conclude says how an operation ended, or why it is watched no longer.
func conclude(op *tokensvcv1.Operation) string {
	switch {
	case op.GetCloseTime() != nil && op.GetOutcome() == tokensvcv1.OperationOutcome_OPERATION_OUTCOME_DONE:
		return fmt.Sprintf("key %s/%d signs; nothing is left to do", op.GetTargetId(), op.GetToVersion())
	case op.GetCloseTime() != nil:
		return fmt.Sprintf("the operation was %s; key %s/%d goes on", label(op.GetOutcome().String(), "OPERATION_OUTCOME_"), op.GetTargetId(), op.GetFromVersion())
	default:
		return fmt.Sprintf("key %s/%d signs; the old one ends when its tokens have", op.GetTargetId(), op.GetToVersion())
	}
}
