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

func newTargets(c *common) *cobra.Command {
	return group("targets", "Targets: what one signing key protects at a provider",
		newTargetsCreate(c), newTargetsGet(c), newTargetsList(c), newTargetsUpdate(c), newTargetsStatus(c), newTargetsProtect(c), newTargetsAttach(c), newTargetsDelete(c))
}

// targetFlags are the settings that create and update share.
type targetFlags struct {
	account, description string
	maxLifetime          time.Duration
	tokenName, algorithm string
	escapeEarly          bool
	agoraForm            string
	rotation             rotationFlags
}

func (f *targetFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.account, "account", "", "provider account of the config file")
	flags.StringVar(&f.description, "description", "", "free text for people")
	flags.DurationVar(&f.maxLifetime, "max-token-lifetime", 6*time.Hour, "longest life of any token, 1s to 24h")
	flags.StringVar(&f.tokenName, "token-name", "", "EdgeAuth: parameter name of the token (default hdnts)")
	flags.StringVar(&f.algorithm, "algorithm", "", "EdgeAuth: sha256, sha1 or md5 (default sha256)")
	flags.BoolVar(&f.escapeEarly, "escape-early", false, `EdgeAuth: "escape token input" of the property`)
	flags.StringVar(&f.agoraForm, "agora-form", "", "Agora: md5 or mid16 (default md5)")
	f.rotation.bind(flags)
}

// apply writes the flags that were given into t and returns their field paths.
func (f *targetFlags) apply(cmd *cobra.Command, t *tokensvcv1.Target) ([]string, error) {
	var paths []string
	set := func(flag, path string, fn func()) {
		if cmd.Flags().Changed(flag) {
			fn()
			paths = append(paths, path)
		}
	}
	edgeAuth := func() *tokensvcv1.EdgeAuthOptions {
		if t.EdgeAuth == nil {
			t.EdgeAuth = &tokensvcv1.EdgeAuthOptions{}
		}
		return t.GetEdgeAuth()
	}
	set("account", "account", func() { t.Account = f.account })
	set("description", "description", func() { t.Description = f.description })
	set("max-token-lifetime", "max_token_lifetime", func() { t.MaxTokenLifetime = durationpb.New(f.maxLifetime) })
	set("token-name", "edge_auth.token_name", func() { edgeAuth().TokenName = f.tokenName })
	set("algorithm", "edge_auth.algorithm", func() { edgeAuth().Algorithm = f.algorithm })
	set("escape-early", "edge_auth.escape_early", func() { edgeAuth().EscapeEarly = f.escapeEarly })
	set("agora-form", "agora.form", func() { t.Agora = &tokensvcv1.AgoraOptions{Form: f.agoraForm} })
	err := f.rotation.apply(set, t)
	return paths, err
}

func newTargetsCreate(c *common) *cobra.Command {
	var (
		f      targetFlags
		target tokensvcv1.Target
	)
	cmd := &cobra.Command{
		Use:     "create ID --provider PROVIDER",
		Aliases: []string{"add"},
		Short:   "Add a target without keys (or: targets add)",
		Example: "  tokensvc targets create live --provider wowza\n  tokensvc keys import live secret.txt --activate\n" +
			"  tokensvc targets add stage --provider wowza --account wowza-main --resource aBcDeFgH --every 720h",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			target.Id = args[0]
			if _, err := f.apply(cmd, &target); err != nil {
				return err
			}
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Target, error) {
				answer, err := api.keys.CreateTarget(ctx, &tokensvcv1.CreateTargetRequest{Target: &target})
				return answer.GetTarget(), err
			}, printTarget)
		},
	}
	cmd.Flags().StringVar(&target.Provider, "provider", "", "wowza, akamai, qencode or agora")
	_ = cmd.MarkFlagRequired("provider") // the flag exists
	f.bind(cmd)
	return cmd
}

func newTargetsGet(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Short: "Show a target", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Target, error) {
				answer, err := api.keys.GetTarget(ctx, &tokensvcv1.GetTargetRequest{Id: args[0]})
				return answer.GetTarget(), err
			}, printTarget)
		},
	}
}

func newTargetsList(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List targets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.ListTargetsResponse, error) {
				all := &tokensvcv1.ListTargetsResponse{}
				return all, pages(func(token string) (string, error) {
					page, err := api.keys.ListTargets(ctx, &tokensvcv1.ListTargetsRequest{PageSize: 1000, PageToken: token})
					all.Targets = append(all.Targets, page.GetTargets()...)
					return page.GetNextPageToken(), err
				})
			}, func(w io.Writer, all *tokensvcv1.ListTargetsResponse) error {
				rows := [][]string{{"TARGET", "PROVIDER", "SCHEME", "MAX LIFETIME", "DESCRIPTION"}}
				for _, t := range all.GetTargets() {
					rows = append(rows, []string{t.GetId(), t.GetProvider(), t.GetScheme(), span(t.GetMaxTokenLifetime()), t.GetDescription()})
				}
				return table(w, rows)
			})
		},
	}
}

func newTargetsUpdate(c *common) *cobra.Command {
	var f targetFlags
	cmd := &cobra.Command{
		Use: "update ID", Short: "Change a target", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			target := &tokensvcv1.Target{Id: args[0]}
			paths, err := f.apply(cmd, target)
			if err != nil {
				return err
			}
			if len(paths) == 0 {
				return usageError("name at least one setting to change; see --help")
			}
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Target, error) {
				answer, err := api.keys.UpdateTarget(ctx, &tokensvcv1.UpdateTargetRequest{Target: target, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
				return answer.GetTarget(), err
			}, printTarget)
		},
	}
	f.bind(cmd)
	return cmd
}

func newTargetsDelete(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Short: "Remove a target that has no playbacks and whose keys are all destroyed", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.DeleteTargetResponse, error) {
				return api.keys.DeleteTarget(ctx, &tokensvcv1.DeleteTargetRequest{Id: args[0]})
			}, func(w io.Writer, _ *tokensvcv1.DeleteTargetResponse) error {
				_, err := fmt.Fprintf(w, "target %s deleted\n", args[0])
				return err
			})
		},
	}
}

func printTarget(w io.Writer, t *tokensvcv1.Target) error {
	managed := ""
	if t.GetManaged() {
		managed = "config file (read-only)"
	}
	escape := ""
	if t.GetEdgeAuth().GetEscapeEarly() {
		escape = "yes"
	}
	return fields(w,
		"target", t.GetId(), "provider", t.GetProvider(), "scheme", t.GetScheme(), "account", t.GetAccount(),
		"description", t.GetDescription(), "max token lifetime", span(t.GetMaxTokenLifetime()),
		"token name", t.GetEdgeAuth().GetTokenName(), "algorithm", t.GetEdgeAuth().GetAlgorithm(), "escape early", escape,
		"form", t.GetAgora().GetForm(), "resources", strings.Join(t.GetResources(), ", "), "rotation", describePolicy(t.GetRotation()), "managed by", managed, "created", instant(t.GetCreateTime()), "updated", instant(t.GetUpdateTime()),
	)
}
