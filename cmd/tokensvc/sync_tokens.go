package main

import (
	"context"
	"fmt"
	"io"

	"google.golang.org/grpc"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/app"
)

// askLiveTokens asks the service how many live tokens each of the plans cuts: it counts those that it hands out, and
// the job has none.
func (c *common) askLiveTokens(ctx context.Context, reports []app.SyncReport) error {
	return c.dial(func(conn *grpc.ClientConn) error {
		api := tokensvcv1.NewRotationServiceClient(conn)
		for i := range reports {
			calling, cancel := context.WithTimeout(ctx, c.timeout)
			answer, err := api.PlanRotation(calling, &tokensvcv1.PlanRotationRequest{TargetId: reports[i].Target})
			cancel()
			if err != nil {
				return err
			}
			if t := answer.GetPlan().GetLiveTokens(); t != nil {
				reports[i].LiveTokens = &app.LiveTokens{AtMost: t.GetAtMost(), AliveAt: at(t.GetAliveAt()), CountedSince: at(t.GetCountedSince())}
			}
		}
		return nil
	})
}

// printLiveTokens says how many live tokens the plans cut, or who knows.
func printLiveTokens(w io.Writer, reports []app.SyncReport, asked bool) error {
	if !asked {
		_, err := fmt.Fprintln(w, "live tokens that it cuts: unknown here; the service knows: tokensvc keys rotate TARGET --plan")
		return err
	}
	for i := range reports {
		t := reports[i].LiveTokens
		if t == nil {
			continue
		}
		if _, err := fmt.Fprintf(w, "live tokens: target %s: %s\n", reports[i].Target, cutTokens(t.AtMost, t.AliveAt, t.CountedSince)); err != nil {
			return err
		}
	}
	return nil
}
