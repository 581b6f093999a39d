package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/obs"
)

func newVersion(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := obs.Version()
			if c.output == "json" {
				return c.printJSON(v)
			}
			_, err := fmt.Fprintln(c.sys.out, v.String())
			return err
		},
	}
}
