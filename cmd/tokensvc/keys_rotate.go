package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// rotateFlags say what `keys rotate` does.
type rotateFlags struct {
	plan, watch, detach, wait bool
	immediate, rollback       bool
	replace                   bool
	version                   int32
	foreignMaxLifetime        time.Duration
}

func newKeysRotate(c *common) *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate TARGET|PLAYBACK",
		Short: "Replace the key of a target at its provider, and watch it happen",
		Long: "Rotate opens an operation and shows what it waits for, until the new key signs. The job carries it out:\n" +
			"`tokensvc serve --sync`, or `tokensvc sync` beside the service. Interrupting the command does not interrupt\n" +
			"the operation; --watch shows it again.",
		Example: "  tokensvc keys rotate live --plan\n  tokensvc keys rotate live\n" +
			"  tokensvc keys rotate live --plan --immediate\n  tokensvc keys rotate live --immediate\n" +
			"  tokensvc keys rotate live --foreign-max-lifetime 24h",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.version != 0 && !f.rollback {
				return usageError("--version is for --rollback")
			}
			return c.dial(func(conn *grpc.ClientConn) error {
				api := tokensvcv1.NewRotationServiceClient(conn)
				err := c.rotate(cmd.Context(), api, args[0], f)
				if status.Code(err) != codes.NotFound {
					return err
				}
				target, known := c.targetOf(cmd.Context(), conn, args[0])
				if !known {
					return err
				}
				cmd.PrintErrf("playback %s is signed by the key of target %s\n", args[0], target)
				return c.rotate(cmd.Context(), api, target, f)
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.plan, "plan", false, "say what comes next, when and why, and how many live tokens it cuts; change nothing")
	flags.BoolVar(&f.watch, "watch", false, "show the operation that is under way; begin none")
	flags.BoolVar(&f.immediate, "immediate", false, "the key is compromised: wait for nothing, break its tokens")
	flags.BoolVar(&f.replace, "replace", false, "the provider takes no second key (needs_replace): delete the present one first, with a pause in signing")
	flags.BoolVar(&f.rollback, "rollback", false, "go back to the key before")
	flags.Int32Var(&f.version, "version", 0, "with --rollback: the version to go back to")
	flags.DurationVar(&f.foreignMaxLifetime, "foreign-max-lifetime", 0, "take over the secret that stands at the provider, whose former signer's tokens live at most this long")
	flags.BoolVar(&f.detach, "detach", false, "begin, and do not watch")
	flags.BoolVar(&f.wait, "wait", false, "watch until nothing is left to do, also of the old key")
	cmd.MarkFlagsMutuallyExclusive("plan", "watch", "foreign-max-lifetime")
	cmd.MarkFlagsMutuallyExclusive("watch", "immediate", "foreign-max-lifetime")
	cmd.MarkFlagsMutuallyExclusive("plan", "watch", "rollback", "replace", "foreign-max-lifetime")
	cmd.MarkFlagsMutuallyExclusive("plan", "watch", "detach")
	cmd.MarkFlagsMutuallyExclusive("wait", "detach")
	return cmd
}

// targetOf returns the target of a playback, if there is one of the name.
func (c *common) targetOf(ctx context.Context, conn *grpc.ClientConn, playback string) (target string, known bool) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := tokensvcv1.NewPlaybackServiceClient(conn).GetPlayback(ctx, &tokensvcv1.GetPlaybackRequest{Id: playback})
	return answer.GetPlayback().GetTargetId(), err == nil
}

// dial connects to the service; calls need deadlines of their own, streams have none.
func (c *common) dial(fn func(*grpc.ClientConn) error) (err error) {
	conn, err := grpc.NewClient("passthrough:///"+c.server, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("--server %q: %w", c.server, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return fn(conn)
}

func (c *common) rotate(ctx context.Context, api tokensvcv1.RotationServiceClient, target string, f rotateFlags) error {
	calling, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if f.plan || f.watch {
		answer, err := api.PlanRotation(calling, &tokensvcv1.PlanRotationRequest{TargetId: target, Immediate: f.immediate})
		switch {
		case err != nil:
			return err
		case f.plan:
			return c.print(answer, func(w io.Writer) error { return printPlan(w, target, answer) })
		case answer.GetOperation() == nil:
			return fmt.Errorf("no operation of target %q is under way", target)
		}
		return c.follow(ctx, api, answer.GetOperation().GetId(), f.wait)
	}
	request := &tokensvcv1.StartRotationRequest{TargetId: target, Immediate: f.immediate, Replace: f.replace, Rollback: f.rollback, Version: f.version}
	if f.foreignMaxLifetime != 0 {
		request.ForeignMaxLifetime = durationpb.New(f.foreignMaxLifetime)
	}
	answer, err := api.StartRotation(calling, request)
	if err != nil {
		return err
	}
	if f.detach || answer.GetOperation().GetCloseTime() != nil {
		return c.print(answer.GetOperation(), func(w io.Writer) error { return printOperation(w, answer.GetOperation()) })
	}
	return c.follow(ctx, api, answer.GetOperation().GetId(), f.wait)
}

func printPlan(w io.Writer, target string, p *tokensvcv1.PlanRotationResponse) error {
	plan, operation := p.GetPlan(), ""
	if op := p.GetOperation(); op != nil {
		operation = op.GetId() + " at " + stepLabel(op)
	}
	when := instant(plan.GetTime())
	if when == "" && plan.GetAction() != "wait" {
		when = "now"
	}
	return fields(w, "target", target, "operation", operation, "next", plan.GetAction(), "when", when, "cut", instant(plan.GetCutTime()),
		"why", plan.GetWhy(), "breaks", plan.GetBreaks(), "tokens", liveTokens(plan.GetLiveTokens()), "alarm", plan.GetAlarm())
}

// liveTokens says how many tokens a rotation cuts; nothing where it ends no key.
func liveTokens(t *tokensvcv1.LiveTokens) string {
	if t == nil {
		return ""
	}
	return cutTokens(t.GetAtMost(), at(t.GetAliveAt()), at(t.GetCountedSince()))
}

// cutTokens says how many tokens are cut when a key ends; a zero moment is not known yet.
func cutTokens(most int64, ends, since time.Time) string {
	moment := ""
	if !ends.IsZero() {
		moment = " at " + ends.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("at most %d live would be cut%s; counted since %s by this service", most, moment, since.UTC().Format(time.RFC3339))
}

func printOperation(w io.Writer, op *tokensvcv1.Operation) error {
	immediate := ""
	if op.GetImmediate() {
		immediate = "yes: tokens break on purpose"
	}
	outcome := ""
	if op.GetCloseTime() != nil {
		outcome = label(op.GetOutcome().String(), "OPERATION_OUTCOME_")
	}
	return fields(w,
		"operation", op.GetId(), "target", op.GetTargetId(), "kind", label(op.GetKind().String(), "OPERATION_KIND_"),
		"mode", label(op.GetMode().String(), "ROTATION_MODE_"), "immediate", immediate, "from", versionName(op, op.GetFromVersion()),
		"to", versionName(op, op.GetToVersion()), "step", stepLabel(op), "cut", instant(op.GetCutTime()), "last error", op.GetLastError(),
		"alarm", op.GetAlarm(), "outcome", outcome, "started", instant(op.GetStartTime()), "closed", instant(op.GetCloseTime()),
	)
}

func versionName(op *tokensvcv1.Operation, version int32) string {
	if version == 0 {
		return ""
	}
	return fmt.Sprintf("%s/%d", op.GetTargetId(), version)
}

func stepLabel(op *tokensvcv1.Operation) string {
	return label(op.GetStep().String(), "OPERATION_STEP_")
}
