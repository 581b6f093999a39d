package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/config"
)

func newConfig(c *common) *cobra.Command {
	return group("config", "Show, check and describe the configuration", newConfigPrint(c), newConfigValidate(c), newConfigSchema(c))
}

func newConfigPrint(c *common) *cobra.Command {
	cmd := &cobra.Command{
		Use: "print", Short: "Print the configuration in effect, secrets redacted", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.loadConfig(cmd)
			if err != nil {
				return err
			}
			format := "yaml"
			if c.output == "json" {
				format = "json"
			}
			return cfg.Print(c.sys.out, format)
		},
	}
	bindConfig(cmd)
	return cmd
}

func newConfigValidate(c *common) *cobra.Command {
	cmd := &cobra.Command{
		Use: "validate", Short: "Check the configuration and list every fault", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := c.loadConfig(cmd); err != nil {
				return err
			}
			if c.output == "json" {
				return c.printJSON(map[string]bool{"valid": true})
			}
			_, err := fmt.Fprintln(c.sys.out, "the configuration is valid")
			return err
		},
	}
	bindConfig(cmd)
	return cmd
}

func newConfigSchema(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON schema of the config file", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			schema, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = c.sys.out.Write(schema)
			return err
		},
	}
}
