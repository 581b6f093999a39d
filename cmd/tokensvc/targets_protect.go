package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/app"
)

func newTargetsProtect(c *common) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "protect TARGET",
		Short: "Switch token checking on at the provider",
		Long: "Protect lets the provider refuse whoever has no token: token_auth_enabled of a Wowza stream target, the policy\n" +
			"of a Qencode bucket or of a new playback id of a live stream, the authKey of an Agora domain. Wowza and Agora\n" +
			"get the active key's secret with it. The command works on the store and the accounts of the config file, as\n" +
			"`tokensvc sync` does.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withSync(cmd, func(ctx context.Context, job *app.Sync) error {
				done, err := job.Protect(ctx, args[0])
				return errors.Join(err, c.printProtected(done, err))
			})
		},
	}
	bindConfig(cmd)
	return cmd
}

func (c *common) printProtected(done []app.Protected, failed error) error {
	if c.output == "json" {
		return c.printJSON(map[string]any{"protected": done})
	}
	for _, p := range done {
		state := "checks tokens"
		if failed != nil {
			state = "unknown"
		}
		if err := fields(c.sys.out, "resource", p.Resource, "state", state, "playback id", p.PlaybackID, "open still", p.Open); err != nil {
			return err
		}
	}
	return nil
}
