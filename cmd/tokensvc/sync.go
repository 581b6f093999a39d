package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/app"
	"github.com/tokensvc/tokensvc/internal/config"
)

// exitWaits: nothing failed, but an operation is open, or due and not begun.
const exitWaits = 4

func newSync(c *common) *cobra.Command {
	var (
		watch, plan bool
		maxWait     time.Duration
		metrics     string
	)
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Rotate keys at their providers: once, or without end",
		Long: "Sync is the companion job of `serve`, on the same store. Once, for cron, it does what is due and ends. It\n" +
			"schedules a cut, and with it a pause in signing, only if the cut comes within --max-wait; then it stays until\n" +
			"signing is open again, so that no target is left closed between two runs. Otherwise it says that a rotation\n" +
			"is due and cannot begin: run it with --watch, or let it wait as long as tokens live.\n\n" +
			"Of the config file it uses the store, the accounts and the times; `serve` applies targets and playbacks.\n\n" +
			"Exit codes: 0 nothing is left to do; 1 something failed, or a person has to look; 2 usage; 4 nothing failed,\n" +
			"but an operation is under way, or due and could not begin.",
		Example: "  tokensvc sync --plan\n  tokensvc sync --max-wait 7h\n  tokensvc sync --watch --metrics 127.0.0.1:9464",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if maxWait < 0 {
				return usageError("--max-wait is 0 or more, not %s", maxWait)
			}
			if err := checkMetrics(metrics, watch); err != nil {
				return err
			}
			return c.withSync(cmd, func(ctx context.Context, job *app.Sync) error {
				switch {
				case metrics != "":
					return job.WatchAndShow(ctx, metrics)
				case watch:
					return job.Watch(ctx)
				}
				var reports []app.SyncReport
				var err error
				asked := plan && cmd.Flags().Changed("server")
				if plan {
					reports, err = job.Plan(ctx)
				} else {
					reports, err = job.Once(ctx, maxWait)
				}
				if asked && err == nil {
					if err := c.askLiveTokens(ctx, reports); err != nil {
						return err
					}
				}
				if err := errors.Join(err, c.printReports(reports, plan)); err != nil || !plan || c.output == "json" {
					return err
				}
				return printLiveTokens(c.sys.out, reports, asked)
			})
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "go on until stopped")
	cmd.Flags().BoolVar(&plan, "plan", false, "say what would be done next, and why; ask no provider, change nothing (with --server, ask the service for live tokens)")
	cmd.Flags().StringVar(&metrics, "metrics", "", "with --watch: show metrics at GET /metrics of this HOST:PORT on loopback (off by default)")
	cmd.Flags().DurationVar(&maxWait, "max-wait", 10*time.Minute, "how far ahead a cut may lie that a run waits for")
	cmd.MarkFlagsMutuallyExclusive("watch", "plan")
	bindConfig(cmd)
	return cmd
}

// checkMetrics refuses an address for metrics that nobody could read, or anybody.
func checkMetrics(address string, watch bool) error {
	if address == "" {
		return nil
	}
	if !watch {
		return usageError("--metrics is for --watch: a single run is over before anybody asks")
	}
	if err := config.CheckLoopback(address); err != nil {
		return usageError("--metrics: %w", err)
	}
	return nil
}

// withSync runs fn with the job, and closes it.
func (c *common) withSync(cmd *cobra.Command, fn func(context.Context, *app.Sync) error) (err error) {
	cfg, err := c.loadConfig(cmd)
	if err != nil {
		return err
	}
	job, err := app.NewSync(cmd.Context(), cfg, c.inputs(cfg))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, job.Close()) }()
	return fn(cmd.Context(), job)
}

// printReports writes what was done, or would be, and chooses the exit code.
func (c *common) printReports(reports []app.SyncReport, plan bool) error {
	failed, waits := false, false
	for i := range reports {
		failed = failed || reports[i].Error != "" || reports[i].Alarm != ""
		waits = waits || reports[i].Waits
	}
	var err error
	if c.output == "json" {
		err = c.printJSON(map[string]any{"targets": reports})
	} else {
		err = writeReports(c.sys.out, reports, plan)
	}
	switch {
	case err != nil:
		return err
	case failed:
		return &exitError{code: exitFailed}
	case waits && !plan:
		return &exitError{code: exitWaits}
	default:
		return nil
	}
}

func writeReports(w io.Writer, reports []app.SyncReport, plan bool) error {
	if len(reports) == 0 {
		_, err := fmt.Fprintln(w, "there are no targets")
		return err
	}
	rows := [][]string{{"TARGET", "DONE", "NEXT", "WHEN", "WHY"}}
	if plan {
		rows[0] = []string{"TARGET", "NEXT", "WHEN", "BREAKS", "WHY"}
	}
	for i := range reports {
		r := &reports[i]
		when := "now"
		if r.Next == "" || r.Next == "wait" {
			when = "-"
		}
		if !r.At.IsZero() {
			when = r.At.UTC().Format(time.RFC3339)
		}
		row := []string{r.Target, strings.Join(r.Steps, ", "), r.Next, when, r.Why}
		if row[1] == "" {
			row[1] = "-"
		}
		if plan {
			row = []string{r.Target, r.Next, when, r.Breaks, r.Why}
		}
		rows = append(rows, row)
	}
	if err := table(w, rows); err != nil {
		return err
	}
	for i := range reports {
		for _, line := range []struct{ name, text string }{{"alarm", reports[i].Alarm}, {"error", reports[i].Error}} {
			if line.text == "" {
				continue
			}
			if _, err := fmt.Fprintf(w, "%s: target %s: %s\n", line.name, reports[i].Target, line.text); err != nil {
				return err
			}
		}
	}
	return nil
}
