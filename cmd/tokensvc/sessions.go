package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

func newSessions(c *common) *cobra.Command {
	return group("sessions", "Sessions: who is watching, and how to end it",
		newSessionsList(c), newSessionsGet(c), newSessionsStop(c), newSessionsHeartbeat(c), newSessionsRefresh(c),
		newSessionsRevoke(c), newSessionsRevocations(c), newSessionsLift(c))
}

func newSessionsList(c *common) *cobra.Command {
	var request tokensvcv1.ListSessionsRequest
	cmd := &cobra.Command{
		Use: "list", Short: "List the sessions that live", Args: cobra.NoArgs,
		Example: "  tokensvc sessions list --viewer alice\n  tokensvc sessions list --playback final --ended --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.ListSessionsResponse, error) {
				all := &tokensvcv1.ListSessionsResponse{}
				err := pages(func(token string) (string, error) {
					request.PageToken = token
					page, err := api.sessions.ListSessions(ctx, &request)
					all.Sessions = append(all.Sessions, page.GetSessions()...)
					return page.GetNextPageToken(), err
				})
				return all, err
			}, printSessions)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&request.Viewer, "viewer", "", "only this viewer's")
	flags.StringVar(&request.PlaybackId, "playback", "", "only those of this playback")
	flags.StringVar(&request.GrantId, "grant", "", "only those under this grant")
	flags.BoolVar(&request.IncludeEnded, "ended", false, "also those that have ended")
	return cmd
}

func printSessions(w io.Writer, all *tokensvcv1.ListSessionsResponse) error {
	rows := [][]string{{"ID", "VIEWER", "PLAYBACK", "DEVICE", "OPENED", "UNTIL", "END"}}
	for _, s := range all.GetSessions() {
		rows = append(rows, []string{s.GetId(), s.GetViewer(), s.GetPlaybackId(), s.GetDevice(), instant(s.GetOpenTime()), until(s), sessionEnd(s)})
	}
	return table(w, rows)
}

// until is when a session ended, or will.
func until(s *tokensvcv1.Session) string {
	if s.GetEndTime() != nil {
		return instant(s.GetEndTime())
	}
	return instant(s.GetExpireTime())
}

func sessionEnd(s *tokensvcv1.Session) string {
	if s.GetEnd() == tokensvcv1.SessionEnd_SESSION_END_UNSPECIFIED {
		return ""
	}
	return label(s.GetEnd().String(), "SESSION_END_")
}

func newSessionsGet(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "get SESSION", Short: "Show a session", Args: cobra.ExactArgs(1),
		Example: "  tokensvc sessions get 5668419ac3f3405e0374e73b540bb529",
		RunE: func(cmd *cobra.Command, args []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Session, error) {
				answer, err := api.sessions.GetSession(ctx, &tokensvcv1.GetSessionRequest{Id: args[0]})
				return answer.GetSession(), err
			}, func(w io.Writer, s *tokensvcv1.Session) error {
				return fields(w, "id", s.GetId(), "viewer", s.GetViewer(), "playback", s.GetPlaybackId(), "grant", s.GetGrantId(), "device", s.GetDevice(),
					"opened", instant(s.GetOpenTime()), "seen", instant(s.GetSeenTime()), "expires", instant(s.GetExpireTime()),
					"token", instant(s.GetTokenExpireTime()), "ended", instant(s.GetEndTime()), "end", sessionEnd(s))
			})
		},
	}
}

func newSessionsStop(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "stop SESSION", Short: "End a session because the viewer is done", Args: cobra.ExactArgs(1),
		Example: "  tokensvc sessions stop 5668419ac3f3405e0374e73b540bb529",
		RunE: func(cmd *cobra.Command, args []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.StopSessionResponse, error) {
				return api.sessions.StopSession(ctx, &tokensvcv1.StopSessionRequest{Id: args[0]})
			}, func(w io.Writer, _ *tokensvcv1.StopSessionResponse) error {
				_, err := fmt.Fprintln(w, "stopped")
				return err
			})
		},
	}
}

func newSessionsHeartbeat(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "heartbeat SESSION", Short: "Keep a session alive between refreshes", Args: cobra.ExactArgs(1),
		Example: "  tokensvc sessions heartbeat 5668419ac3f3405e0374e73b540bb529",
		RunE: func(cmd *cobra.Command, args []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.HeartbeatResponse, error) {
				return api.sessions.Heartbeat(ctx, &tokensvcv1.HeartbeatRequest{Id: args[0]})
			}, func(w io.Writer, m *tokensvcv1.HeartbeatResponse) error {
				return fields(w, "expires", instant(m.GetExpireTime()))
			})
		},
	}
}

func newSessionsRefresh(c *common) *cobra.Command {
	var request tokensvcv1.RefreshPlaybackRequest
	var who viewingFlags
	cmd := &cobra.Command{
		Use: "refresh SESSION --viewer VIEWER", Short: "Sign anew for a session, and print the URL", Args: cobra.ExactArgs(1),
		Example: "  tokensvc sessions refresh 5668419ac3f3405e0374e73b540bb529 --viewer alice --device tv",
		RunE: func(cmd *cobra.Command, args []string) error {
			request.SessionId = args[0]
			request.Viewing = who.message()
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.RefreshPlaybackResponse, error) {
				return api.playbacks.RefreshPlayback(ctx, &request)
			}, func(w io.Writer, m *tokensvcv1.RefreshPlaybackResponse) error {
				return printCredential(w, m.GetCredential(), "session", m.GetSessionId(), "heartbeat", span(m.GetHeartbeatInterval()), "grant", m.GetGrantId())
			})
		},
	}
	cmd.Flags().StringVar(&request.Viewer, "viewer", "", "the session's own viewer")
	who.add(cmd, "the device that the session was opened on")
	_ = cmd.MarkFlagRequired("viewer") // the flag exists
	return cmd
}

func newSessionsRevocations(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "revocations", Short: "List revocations, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.ListRevocationsResponse, error) {
				all := &tokensvcv1.ListRevocationsResponse{}
				err := pages(func(token string) (string, error) {
					page, err := api.sessions.ListRevocations(ctx, &tokensvcv1.ListRevocationsRequest{PageToken: token})
					all.Revocations = append(all.Revocations, page.GetRevocations()...)
					return page.GetNextPageToken(), err
				})
				return all, err
			}, func(w io.Writer, all *tokensvcv1.ListRevocationsResponse) error {
				rows := [][]string{{"ID", "OF", "SUBJECT", "AT", "EFFECTIVE", "SESSIONS", "HELD UNTIL", "LIFTED"}}
				for _, r := range all.GetRevocations() {
					kind, subject := revoked(r)
					rows = append(rows, []string{
						r.GetId(), kind, subject, instant(r.GetCreateTime()), instant(r.GetEffectiveAt()), strconv.Itoa(int(r.GetSessionsEnded())),
						instant(r.GetHoldUntil()), instant(r.GetLiftTime()),
					})
				}
				return table(w, rows)
			})
		},
	}
}

func newSessionsLift(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "lift REVOCATION", Short: "Let a viewer or playback be signed again", Args: cobra.ExactArgs(1),
		Example: "  tokensvc sessions revocations\n  tokensvc sessions lift 01a202c4-18bd-7820-ae1c-87e17e07003f",
		RunE: func(cmd *cobra.Command, args []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Revocation, error) {
				answer, err := api.sessions.LiftRevocation(ctx, &tokensvcv1.LiftRevocationRequest{Id: args[0]})
				return answer.GetRevocation(), err
			}, func(w io.Writer, r *tokensvcv1.Revocation) error {
				kind, subject := revoked(r)
				return fields(w, "revocation", r.GetId(), kind, subject, "lifted", instant(r.GetLiftTime()))
			})
		},
	}
}
