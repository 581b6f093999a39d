package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/app"
	"github.com/tokensvc/tokensvc/internal/config"
)

func newKeysRewrap(c *common) *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "rewrap",
		Short: "Move every sealed secret to a new master key, while serving",
		Long: "Rewrap adds a new master key to the front of the master key file and moves every sealed secret of the\n" +
			"store to it. A running `serve` picks the new key up by itself. The old master key stays in the file, for\n" +
			"backups; remove its line when no backup needs it. Run it again at any time: it goes on where it stopped.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.loadConfig(cmd)
			if err != nil {
				return err
			}
			return c.rewrap(cmd.Context(), cfg, keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "no-new-key", false, "use the first master key at hand instead of making one, for example after a stop half-way")
	bindConfig(cmd)
	return cmd
}

func (c *common) rewrap(ctx context.Context, cfg config.Config, keep bool) error {
	progress := func(done, total int) {
		if c.output == "text" {
			_, _ = fmt.Fprintf(c.sys.err, "\rrewrapping: %d of %d targets", done, total) // progress only
			if done == total {
				_, _ = fmt.Fprintln(c.sys.err)
			}
		}
	}
	result, err := app.Rewrap(ctx, cfg, c.inputs(cfg), !keep, progress)
	if err != nil {
		return errors.Join(err, errors.New("nothing is lost: run `tokensvc keys rewrap --no-new-key` to go on"))
	}
	if c.output == "json" {
		return c.printJSON(result)
	}
	return fields(c.sys.out, "master key", result.MasterKey, "secrets moved", strconv.Itoa(result.Moved))
}
