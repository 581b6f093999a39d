package main

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

func newSessionsRevoke(c *common) *cobra.Command {
	var request tokensvcv1.RevokeSessionsRequest
	var viewer, playback, session, grant, order string
	var hold time.Duration
	cmd := &cobra.Command{
		Use:   "revoke (--viewer VIEWER | --playback PLAYBACK | --session SESSION | --grant GRANT | --order ORDER)",
		Short: "End what a viewer, playback, session, grant or order plays, and say when that has taken hold",
		Example: "  tokensvc sessions revoke --order 4711 --reason refund\n" +
			"  tokensvc sessions revoke --viewer alice --hold 0s    # ends what plays; alice may begin anew\n" +
			"  tokensvc sessions revoke --playback final --rotate-keys",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case viewer != "":
				request.Subject = &tokensvcv1.RevokeSessionsRequest_Viewer{Viewer: viewer}
			case playback != "":
				request.Subject = &tokensvcv1.RevokeSessionsRequest_PlaybackId{PlaybackId: playback}
			case session != "":
				request.Subject = &tokensvcv1.RevokeSessionsRequest_SessionId{SessionId: session}
			case grant != "":
				request.Subject = &tokensvcv1.RevokeSessionsRequest_GrantId{GrantId: grant}
			case order != "":
				request.Subject = &tokensvcv1.RevokeSessionsRequest_OrderId{OrderId: order}
			}
			if cmd.Flags().Changed("hold") {
				request.Hold = durationpb.New(hold)
			}
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Revocation, error) {
				answer, err := api.sessions.RevokeSessions(ctx, &request)
				return answer.GetRevocation(), err
			}, printReach)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&viewer, "viewer", "", "everything of one viewer")
	flags.StringVar(&playback, "playback", "", "everybody's watching of one playback")
	flags.StringVar(&session, "session", "", "one session")
	flags.StringVar(&grant, "grant", "", "one grant, which is revoked too")
	flags.StringVar(&order, "order", "", "the grants of one order, which are revoked too")
	flags.StringVar(&request.Reason, "reason", "", "why, for people")
	flags.DurationVar(&hold, "hold", 0, "how long the viewer or playback is refused afterwards (default: until it is lifted)")
	flags.BoolVar(&request.RotateKeys, "rotate-keys", false, "replace the keys of the playback's target at once, which ends every viewer's tokens")
	flags.BoolVar(&request.Ban, "ban", false, "ban the stream at Agora, which stops every viewer")
	cmd.MarkFlagsMutuallyExclusive("viewer", "playback", "session", "grant", "order")
	cmd.MarkFlagsOneRequired("viewer", "playback", "session", "grant", "order")
	return cmd
}

// revoked returns what a revocation is about.
func revoked(r *tokensvcv1.Revocation) (kind, subject string) {
	switch s := r.GetSubject().(type) {
	case *tokensvcv1.Revocation_Viewer:
		return "viewer", s.Viewer
	case *tokensvcv1.Revocation_PlaybackId:
		return "playback", s.PlaybackId
	case *tokensvcv1.Revocation_SessionId:
		return "session", s.SessionId
	case *tokensvcv1.Revocation_GrantId:
		return "grant", s.GrantId
	case *tokensvcv1.Revocation_OrderId:
		return "order", s.OrderId
	default:
		return "", ""
	}
}

// printReach shows a revocation and how far it reaches.
func printReach(w io.Writer, r *tokensvcv1.Revocation) error {
	kind, subject := revoked(r)
	err := fields(w,
		"revocation", r.GetId(), kind, subject,
		"sessions", strconv.Itoa(int(r.GetSessionsEnded()))+" ended",
		"grants", strconv.Itoa(int(r.GetGrantsRevoked()))+" revoked",
		"effective", instant(r.GetEffectiveAt()),
		"held until", instant(r.GetHoldUntil()),
	)
	if err != nil {
		return err
	}
	return printLayers(w, r.GetLayers())
}

// printLayers shows which places refuse already.
func printLayers(w io.Writer, layers []*tokensvcv1.RevocationLayer) error {
	rows := [][]string{{"LAYER", "REFUSES", "HOW"}}
	for _, l := range layers {
		refuses := "not yet"
		if l.GetRefuses() {
			refuses = "now"
		}
		rows = append(rows, []string{label(l.GetLayer().String(), "LAYER_"), refuses, l.GetDetail()})
	}
	return table(w, rows)
}
