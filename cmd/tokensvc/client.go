package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// client speaks to the service.
type client struct {
	playbacks tokensvcv1.PlaybackServiceClient
	tokens    tokensvcv1.TokenServiceClient
	keys      tokensvcv1.KeyServiceClient
	sessions  tokensvcv1.SessionServiceClient
	grants    tokensvcv1.EntitlementServiceClient
}

// call runs fn with a client and a deadline.
func (c *common) call(ctx context.Context, fn func(context.Context, client) error) error {
	return c.connected(func(api client) error {
		ctx, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		return fn(ctx, api)
	})
}

// connected runs fn with a client.
func (c *common) connected(fn func(client) error) error {
	conn, err := grpc.NewClient("passthrough:///"+c.server, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("--server %q: %w", c.server, err)
	}
	defer conn.Close() //nolint:errcheck // nothing was written that could be lost
	return fn(client{
		playbacks: tokensvcv1.NewPlaybackServiceClient(conn),
		tokens:    tokensvcv1.NewTokenServiceClient(conn),
		keys:      tokensvcv1.NewKeyServiceClient(conn),
		sessions:  tokensvcv1.NewSessionServiceClient(conn),
		grants:    tokensvcv1.NewEntitlementServiceClient(conn),
	})
}

// show calls the service and prints what it answers.
func show[M proto.Message](cmd *cobra.Command, c *common, fetch func(context.Context, client) (M, error), text func(io.Writer, M) error) error {
	return c.call(cmd.Context(), func(ctx context.Context, api client) error {
		m, err := fetch(ctx, api)
		if err != nil {
			return err
		}
		return c.print(m, func(w io.Writer) error { return text(w, m) })
	})
}

// pages calls fetch with the token of each page until there is none.
func pages(fetch func(token string) (next string, err error)) error {
	for token := ""; ; {
		next, err := fetch(token)
		if err != nil || next == "" {
			return err
		}
		token = next
	}
}
