package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/app"
)

func newMigrate(c *common) *cobra.Command {
	var status bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the schema of the store up to date",
		Long:  "Migrate brings the store to the schema of this program. `serve` does the same when it starts.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.loadConfig(cmd)
			if err != nil {
				return err
			}
			m, err := app.Migrate(cmd.Context(), cfg, status)
			if err != nil {
				return err
			}
			if c.output == "json" {
				return c.printJSON(m)
			}
			from := ""
			if m.Before != m.Now {
				from = strconv.FormatInt(m.Before, 10)
			}
			return fields(c.sys.out, "store", m.Store, "schema", fmt.Sprintf("%d of %d", m.Now, m.Latest), "migrated from", from)
		},
	}
	cmd.Flags().BoolVar(&status, "status", false, "only say which schema the store has")
	bindConfig(cmd)
	return cmd
}
