package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/app"
	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/keystore"
)

func newDev(c *common) *cobra.Command {
	o := app.DevOptions{Config: config.Defaults()}
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a service, a verifying edge and a playing stream on this machine",
		Long: "Dev runs everything in one process, on loopback only: the service, stand-ins of the APIs of Wowza, Qencode\n" +
			"and Agora with accounts of their own, an edge that verifies hdnts, EdgeAuth, Qencode and Agora tokens, a\n" +
			"small HLS stream behind it, and a page that plays it. It makes a key and a playback for each scheme, and\n" +
			"rotates what it is told to. Tokens are short-lived, so that a rotation takes little more than a minute; the\n" +
			"edge learns a new key only after --propagation. Without --data it keeps nothing.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Config.Log = config.Log{Level: "warn", Format: "text"}
			if err := o.Config.Validate(); err != nil {
				return err
			}
			dev, err := app.NewDev(cmd.Context(), o, c.inputs(o.Config))
			if err != nil {
				return err
			}
			if c.output == "json" {
				err = c.printJSON(dev.Info())
			} else {
				err = printDev(c.sys.out, dev.Info())
			}
			if err != nil {
				return err
			}
			return dev.Run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Config.Listen.GRPC, "grpc", o.Config.Listen.GRPC, "address of the gRPC API")
	flags.StringVar(&o.Config.Listen.HTTP, "http", o.Config.Listen.HTTP, "address of the HTTP API and the player")
	flags.StringVar(&o.Edge, "edge", "127.0.0.1:8088", "address of the edge")
	flags.StringVar(&o.Data, "data", "", "folder to keep keys and playbacks in (default: in memory)")
	flags.DurationVar(&o.Propagation, "propagation", app.DefaultPropagation, "how long the edge takes to learn a changed key")
	flags.BoolVar(&o.CookieBoundToSecret, "cookie-bound-to-secret", false, "the edge's sessions end with the secret that opened them")
	flags.BoolVar(&o.Config.API.Mint, "mint", false, "serve MintToken")
	return cmd
}

// describeMode says what a rotation does to viewers.
func describeMode(mode string) string {
	switch keystore.Mode(mode) {
	case keystore.Overlap:
		return "overlap: both keys count for a while"
	case keystore.Cut:
		return "cut: tokens shorten, then signing pauses"
	case keystore.Pair:
		return "pair: two slots, used in turn"
	default:
		return mode
	}
}

// printDev tells what runs where and what to do next.
func printDev(w io.Writer, info app.DevInfo) error {
	data := "in memory; --data DIR keeps it"
	if info.Data != "" {
		data = info.Data
	}
	if _, err := fmt.Fprint(w, "tokensvc dev: a service, a verifying edge and a stream on this machine. Ctrl-C ends it.\n\n"); err != nil {
		return err
	}
	if err := fields(w,
		"API, HTTP", info.HTTP+"   (/openapi.json describes it)", "API, gRPC", info.GRPC,
		"edge", info.Edge, "player", info.Player, "data", data,
		"rotation", fmt.Sprintf("tokens live %s at most (T), snapshots %s (C), clocks differ by %s (S), edges learn a key in %s (P)",
			info.Terms.MaxTokenLifetime, info.Terms.SnapshotMaxAge, info.Terms.ClockSkew, info.Terms.Propagation),
	); err != nil {
		return err
	}
	rows := [][]string{{"\nPLAYBACK", "SCHEME", "URL WITHOUT A TOKEN"}}
	for _, p := range info.Playbacks {
		rows = append(rows, []string{p.ID, p.Scheme, p.URL})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	rows = [][]string{{"\nTARGET", "ROTATES", "PROVIDER'S STAND-IN"}}
	for _, p := range info.Playbacks {
		if p.Mode != "" {
			rows = append(rows, []string{p.Target, describeMode(p.Mode), info.Providers[p.Provider]})
		}
	}
	if err := table(w, rows); err != nil {
		return err
	}
	var next strings.Builder
	next.WriteString("\nNext, in another terminal:\n\n")
	command := os.Args[0]
	if info.GRPC != config.Defaults().Listen.GRPC {
		command += " --server " + info.GRPC
	}
	for _, p := range info.Playbacks {
		fmt.Fprintf(&next, "  %s sign %s --viewer alice --check\n", command, p.ID)
	}
	next.WriteString("\n")
	for _, p := range info.Playbacks {
		if p.Mode != "" {
			fmt.Fprintf(&next, "  %s keys rotate %s   # while %s plays\n", command, p.Target, p.ID)
		}
	}
	next.WriteString("\n")
	first := info.Playbacks[0].ID
	fmt.Fprintf(&next, "  curl -s -X POST %s/v1/playbacks/%s:sign -H 'Content-Type: application/json' -d '{\"viewer\":\"alice\"}'\n", info.HTTP, first)
	fmt.Fprintf(&next, "\nand in a browser: %s?playback=%s&viewer=alice\n", info.Player, first)
	_, err := io.WriteString(w, next.String())
	return err
}
