package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// client speaks to the service.
type client struct {
	playbacks tokensvcv1.PlaybackServiceClient
	tokens    tokensvcv1.TokenServiceClient
	keys      tokensvcv1.KeyServiceClient
}

// call runs fn with a client and a deadline.
func (c *common) call(ctx context.Context, fn func(context.Context, client) error) error {
	conn, err := grpc.NewClient("passthrough:///"+c.server, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("--server %q: %w", c.server, err)
	}
	defer conn.Close() //nolint:errcheck // nothing was written that could be lost
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return fn(ctx, client{
		playbacks: tokensvcv1.NewPlaybackServiceClient(conn),
		tokens:    tokensvcv1.NewTokenServiceClient(conn),
		keys:      tokensvcv1.NewKeyServiceClient(conn),
	})
}
