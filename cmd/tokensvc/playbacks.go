package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

func newPlaybacks(c *common) *cobra.Command {
	return group("playbacks", "Playbacks: what viewers play",
		newPlaybacksCreate(c), newPlaybacksGet(c), newPlaybacksList(c), newPlaybacksUpdate(c), newPlaybacksDelete(c))
}

// playbackFlags are the settings that create and update share.
type playbackFlags struct {
	url, description       string
	streamID, vodStreamID  string
	acl                    []string
	urlPath, payload       string
	uri, viewerClaim       string
	wholeBucket            bool
	claims                 map[string]string
	agora, bindIP          bool
	alternateURL           string
	alternateStreamID      string
	ttl, expiryGranularity time.Duration
	policy                 policyFlags
}

func (f *playbackFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "playback URL without a token")
	flags.StringVar(&f.description, "description", "", "free text for people")
	flags.StringVar(&f.streamID, "stream-id", "", "hdnts: part 2 of the URL's path")
	flags.StringVar(&f.vodStreamID, "vod-stream-id", "", "hdnts: VOD stream id")
	flags.StringArrayVar(&f.acl, "acl", nil, `EdgeAuth: a path the token opens, exact or ending with "/*" (repeatable)`)
	flags.StringVar(&f.urlPath, "url-path", "", "EdgeAuth: the one path the token opens, in place of --acl")
	flags.StringVar(&f.payload, "payload", "", "EdgeAuth: free data in the token")
	flags.StringVar(&f.alternateURL, "alternate-url", "", "the URL in the second slot, where the target is a pair")
	flags.StringVar(&f.alternateStreamID, "alternate-stream-id", "", "hdnts: the stream target of --alternate-url")
	flags.StringVar(&f.uri, "uri", "", `Qencode: playback id, object key, or prefix ending with "/"`)
	flags.BoolVar(&f.wholeBucket, "whole-bucket", false, "Qencode: open the whole bucket")
	flags.StringVar(&f.viewerClaim, "viewer-claim", "", "Qencode: claim that carries the viewer")
	flags.StringToStringVar(&f.claims, "claim", nil, "Qencode: fixed claim NAME=VALUE (repeatable)")
	flags.BoolVar(&f.agora, "agora", false, "Agora: nothing more to set")
	flags.BoolVar(&f.bindIP, "bind-ip", false, "bind tokens to the viewer's address (hdnts, EdgeAuth)")
	flags.DurationVar(&f.ttl, "ttl", time.Hour, "lifetime of a token when the caller asks for none")
	flags.DurationVar(&f.expiryGranularity, "expiry-granularity", 0, "round expiries up to a multiple, so that viewers share tokens")
	f.policy.bind(flags)
}

// apply writes the flags that were given into p and returns their field paths.
func (f *playbackFlags) apply(cmd *cobra.Command, p *tokensvcv1.Playback) ([]string, error) {
	var paths []string
	changed := func(names ...string) bool {
		for _, n := range names {
			if cmd.Flags().Changed(n) {
				return true
			}
		}
		return false
	}
	// Only the parts of a binding that were named change; the others stay as they are.
	var bound []string
	binding := func(scheme string, set func(), flags ...string) {
		if !changed(flags...) {
			return
		}
		set()
		bound = append(bound, scheme)
		for _, flag := range flags {
			if changed(flag) {
				paths = append(paths, scheme+bindingField(flag))
			}
		}
	}
	binding("hdnts", func() {
		p.Binding = &tokensvcv1.Playback_Hdnts{Hdnts: &tokensvcv1.Hdnts{StreamId: f.streamID, VodStreamId: f.vodStreamID}}
	}, "stream-id", "vod-stream-id")
	binding("edge_auth", func() {
		p.Binding = &tokensvcv1.Playback_EdgeAuth{EdgeAuth: &tokensvcv1.EdgeAuth{Acl: f.acl, UrlPath: f.urlPath, Payload: f.payload}}
	}, "acl", "url-path", "payload")
	binding("qencode", func() {
		p.Binding = &tokensvcv1.Playback_Qencode{Qencode: &tokensvcv1.Qencode{
			Uri: f.uri, WholeBucket: f.wholeBucket, ViewerClaim: f.viewerClaim, Claims: f.claims,
		}}
	}, "uri", "whole-bucket", "viewer-claim", "claim")
	binding("agora", func() { p.Binding = &tokensvcv1.Playback_Agora{Agora: &tokensvcv1.Agora{}} }, "agora")
	if len(bound) > 1 {
		return nil, usageError("the flags of one scheme only: %s", strings.Join(bound, ", "))
	}
	plain := func(flag, path string, set func()) {
		if changed(flag) {
			set()
			paths = append(paths, path)
		}
	}
	plain("url", "url", func() { p.Url = f.url })
	alternate := func() *tokensvcv1.Alternate {
		if p.Alternate == nil {
			p.Alternate = &tokensvcv1.Alternate{}
		}
		return p.GetAlternate()
	}
	plain("alternate-url", "alternate.url", func() { alternate().Url = f.alternateURL })
	plain("alternate-stream-id", "alternate.stream_id", func() { alternate().StreamId = f.alternateStreamID })
	plain("description", "description", func() { p.Description = f.description })
	plain("ttl", "ttl", func() { p.Ttl = durationpb.New(f.ttl) })
	plain("expiry-granularity", "expiry_granularity", func() { p.ExpiryGranularity = durationpb.New(f.expiryGranularity) })
	plain("bind-ip", "ip_binding", func() {
		p.IpBinding = tokensvcv1.IpBinding_IP_BINDING_OFF
		if f.bindIP {
			p.IpBinding = tokensvcv1.IpBinding_IP_BINDING_EXACT
		}
	})
	policyPaths, err := f.policy.apply(cmd.Flags(), p)
	return append(paths, policyPaths...), err
}

// bindingField returns the path of the field that a flag sets, below its scheme's binding.
func bindingField(flag string) string {
	switch flag {
	case "agora":
		return ""
	case "claim":
		return ".claims"
	default:
		return "." + strings.ReplaceAll(flag, "-", "_")
	}
}

func newPlaybacksCreate(c *common) *cobra.Command {
	var (
		f playbackFlags
		p tokensvcv1.Playback
	)
	cmd := &cobra.Command{
		Use:   "create ID --target TARGET --url URL",
		Short: "Add a playback",
		Example: "  tokensvc playbacks create big-event --target live --stream-id NUtjdHdsc3g4Z21L \\\n" +
			"    --url https://example.wowza.com/1/NUtjdHdsc3g4Z21L/event/hls/live/playlist.m3u8",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Id = args[0]
			if _, err := f.apply(cmd, &p); err != nil {
				return err
			}
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Playback, error) {
				answer, err := api.playbacks.CreatePlayback(ctx, &tokensvcv1.CreatePlaybackRequest{Playback: &p})
				return answer.GetPlayback(), err
			}, printPlayback)
		},
	}
	cmd.Flags().StringVar(&p.TargetId, "target", "", "the target whose key signs")
	f.bind(cmd)
	_ = cmd.MarkFlagRequired("target") // the flag exists
	_ = cmd.MarkFlagRequired("url")    // the flag exists
	return cmd
}

func newPlaybacksGet(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Short: "Show a playback", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Playback, error) {
				answer, err := api.playbacks.GetPlayback(ctx, &tokensvcv1.GetPlaybackRequest{Id: args[0]})
				return answer.GetPlayback(), err
			}, printPlayback)
		},
	}
}

func newPlaybacksList(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List playbacks", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.ListPlaybacksResponse, error) {
				all := &tokensvcv1.ListPlaybacksResponse{}
				return all, pages(func(token string) (string, error) {
					page, err := api.playbacks.ListPlaybacks(ctx, &tokensvcv1.ListPlaybacksRequest{PageSize: 1000, PageToken: token})
					all.Playbacks = append(all.Playbacks, page.GetPlaybacks()...)
					return page.GetNextPageToken(), err
				})
			}, func(w io.Writer, all *tokensvcv1.ListPlaybacksResponse) error {
				rows := [][]string{{"PLAYBACK", "TARGET", "TTL", "URL"}}
				for _, p := range all.GetPlaybacks() {
					rows = append(rows, []string{p.GetId(), p.GetTargetId(), span(p.GetTtl()), p.GetUrl()})
				}
				return table(w, rows)
			})
		},
	}
}

func newPlaybacksUpdate(c *common) *cobra.Command {
	var f playbackFlags
	cmd := &cobra.Command{
		Use: "update ID", Short: "Change a playback", Args: cobra.ExactArgs(1),
		Long: "Update changes the settings that flags name, and leaves the others as they are.",
		Example: "  tokensvc playbacks update final --ttl 30s --max-sessions 2 --session-rule evict_oldest\n" +
			"  tokensvc playbacks update final --access '{any_of: [grant, {webhook: shop}]}'",
		RunE: func(cmd *cobra.Command, args []string) error {
			p := &tokensvcv1.Playback{Id: args[0]}
			paths, err := f.apply(cmd, p)
			if err != nil {
				return err
			}
			if len(paths) == 0 {
				return usageError("name at least one setting to change; see --help")
			}
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Playback, error) {
				answer, err := api.playbacks.UpdatePlayback(ctx, &tokensvcv1.UpdatePlaybackRequest{Playback: p, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
				return answer.GetPlayback(), err
			}, printPlayback)
		},
	}
	f.bind(cmd)
	// What is not named stays, so there are no defaults to show.
	cmd.Flags().Lookup("ttl").DefValue = "0s"
	cmd.Flags().Lookup("session-rule").DefValue = ""
	return cmd
}

func newPlaybacksDelete(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Short: "Remove a playback; tokens that were signed for it live until they expire", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.DeletePlaybackResponse, error) {
				return api.playbacks.DeletePlayback(ctx, &tokensvcv1.DeletePlaybackRequest{Id: args[0]})
			}, func(w io.Writer, _ *tokensvcv1.DeletePlaybackResponse) error {
				_, err := fmt.Fprintf(w, "playback %s deleted\n", args[0])
				return err
			})
		},
	}
}

func printPlayback(w io.Writer, p *tokensvcv1.Playback) error {
	managed, bindIP := "", ""
	if p.GetManaged() {
		managed = "config file (read-only)"
	}
	if p.GetIpBinding() == tokensvcv1.IpBinding_IP_BINDING_EXACT {
		bindIP = "exact"
	}
	return fields(w,
		"playback", p.GetId(), "target", p.GetTargetId(), "url", p.GetUrl(), "description", p.GetDescription(), "bound to", binding(p),
		"alternate url", p.GetAlternate().GetUrl(), "alternate stream", p.GetAlternate().GetStreamId(),
		"ttl", span(p.GetTtl()), "expiry granularity", span(p.GetExpiryGranularity()), "ip binding", bindIP,
		"access", accessText(p.GetAccess()), "sessions", sessionsText(p.GetSessions()),
		"managed by", managed, "created", instant(p.GetCreateTime()), "updated", instant(p.GetUpdateTime()),
	)
}

// binding says in words what the tokens of a playback open.
func binding(p *tokensvcv1.Playback) string {
	switch b := p.GetBinding().(type) {
	case *tokensvcv1.Playback_Hdnts:
		if vod := b.Hdnts.GetVodStreamId(); vod != "" {
			return "stream " + b.Hdnts.GetStreamId() + ", VOD " + vod
		}
		return "stream " + b.Hdnts.GetStreamId()
	case *tokensvcv1.Playback_EdgeAuth:
		if path := b.EdgeAuth.GetUrlPath(); path != "" {
			return "path " + path
		}
		return "paths " + strings.Join(b.EdgeAuth.GetAcl(), ", ")
	case *tokensvcv1.Playback_Qencode:
		if b.Qencode.GetWholeBucket() {
			return "the whole bucket"
		}
		return "uri " + b.Qencode.GetUri()
	case *tokensvcv1.Playback_Agora:
		return "the path of the URL"
	default:
		return ""
	}
}
