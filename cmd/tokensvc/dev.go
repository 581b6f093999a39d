package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/app"
	"github.com/tokensvc/tokensvc/internal/config"
)

func newDev(c *common) *cobra.Command {
	o := app.DevOptions{Config: config.Defaults()}
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a service, a verifying edge and a playing stream on this machine",
		Long: "Dev runs everything in one process, on loopback only: the service, an edge that verifies hdnts, EdgeAuth,\n" +
			"Qencode and Agora tokens, a small HLS stream behind it, and a page that plays it. It makes a key and a\n" +
			"playback for each scheme. Without --data it keeps nothing.",
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
	flags.BoolVar(&o.Config.API.Mint, "mint", false, "serve MintToken")
	return cmd
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
	var next strings.Builder
	next.WriteString("\nNext, in another terminal:\n\n")
	command := os.Args[0]
	if info.GRPC != config.Defaults().Listen.GRPC {
		command += " --server " + info.GRPC
	}
	for _, p := range info.Playbacks {
		fmt.Fprintf(&next, "  %s sign %s --viewer alice --check\n", command, p.ID)
	}
	first := info.Playbacks[0].ID
	fmt.Fprintf(&next, "  curl -s -X POST %s/v1/playbacks/%s:sign -H 'Content-Type: application/json' -d '{\"viewer\":\"alice\"}'\n", info.HTTP, first)
	fmt.Fprintf(&next, "\nand in a browser: %s?playback=%s&viewer=alice\n", info.Player, first)
	_, err := io.WriteString(w, next.String())
	return err
}
