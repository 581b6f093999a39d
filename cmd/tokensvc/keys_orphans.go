package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/app"
)

func newKeysOrphans(c *common) *cobra.Command {
	var revoke string
	cmd := &cobra.Command{
		Use:   "orphans [TARGET]",
		Short: "Keys at the provider that nobody holds: list them, or delete one",
		Long: "A provider that makes keys may make one and lose its answer. Such a key stands in quarantine until a person\n" +
			"decides on it, since it might also be one that somebody made in the provider's console. The command works on\n" +
			"the store and the accounts of the config file, as `tokensvc sync` does.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			target := ""
			if len(args) == 1 {
				target = args[0]
			}
			if revoke != "" && target == "" {
				return usageError("--revoke needs the TARGET whose key it is")
			}
			return c.withSync(cmd, func(ctx context.Context, job *app.Sync) error {
				if revoke != "" {
					if err := job.RevokeOrphan(ctx, target, revoke); err != nil {
						return err
					}
					_, err := fmt.Fprintf(c.sys.err, "key %s of target %s deleted at the provider\n", revoke, target)
					if err != nil {
						return err
					}
				}
				orphans, err := job.Orphans(ctx, target)
				if err != nil {
					return err
				}
				return c.printOrphans(orphans)
			})
		},
	}
	cmd.Flags().StringVar(&revoke, "revoke", "", "delete the key with this id at the provider")
	bindConfig(cmd)
	return cmd
}

func (c *common) printOrphans(orphans []app.SyncOrphan) error {
	if c.output == "json" {
		return c.printJSON(map[string]any{"orphans": orphans})
	}
	if len(orphans) == 0 {
		_, err := fmt.Fprintln(c.sys.out, "no key is in quarantine")
		return err
	}
	rows := [][]string{{"TARGET", "KID", "FOUND", "OPERATION"}}
	for _, o := range orphans {
		rows = append(rows, []string{o.Target, o.KID, o.FoundAt.UTC().Format(time.RFC3339), o.Operation})
	}
	return table(c.sys.out, rows)
}
