package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/policylint"
)

func newPolicyLint(c *common) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lint [--config FILE]",
		Short: "Say which playbacks will hurt viewers, how, and what to do about it",
		Long: "Lint looks at the playbacks of the service at --server, or at those of the config file that --config or\n" +
			"TOKENSVC_CONFIG names, and prints a line PLAYBACK: ID: MESSAGE for each finding. docs/policies.md lists the ids.\n" +
			"Only a service knows its keys and their horizons; only a file says what its web hooks do when they fail.\n\n" +
			"A finding is advice and no failure: the command exits with 0 whatever it finds, and with 1 only when it cannot\n" +
			"look. To fail a build on any finding, look at --output json: jq -e '.findings == []'.",
		Example: "  tokensvc policy lint\n  tokensvc policy lint --config tokensvc.yaml --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := c.lintInput(cmd)
			if err != nil {
				return err
			}
			in.Now = time.Now()
			return c.printFindings(policylint.Lint(in))
		},
	}
	cmd.Flags().String(config.ConfigFlag, "", "look at this config file and ask no service")
	return cmd
}

// lintInput reads the config file where one is named, else asks the service.
func (c *common) lintInput(cmd *cobra.Command) (policylint.Input, error) {
	file, server := cmd.Flags().Changed(config.ConfigFlag), cmd.Flags().Changed("server")
	switch {
	case file && server:
		return policylint.Input{}, usageError("--config and --server exclude each other: a file is looked at without a service")
	case file, !server && c.sys.getenv(config.ConfigVariable) != "":
		cfg, err := c.loadConfig(cmd)
		return fileInput(cfg), err
	}
	var in policylint.Input
	err := c.connected(func(api client) (err error) {
		in, err = c.serviceInput(cmd.Context(), api)
		return err
	})
	return in, err
}

// fileInput takes what the file says.
func fileInput(cfg config.Config) policylint.Input {
	var in policylint.Input
	for i := range cfg.Playbacks {
		in.Playbacks = append(in.Playbacks, cfg.Playbacks[i].ToPlayback())
	}
	for i := range cfg.Targets {
		in.Targets = append(in.Targets, policylint.Target{Target: cfg.Targets[i].ToKeystore()})
	}
	for i := range cfg.Webhooks {
		if cfg.Webhooks[i].OnError == "deny" {
			in.DenyingHooks = append(in.DenyingHooks, cfg.Webhooks[i].ID)
		}
	}
	return in
}

// serviceInput asks a service, page by page, each within --timeout.
func (c *common) serviceInput(ctx context.Context, api client) (policylint.Input, error) {
	var in policylint.Input
	used := make(map[string]bool)
	err := pages(func(token string) (string, error) {
		calling, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		page, err := api.playbacks.ListPlaybacks(calling, &tokensvcv1.ListPlaybacksRequest{PageSize: 1000, PageToken: token})
		for _, p := range page.GetPlaybacks() {
			in.Playbacks = append(in.Playbacks, playbackOf(p))
			used[p.GetTargetId()] = true
		}
		return page.GetNextPageToken(), err
	})
	if err != nil {
		return in, err
	}
	err = pages(func(token string) (string, error) {
		calling, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		page, err := api.keys.ListTargets(calling, &tokensvcv1.ListTargetsRequest{PageSize: 1000, PageToken: token})
		for _, t := range page.GetTargets() {
			if used[t.GetId()] {
				in.Targets = append(in.Targets, policylint.Target{Target: targetOf(t)})
			}
		}
		return page.GetNextPageToken(), err
	})
	if err != nil {
		return in, err
	}
	for i := range in.Targets {
		if err := c.addActiveKey(ctx, api, &in.Targets[i]); err != nil {
			return in, err
		}
	}
	return in, nil
}

// addActiveKey asks which key of a target signs.
func (c *common) addActiveKey(ctx context.Context, api client, t *policylint.Target) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := api.keys.ListKeys(ctx, &tokensvcv1.ListKeysRequest{TargetId: t.ID})
	if err != nil {
		return err
	}
	for _, k := range answer.GetKeys() {
		if k.GetState() == tokensvcv1.KeyState_KEY_STATE_ACTIVE {
			t.Active = activeKeyOf(k)
		}
	}
	return nil
}

func (c *common) printFindings(found []policylint.Finding) error {
	if c.output == "json" {
		return c.printJSON(map[string][]policylint.Finding{"findings": found})
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(c.sys.out, "nothing found")
		return err
	}
	for _, f := range found {
		if _, err := fmt.Fprintf(c.sys.out, "%s: %s: %s\n", f.Playback, f.ID, f.Message); err != nil {
			return err
		}
	}
	return nil
}
