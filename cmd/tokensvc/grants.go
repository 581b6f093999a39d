package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

func newGrants(c *common) *cobra.Command {
	return group("grants", "Grants: who may watch what, when and how often",
		newGrantsCreate(c), newGrantsGet(c), newGrantsList(c), newGrantsRevoke(c), newGrantsCheck(c), newGrantsImport(c))
}

func newGrantsCreate(c *common) *cobra.Command {
	var (
		request           tokensvcv1.CreateGrantRequest
		playback, product string
		start, end        string
	)
	grant, limits := &tokensvcv1.Grant{}, &tokensvcv1.GrantLimits{}
	cmd := &cobra.Command{
		Use:   "create --viewer VIEWER (--playback PLAYBACK | --product PRODUCT)",
		Short: "Add a grant",
		Example: "  tokensvc grants create --viewer alice --playback final --order 4711 --idempotency-key 4711/1\n" +
			"  tokensvc grants create --viewer alice --product season-2026 --end 2026-12-31T00:00:00Z --max-sessions 2",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if playback != "" {
				grant.Subject = &tokensvcv1.Grant_PlaybackId{PlaybackId: playback}
			} else {
				grant.Subject = &tokensvcv1.Grant_ProductId{ProductId: product}
			}
			var err error
			if grant.StartTime, err = timeFlag("--start", start); err != nil {
				return err
			}
			if grant.EndTime, err = timeFlag("--end", end); err != nil {
				return err
			}
			grant.Limits, request.Grant = limits, grant
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Grant, error) {
				answer, err := api.grants.CreateGrant(ctx, &request)
				return answer.GetGrant(), err
			}, printGrant)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&grant.Viewer, "viewer", "", "your id for the person")
	flags.StringVar(&playback, "playback", "", "the playback to watch")
	flags.StringVar(&product, "product", "", "the product whose playbacks to watch")
	flags.StringVar(&start, "start", "", "first moment at which it counts, for example 2026-12-24T20:00:00Z (default: now)")
	flags.StringVar(&end, "end", "", "first moment at which it no longer counts (default: never)")
	flags.StringVar(&grant.OrderId, "order", "", "the order that paid for it")
	flags.StringVar(&request.IdempotencyKey, "idempotency-key", "", "text that names this purchase: a repeated call makes no second grant")
	flags.Int32Var(&limits.MaxPlays, "max-plays", 0, "sessions it may open in all (0: any number)")
	flags.Int32Var(&limits.MaxSessions, "max-sessions", 0, "sessions of it that may live at once (0: any number)")
	flags.Int32Var(&limits.MaxDevices, "max-devices", 0, "devices that may ever open a session (0: any number)")
	flags.StringArrayVar(&limits.Countries, "country", nil, "a country to watch from, as ISO 3166-1 alpha-2 (repeatable)")
	flags.StringArrayVar(&limits.Networks, "network", nil, "a network to watch from, as a prefix (repeatable)")
	_ = cmd.MarkFlagRequired("viewer") // the flag exists
	cmd.MarkFlagsMutuallyExclusive("playback", "product")
	cmd.MarkFlagsOneRequired("playback", "product")
	return cmd
}

// timeFlag reads a time; none is nil.
func timeFlag(flag, text string) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, usageError("%s %q is not a time like 2026-12-24T20:00:00Z", flag, text)
	}
	return timestamppb.New(t), nil
}

func newGrantsGet(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Short: "Show a grant", Args: cobra.ExactArgs(1),
		Example: "  tokensvc grants get 01a202bf-6457-7000-b4fc-7539b5ae41de",
		RunE: func(cmd *cobra.Command, args []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Grant, error) {
				answer, err := api.grants.GetGrant(ctx, &tokensvcv1.GetGrantRequest{Id: args[0]})
				return answer.GetGrant(), err
			}, printGrant)
		},
	}
}

func newGrantsList(c *common) *cobra.Command {
	var (
		request tokensvcv1.ListGrantsRequest
		state   string
		most    int
	)
	cmd := &cobra.Command{
		Use: "list", Short: "List grants, oldest first", Args: cobra.NoArgs,
		Example: "  tokensvc grants list --viewer alice --state active\n  tokensvc grants list --order 4711 --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			value, ok := tokensvcv1.GrantState_value["GRANT_STATE_"+strings.ToUpper(state)]
			if state != "" && (!ok || value == 0) {
				return usageError("--state is active or revoked, not %q", state)
			}
			if most < 1 {
				return usageError("--limit is at least 1, not %d", most)
			}
			request.State = tokensvcv1.GrantState(value)
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.ListGrantsResponse, error) {
				all := &tokensvcv1.ListGrantsResponse{}
				return all, pages(func(token string) (string, error) {
					request.PageToken, request.PageSize = token, int32(min(most-len(all.Grants), 1000)) //nolint:gosec // at most 1000
					page, err := api.grants.ListGrants(ctx, &request)
					all.Grants = append(all.Grants, page.GetGrants()...)
					if len(all.GetGrants()) >= most {
						all.NextPageToken = page.GetNextPageToken()
						return "", err
					}
					return page.GetNextPageToken(), err
				})
			}, printGrants)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&request.Viewer, "viewer", "", "only this viewer's")
	flags.StringVar(&request.PlaybackId, "playback", "", "only those of this playback")
	flags.StringVar(&request.ProductId, "product", "", "only those of this product")
	flags.StringVar(&request.OrderId, "order", "", "only those of this order")
	flags.StringVar(&state, "state", "", "only those that are active or revoked")
	flags.IntVar(&most, "limit", 1000, "the most to list")
	return cmd
}

func printGrants(w io.Writer, all *tokensvcv1.ListGrantsResponse) error {
	rows := [][]string{{"GRANT", "VIEWER", "FOR", "START", "END", "STATE", "ORDER"}}
	for _, g := range all.GetGrants() {
		rows = append(rows, []string{
			g.GetId(), g.GetViewer(), subjectLabel(g), instant(g.GetStartTime()), orNone(instant(g.GetEndTime())),
			grantLabel(g), g.GetOrderId(),
		})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	if all.GetNextPageToken() != "" {
		_, err := fmt.Fprintln(w, "there are more; raise --limit or name a viewer, playback, product or order")
		return err
	}
	return nil
}

func orNone(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func subjectLabel(g *tokensvcv1.Grant) string {
	if id := g.GetPlaybackId(); id != "" {
		return "playback " + id
	}
	return "product " + g.GetProductId()
}

func grantLabel(g *tokensvcv1.Grant) string { return label(g.GetState().String(), "GRANT_STATE_") }

func newGrantsRevoke(c *common) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "End a grant and the sessions it opened", Args: cobra.ExactArgs(1),
		Example: "  tokensvc grants revoke 01a202bf-6457-7000-b4fc-7539b5ae41de --reason refund\n  tokensvc sessions revoke --order 4711 --reason refund    # all grants of an order",
		RunE: func(cmd *cobra.Command, args []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Revocation, error) {
				answer, err := api.grants.RevokeGrant(ctx, &tokensvcv1.RevokeGrantRequest{Id: args[0], Reason: reason})
				return answer.GetRevocation(), err
			}, printGrantRevocation)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people")
	return cmd
}

func printGrantRevocation(w io.Writer, r *tokensvcv1.Revocation) error {
	err := fields(w, "revocation", r.GetId(), "grants revoked", strconv.Itoa(int(r.GetGrantsRevoked())), "sessions ended", strconv.Itoa(int(r.GetSessionsEnded())),
		"effective at", instant(r.GetEffectiveAt()))
	if err != nil || len(r.GetLayers()) == 0 {
		return err
	}
	return printLayers(w, r.GetLayers())
}

func newGrantsCheck(c *common) *cobra.Command {
	request := &tokensvcv1.CheckEntitlementRequest{Viewing: &tokensvcv1.Viewing{}}
	cmd := &cobra.Command{
		Use: "check PLAYBACK --viewer VIEWER", Short: "Say whether a viewer may watch, and why; exit 3 when not", Args: cobra.ExactArgs(1),
		Example: "  tokensvc grants check final --viewer alice\n  tokensvc grants check final --viewer alice --device tv --country AT --output json",
		RunE: func(cmd *cobra.Command, args []string) error {
			request.PlaybackId = args[0]
			return c.call(cmd.Context(), func(ctx context.Context, api client) error {
				answer, err := api.grants.CheckEntitlement(ctx, request)
				if err != nil {
					return err
				}
				if err := c.print(answer, func(w io.Writer) error { return printDecision(w, answer) }); err != nil {
					return err
				}
				if !answer.GetAllowed() {
					return &exitError{code: exitDenied}
				}
				return nil
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&request.Viewer, "viewer", "", "your id for the person")
	flags.StringVar(&request.Viewing.ClientIp, "client-ip", "", "the viewer's address")
	flags.StringVar(&request.Viewing.Device, "device", "", "your id for the device")
	flags.StringVar(&request.Viewing.Country, "country", "", "where the viewer is, as ISO 3166-1 alpha-2")
	flags.StringToStringVar(&request.Viewing.Attributes, "attribute", nil, "a further fact NAME=VALUE (repeatable)")
	_ = cmd.MarkFlagRequired("viewer") // the flag exists
	return cmd
}

func printDecision(w io.Writer, d *tokensvcv1.CheckEntitlementResponse) error {
	allowed := "no, " + d.GetReason()
	if d.GetAllowed() {
		allowed = "yes"
	}
	if err := fields(w, "allowed", allowed, "because", d.GetDetail(), "grant", d.GetGrantId(), "until", instant(d.GetUntilTime())); err != nil {
		return err
	}
	for _, s := range d.GetSteps() {
		mark := "✗"
		if s.GetAllowed() {
			mark = "✓"
		}
		if _, err := fmt.Fprintln(w, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", mark, s.GetRule(), s.GetGrantId())), " ")+": "+s.GetDetail()); err != nil {
			return err
		}
	}
	return nil
}

func printGrant(w io.Writer, g *tokensvcv1.Grant) error {
	l := g.GetLimits()
	return fields(w,
		"grant", g.GetId(), "viewer", g.GetViewer(), "for", subjectLabel(g), "start", instant(g.GetStartTime()), "end", instant(g.GetEndTime()),
		"max plays", count(l.GetMaxPlays()), "max sessions", count(l.GetMaxSessions()), "max devices", count(l.GetMaxDevices()),
		"countries", strings.Join(l.GetCountries(), ", "), "networks", strings.Join(l.GetNetworks(), ", "), "order", g.GetOrderId(),
		"state", grantLabel(g), "plays", count(g.GetPlays()), "created", instant(g.GetCreateTime()), "revoked", instant(g.GetRevokeTime()),
		"revoked because", g.GetRevokeReason())
}

// count writes a number; 0 is nothing to show.
func count(n int32) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}
