package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/policytest"
)

func newPolicy(c *common) *cobra.Command {
	return group("policy", "Policies: who is let in, try one, and see which playbacks will hurt viewers", newPolicyTest(c), newPolicyLint(c))
}

func newPolicyTest(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "test FILE", Short: "Run the cases of a file against its policy; see docs/policies.md", Args: cobra.ExactArgs(1),
		Example: "  tokensvc policy test policy.yaml\n  tokensvc policy test policy.yaml --output json",
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			results, err := policytest.Run(cmd.Context(), args[0], text)
			if err != nil {
				return err
			}
			failed := 0
			for i := range results {
				if !results[i].OK {
					failed++
				}
			}
			if c.output == "json" {
				err = c.printJSON(map[string]any{"cases": results, "failed": failed})
			} else {
				err = printResults(c.sys.out, results)
			}
			if err == nil && failed > 0 {
				err = fmt.Errorf("%d of %d cases fail", failed, len(results))
			}
			return err
		},
	}
}

func printResults(w io.Writer, results []policytest.Result) error {
	for i := range results {
		r := &results[i]
		said := r.Got
		if r.Reason != "" {
			said += " " + r.Reason
		}
		mark := "ok  "
		if !r.OK {
			mark, said = "FAIL", said+", want "+strings.TrimSpace(r.Want+" "+r.WantReason)
		}
		if _, err := fmt.Fprintf(w, "%s  %s: %s: %s\n", mark, r.Name, said, r.Detail); err != nil {
			return err
		}
	}
	return nil
}
