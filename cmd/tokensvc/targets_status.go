package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// Marks of a time line.
const (
	markPending  = '·'
	markSigns    = '█'
	markAccepted = '▒'
	markKept     = '-'
	markNow      = '│'
)

// lineWidth is how many marks a time line has.
const lineWidth = 60

// keysShown is how many of the newest keys a time line shows.
const keysShown = 8

func newTargetsStatus(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "status TARGET", Short: "Show what a target waits for, and the time line of its keys", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.dial(func(conn *grpc.ClientConn) error {
				ctx, cancel := context.WithTimeout(cmd.Context(), c.timeout)
				defer cancel()
				plan, err := tokensvcv1.NewRotationServiceClient(conn).PlanRotation(ctx, &tokensvcv1.PlanRotationRequest{TargetId: args[0]})
				if err != nil {
					return err
				}
				if c.output == "json" {
					return c.print(plan, nil)
				}
				keys, err := tokensvcv1.NewKeyServiceClient(conn).ListKeys(ctx, &tokensvcv1.ListKeysRequest{TargetId: args[0]})
				if err != nil {
					return err
				}
				if err := printPlan(c.sys.out, args[0], plan); err != nil {
					return err
				}
				return printTimeline(c.sys.out, keys.GetKeys(), time.Now())
			})
		},
	}
}

// life is a key's time line: when each part of its life begins. A zero time is one that does not come.
type life struct{ created, signs, accepted, kept, gone time.Time }

// lifeOf reads a key's life off its times, and off when its successor began to sign.
func lifeOf(k *tokensvcv1.Key, keys []*tokensvcv1.Key) life {
	l := life{created: at(k.GetCreateTime()), signs: at(k.GetActivateTime()), kept: at(k.GetRetireTime()), gone: at(k.GetDestroyTime())}
	if l.gone.IsZero() {
		l.gone = at(k.GetDestroyAfter())
	}
	if l.kept.IsZero() {
		l.kept = at(k.GetRetireAfter())
	}
	if !l.signs.IsZero() && k.GetState() != tokensvcv1.KeyState_KEY_STATE_ACTIVE {
		l.accepted = l.kept
		for _, other := range keys {
			if began := at(other.GetActivateTime()); began.After(l.signs) && (l.accepted.IsZero() || began.Before(l.accepted)) {
				l.accepted = began
			}
		}
	}
	if h := at(k.GetHorizon()); !h.IsZero() && k.GetState() == tokensvcv1.KeyState_KEY_STATE_ACTIVE {
		l.accepted, l.kept = h, h
	}
	return l
}

func at(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// mark returns what a key is at a moment.
func (l life) mark(t time.Time) rune {
	has := func(since time.Time) bool { return !since.IsZero() && !t.Before(since) }
	switch {
	case has(l.gone), !has(l.created):
		return ' '
	case has(l.kept):
		return markKept
	case has(l.accepted):
		return markAccepted
	case has(l.signs):
		return markSigns
	default:
		return markPending
	}
}

// printTimeline draws the lives of the newest keys side by side, from the first to the last thing that is
// known of them. How long a key is kept for a rollback may go beyond the edge: a day of it would leave no room for
// the minutes that a rotation takes.
func printTimeline(w io.Writer, keys []*tokensvcv1.Key, now time.Time) error {
	if len(keys) == 0 {
		_, err := fmt.Fprintln(w, "\nthe target has no keys")
		return err
	}
	shown := keys[max(0, len(keys)-keysShown):]
	from, to, gone := now, now, now
	for _, k := range shown {
		l := lifeOf(k, keys)
		for _, t := range []time.Time{l.created, l.signs, l.accepted, l.kept} {
			if !t.IsZero() && t.Before(from) {
				from = t
			}
			if t.After(to) {
				to = t
			}
		}
		if l.gone.After(gone) {
			gone = l.gone
		}
	}
	if most := to.Add(to.Sub(from) / 4); gone.After(most) {
		to = most
	} else if gone.After(to) {
		to = gone
	}
	to = to.Add(max(to.Sub(from)/lineWidth, time.Second)) // so that the last thing is within
	step := to.Sub(from) / lineWidth
	rows := [][]string{{"\nKEY", "STATE", from.UTC().Format(time.RFC3339) + strings.Repeat(" ", lineWidth-2*len(time.RFC3339)+10) + to.UTC().Format(time.RFC3339)}}
	for _, k := range shown {
		l := lifeOf(k, keys)
		line := make([]rune, lineWidth)
		for i := range line {
			line[i] = l.mark(from.Add(time.Duration(i) * step))
		}
		rows = append(rows, []string{keyName(k), stateLabel(k), strings.TrimRight(string(line), " ")})
	}
	pointer := strings.Repeat(" ", min(int(now.Sub(from)/step), lineWidth-1)) + string(markNow) + " now"
	rows = append(rows, []string{"\u00a0", "", pointer}) // a row that does not begin with a space
	if err := table(w, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%c pending  %c signs  %c accepted only  %c kept for rollback\n", markPending, markSigns, markAccepted, markKept)
	return err
}
