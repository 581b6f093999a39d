package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/keyimport"
)

func newKeys(c *common) *cobra.Command {
	return group("keys", "Signing keys of a target: import, rotate, retire, destroy",
		newKeysList(c), newKeysGet(c), newKeysImport(c), newKeysActivate(c), newKeysRetire(c), newKeysDestroy(c), newKeysRotate(c), newKeysOrphans(c), newKeysRewrap(c))
}

func newKeysList(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "list TARGET", Short: "List the key versions of a target", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.call(cmd.Context(), func(ctx context.Context, api client) error {
				answer, err := api.keys.ListKeys(ctx, &tokensvcv1.ListKeysRequest{TargetId: args[0]})
				if err != nil {
					return err
				}
				return c.print(answer, func(w io.Writer) error {
					rows := [][]string{{"KEY", "STATE", "KID", "CREATED", "HORIZON", "FINGERPRINT"}}
					for _, k := range answer.GetKeys() {
						rows = append(rows, []string{keyName(k), stateLabel(k), k.GetKid(), instant(k.GetCreateTime()), instant(k.GetHorizon()), shorten(k.GetFingerprint())})
					}
					return table(w, rows)
				})
			})
		},
	}
}

func newKeysGet(c *common) *cobra.Command {
	return keyCommand(c, "get TARGET VERSION", "Show one key version; never its secret", nil,
		func(ctx context.Context, api client, target string, version int32) (*tokensvcv1.Key, error) {
			answer, err := api.keys.GetKey(ctx, &tokensvcv1.GetKeyRequest{TargetId: target, Version: version})
			return answer.GetKey(), err
		})
}

func newKeysImport(c *common) *cobra.Command {
	var (
		request  tokensvcv1.ImportKeyRequest
		encoding string
	)
	cmd := &cobra.Command{
		Use:   "import TARGET [FILE|-]",
		Short: "Import a key from a file or stdin",
		Long: "Import reads PEM (PKCS#1, PKCS#8), DER, JWK, base64 of any of these, or a shared secret, proves that it\n" +
			"signs and verifies, and stores it sealed. What can be read in two ways is refused with the readings.",
		Example: "  tokensvc keys import live secret.txt --activate\n  tokensvc keys import vod key.pem --kid ec25a6a6-b31e-4ac9-af01-711460421c6b",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := keyimport.ParseEncoding(encoding); err != nil {
				return usageError("--%v, not %q", err, encoding)
			}
			source := "-"
			if len(args) == 2 {
				source = args[1]
			}
			material, err := c.readInput(source, 64<<10)
			if err != nil {
				return err
			}
			request.TargetId, request.Material = args[0], material
			request.Encoding = tokensvcv1.KeyEncoding(tokensvcv1.KeyEncoding_value["KEY_ENCODING_"+strings.ToUpper(encoding)]) // auto is unspecified
			return c.call(cmd.Context(), func(ctx context.Context, api client) error {
				answer, err := api.keys.ImportKey(ctx, &request)
				if err != nil {
					return err
				}
				return c.print(answer, func(w io.Writer) error {
					return printKey(w, answer.GetKey(), "recognised", answer.GetRecognised()+"; signs and verifies")
				})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&encoding, "encoding", "auto", "how the key is written: auto, text, hex, base64, pem, der or jwk")
	flags.StringVar(&request.Kid, "kid", "", "the provider's id of the key (Qencode)")
	flags.BoolVar(&request.Activate, "activate", false, "make it the active key at once")
	flags.BoolVar(&request.AllowShort, "allow-short", false, "admit a short secret")
	return cmd
}

func newKeysActivate(c *common) *cobra.Command {
	return keyCommand(c, "activate TARGET VERSION", "Make a version the one that signs", nil,
		func(ctx context.Context, api client, target string, version int32) (*tokensvcv1.Key, error) {
			answer, err := api.keys.ActivateKey(ctx, &tokensvcv1.ActivateKeyRequest{TargetId: target, Version: version})
			return answer.GetKey(), err
		})
}

func newKeysRetire(c *common) *cobra.Command {
	var (
		in            time.Duration
		at            string
		force, cancel bool
	)
	return keyCommand(c, "retire TARGET VERSION", "Take a key out of use, now or at a horizon",
		func(cmd *cobra.Command) {
			cmd.Flags().DurationVar(&in, "in", 0, "keep signing until then: no token outlives that moment")
			cmd.Flags().StringVar(&at, "at", "", "the same as a time, for example 2026-12-24T20:00:00Z")
			cmd.Flags().BoolVar(&force, "force", false, "break tokens that still live: retire at once, or with --in or --at before they end")
			cmd.Flags().BoolVar(&cancel, "cancel", false, "take the horizon back")
			cmd.MarkFlagsMutuallyExclusive("in", "at", "cancel")
			cmd.MarkFlagsMutuallyExclusive("force", "cancel")
		},
		func(ctx context.Context, api client, target string, version int32) (*tokensvcv1.Key, error) {
			request := &tokensvcv1.RetireKeyRequest{TargetId: target, Version: version, Force: force, ClearHorizon: cancel}
			switch {
			case at != "":
				horizon, err := time.Parse(time.RFC3339, at)
				if err != nil {
					return nil, usageError("--at %q is not a time like 2026-12-24T20:00:00Z", at)
				}
				request.Horizon = timestamppb.New(horizon)
			case in != 0:
				request.Horizon = timestamppb.New(time.Now().Add(in))
			}
			answer, err := api.keys.RetireKey(ctx, request)
			return answer.GetKey(), err
		})
}

func newKeysDestroy(c *common) *cobra.Command {
	var force bool
	return keyCommand(c, "destroy TARGET VERSION", "Wipe the secret of a pending or retired key for good",
		func(cmd *cobra.Command) {
			cmd.Flags().BoolVar(&force, "force", false, "also within the rollback window")
		},
		func(ctx context.Context, api client, target string, version int32) (*tokensvcv1.Key, error) {
			answer, err := api.keys.DestroyKey(ctx, &tokensvcv1.DestroyKeyRequest{TargetId: target, Version: version, Force: force})
			return answer.GetKey(), err
		})
}

// keyCommand is a command that acts on one key version and shows what became of it.
func keyCommand(c *common, use, short string, flags func(*cobra.Command), act func(context.Context, client, string, int32) (*tokensvcv1.Key, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := strconv.ParseInt(args[1], 10, 32)
			if err != nil || version < 1 {
				return usageError("VERSION %q is not a number from 1; `tokensvc keys list %s` shows them", args[1], args[0])
			}
			return c.call(cmd.Context(), func(ctx context.Context, api client) error {
				k, err := act(ctx, api, args[0], int32(version)) //nolint:gosec // parsed as 32 bits
				if err != nil {
					return err
				}
				return c.print(k, func(w io.Writer) error { return printKey(w, k) })
			})
		},
	}
	if flags != nil {
		flags(cmd)
	}
	return cmd
}

// shorten leaves enough of a fingerprint to tell keys apart in a table.
func shorten(fingerprint string) string {
	const enough = 12
	if len(fingerprint) <= enough {
		return fingerprint
	}
	return fingerprint[:enough] + "…"
}

func keyName(k *tokensvcv1.Key) string { return fmt.Sprintf("%s/%d", k.GetTargetId(), k.GetVersion()) }

func stateLabel(k *tokensvcv1.Key) string { return label(k.GetState().String(), "KEY_STATE_") }

// printKey writes a key, and behind it the further pairs of names and values.
func printKey(w io.Writer, k *tokensvcv1.Key, more ...string) error {
	return fields(w, append([]string{
		"key", keyName(k), "state", stateLabel(k), "kid", k.GetKid(), "fingerprint", k.GetFingerprint(), "origin", k.GetOrigin(),
		"created", instant(k.GetCreateTime()), "activated", instant(k.GetActivateTime()), "horizon", instant(k.GetHorizon()),
		"retire after", instant(k.GetRetireAfter()), "retired", instant(k.GetRetireTime()),
		"destroy after", instant(k.GetDestroyAfter()), "destroyed", instant(k.GetDestroyTime()),
	}, more...)...)
}
