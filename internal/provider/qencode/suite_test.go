package qencode_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/providertest"
	"github.com/tokensvc/tokensvc/internal/provider/qencode"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	sandbox "github.com/tokensvc/tokensvc/internal/sandbox/provider/qencode"
	"github.com/tokensvc/tokensvc/tokens"
)

// TestSuite is not parallel: the suite looks for goroutines that stay behind.
func TestSuite(t *testing.T) {
	// The stand-in of the case that runs: its ids are its own.
	var server *sandbox.Server
	key := func() string { return server.Keys(stream)[0].ID }

	providertest.Run(t, providertest.Config{
		Relogin: true,
		Stand: func(t *testing.T) providertest.Stand {
			plan := fault.New(time.Now)
			secret := tokens.NewSecret([]byte(apiKey))
			var err error
			server, err = sandbox.New(sandbox.Config{
				APIKey: secret, Now: time.Now, Streams: []string{streamID}, Buckets: []string{bucket}, Plan: plan,
			})
			ok(t, err)
			_, err = server.PersonCreatesKey(stream, "")
			ok(t, err)
			return providertest.Stand{Handler: server.Handler(), Plan: plan, Secrets: []tokens.Secret{secret}}
		},
		New: func(t *testing.T, env providertest.Env) provider.Provider {
			client, err := qencode.New(qencode.Config{
				APIKey: tokens.NewSecret([]byte(apiKey)), CDN: env.Base, Live: env.Base,
				HTTP: rest.Config{Log: env.Log, Now: env.Now, Sleep: env.Sleep, Timeout: env.Timeout, MaxCall: env.MaxCall},
			})
			ok(t, err)
			return client
		},
		Calls: []providertest.Call{
			{Name: sandbox.CallCreateKey, Repeat: rest.Once, Do: with(func(ctx context.Context, c *qencode.Client) error {
				_, err := c.Mint(ctx, stream)
				return err
			})},
			{Name: sandbox.CallListKeys, Repeat: rest.ReadOnly, Do: with(func(ctx context.Context, c *qencode.Client) error {
				_, err := c.List(ctx, stream)
				return err
			})},
			{Name: sandbox.CallRenameKey, Repeat: rest.Idempotent, Do: with(func(ctx context.Context, c *qencode.Client) error {
				return c.Label(ctx, stream, key(), "a name")
			})},
			{Name: sandbox.CallDeleteKey, Repeat: rest.Idempotent, GoneIsDone: true, Do: with(func(ctx context.Context, c *qencode.Client) error {
				return c.Revoke(ctx, stream, key())
			})},
			{Name: sandbox.CallSetPolicy, Repeat: rest.Idempotent, Do: with(func(ctx context.Context, c *qencode.Client) error {
				return c.SetBucketPolicy(ctx, bucket, qencode.Authenticated)
			})},
			{Name: sandbox.CallCreatePlaybackID, Repeat: rest.Once, Do: with(func(ctx context.Context, c *qencode.Client) error {
				_, err := c.CreatePlaybackID(ctx, streamID, qencode.Authenticated)
				return err
			})},
		},
	})
}

func with(do func(context.Context, *qencode.Client) error) func(context.Context, provider.Provider) error {
	return func(ctx context.Context, p provider.Provider) error {
		client, ok := p.(*qencode.Client)
		if !ok {
			return errors.New("the adapter is no client of Qencode's")
		}
		return do(ctx, client)
	}
}
