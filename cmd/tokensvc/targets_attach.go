package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/app"
)

func newTargetsAttach(c *common) *cobra.Command {
	var transcoder string
	cmd := &cobra.Command{
		Use:   "attach TARGET --transcoder ID",
		Short: "Let a target's resources carry a stream (Wowza)",
		Long: "Attach attaches each stream target of the target to each output of a transcoder, or live stream, of Wowza's.\n" +
			"Both of a pair have to carry the stream, or a rotation sends viewers to one that shows nothing. What is attached\n" +
			"already stays; a second run changes nothing. The command works on the store and the accounts of the config file,\n" +
			"as `tokensvc sync` does.",
		Example: "  tokensvc targets attach stage --transcoder 8fb9hzjd",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withSync(cmd, func(ctx context.Context, job *app.Sync) error {
				all, err := job.Attach(ctx, args[0], transcoder)
				return errors.Join(err, c.printAttached(all))
			})
		},
	}
	cmd.Flags().StringVar(&transcoder, "transcoder", "", "the id of the transcoder, or of the live stream")
	_ = cmd.MarkFlagRequired("transcoder") // the flag is there
	bindConfig(cmd)
	return cmd
}

func (c *common) printAttached(all []app.Attached) error {
	if c.output == "json" {
		return c.printJSON(map[string]any{"attached": all})
	}
	w := tabwriter.NewWriter(c.sys.out, 0, 0, 2, ' ', 0)
	_, err := fmt.Fprintln(w, "OUTPUT\tRESOURCE\tSTATE")
	for _, a := range all {
		state := "carries it already"
		if a.New {
			state = "carries it now"
		}
		_, wrote := fmt.Fprintf(w, "%s\t%s\t%s\n", a.Output, a.Resource, state)
		err = errors.Join(err, wrote)
	}
	return errors.Join(err, w.Flush())
}
