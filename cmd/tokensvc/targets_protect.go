package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/app"
)

// errNotConfirmed: nobody has said that viewers may be broken.
var errNotConfirmed = errors.New("nothing was changed; say --yes to change it")

func newTargetsProtect(c *common) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "protect TARGET",
		Short: "Switch token checking on at the provider",
		Long: "Protect lets the provider refuse whoever has no token: token_auth_enabled of a Wowza stream target, the policy\n" +
			"of a Qencode bucket or of a new playback id of a live stream, the authKey of an Agora domain. Wowza and Agora\n" +
			"get the active key's secret with it. It says what it has found switched on already, what it has changed, and\n" +
			"what still plays without a token; a second run changes nothing.\n\n" +
			"A change that can break viewers is made after a yes only: of --yes, or typed on a terminal. The command works\n" +
			"on the store and the accounts of the config file, as `tokensvc sync` does.",
		Example: "  tokensvc targets protect live\n  tokensvc targets protect live --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withSync(cmd, func(ctx context.Context, job *app.Sync) error {
				if !yes {
					found, err := job.Protection(ctx, args[0])
					if err != nil {
						return err
					}
					if err := c.confirm(found); err != nil {
						return err
					}
				}
				done, err := job.Protect(ctx, args[0])
				return errors.Join(err, c.printProtected(done))
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "make the change although it can break viewers")
	bindConfig(cmd)
	return cmd
}

// confirm asks whether viewers may be broken, if any can be.
func (c *common) confirm(planned []app.Protected) error {
	risky := false
	for _, p := range planned {
		if p.Change == "" || p.Breaks == "" {
			continue
		}
		risky = true
		if _, err := fmt.Fprintf(c.sys.err, "%s: %s\nwarning: %s\n", p.Resource, p.Change, p.Breaks); err != nil {
			return err
		}
	}
	switch {
	case !risky:
		return nil
	case !isTerminal(c.sys.in):
		return errNotConfirmed
	}
	if _, err := fmt.Fprint(c.sys.err, "Go on? [y/N] "); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c.sys.in).ReadString('\n')
	if said := strings.ToLower(strings.TrimSpace(answer)); err != nil || said != "y" && said != "yes" {
		return errNotConfirmed
	}
	return nil
}

func (c *common) printProtected(done []app.Protected) error {
	if c.output == "json" {
		return c.printJSON(map[string]any{"protected": done})
	}
	for _, p := range done {
		state, did := "checks tokens now", "changed"
		switch {
		case p.On:
			state, did = "checks tokens already", "said again"
		case p.Change == "":
			state = "checks no tokens"
		}
		if err := fields(c.sys.out, "resource", p.Resource, "state", state, did, p.Change, "playback id", p.PlaybackID, "open still", p.Open); err != nil {
			return err
		}
	}
	return nil
}
