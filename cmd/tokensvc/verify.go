package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/offline"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/tokens"
)

func newVerify(c *common) *cobra.Command {
	var stream streamFlags
	cmd := group("verify", "Verify one token or a stream of them, without a server",
		newVerifyHdnts(c, &stream), newVerifyEdgeAuth(c, &stream), newVerifyQencode(c, &stream), newVerifyAgora(c, &stream))
	cmd.Long = "Verify checks a token, or a URL that carries one, as the vendor's edge would, without a server, a store or\n" +
		"the network. It exits with 3 when the token is not accepted."
	stream.bind(cmd, "leave out the hygiene of keys and fields; never signature, time or resource")
	return cmd
}

func newVerifyHdnts(c *common, stream *streamFlags) *cobra.Command {
	return verifyCommand(c, stream, &cobra.Command{
		Use: schemes.WowzaHdnts, Short: "A token of Wowza CDN on Fastly",
		Example: "  tokensvc verify wowza-hdnts --secret-file secret.txt 'https://x.wowza.com/1/NUtjdHdsc3g4Z21L/show/hls/live/playlist.m3u8?hdnts=…'",
	}, []string{"secret-file"}, func(in *lineInput) {
		in.secretText("secret-file", "secret", "file with the secret; its text is the key, it is not decoded")
		in.text("stream-id", "stream_id", "the stream asked for (default: that of the URL)")
		in.text("client-ip", "client_ip", "the viewer's address")
	})
}

func newVerifyEdgeAuth(c *common, stream *streamFlags) *cobra.Command {
	return verifyCommand(c, stream, &cobra.Command{
		Use: schemes.AkamaiEdgeAuth, Short: "A token of Akamai EdgeAuth 2.0",
		Example: "  tokensvc verify akamai-edgeauth --secret-file key.hex --path /hls/live/1.ts 'exp=…~acl=/hls/live/*~hmac=…'",
	}, []string{"secret-file"}, func(in *lineInput) {
		in.secretText("secret-file", "secret_hex", "file with the key in hex")
		in.text("path", "path", "the path asked for, as it stands in the request (default: that of the URL)")
		in.text("client-ip", "client_ip", "the viewer's address")
		in.text("token-name", "token_name", "the URL's parameter with the token (default hdnts)")
		edgeAuthFlags(in, "")
	})
}

func newVerifyQencode(c *common, stream *streamFlags) *cobra.Command {
	return verifyCommand(c, stream, &cobra.Command{
		Use: schemes.QencodeJWT, Short: "A token of Qencode",
		Example: "  tokensvc verify qencode-jwt --key-file public.pem --kid ec25a6a6-b31e-4ac9-af01-711460421c6b --resource path/to/video.mp4 eyJhbGci…",
	}, []string{"key-file", "kid"}, func(in *lineInput) {
		in.secret("key-file", "file with the RSA key in PEM, private or public", func(o lineObject, pem string) {
			if isPublicPEM(pem) {
				o.put("public_key", pem)
				return
			}
			o.put("private_key", pem)
		})
		in.text("kid", "key_id", "Qencode's id of the key")
		in.text("resource", "resource", "the playback id or object key asked for")
	})
}

func newVerifyAgora(c *common, stream *streamFlags) *cobra.Command {
	return verifyCommand(c, stream, &cobra.Command{
		Use: schemes.AgoraTimestamp, Short: "A token of Agora",
		Example: "  tokensvc verify agora-timestamp --secret-file key.txt 'https://play.example.com/live/show.flv?ts=…&sign=…'",
	}, []string{"secret-file"}, func(in *lineInput) {
		in.secretText("secret-file", "secret", "file with the domain's authKey")
		in.text("url", "url", "the URL, where the token is given alone")
	})
}

// verifyCommand verifies with the input that bind's flags and the argument make, or the lines of stdin.
func verifyCommand(c *common, stream *streamFlags, cmd *cobra.Command, required []string, bind func(*lineInput)) *cobra.Command {
	in := &lineInput{c: c, cmd: cmd}
	bind(in)
	in.text("now", "now", "the time to verify at (default: the clock)")
	in.seconds("leeway", "leeway_seconds", "seconds for which a token passes beyond its times")
	in.seconds("max-lifetime", "max_lifetime_seconds", "refuse expiries further ahead, in seconds")
	cmd.Use += " TOKEN|URL"
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		door, err := offline.Open(cmd.Name(), offline.Options{Compat: stream.compat, Now: time.Now})
		if err != nil {
			return err
		}
		if stream.jsonl {
			if err := stream.only(cmd, args); err != nil {
				return err
			}
			endOnSignal()
			return streamed(door.Verifications(c.sys.in, c.sys.out))
		}
		if len(args) == 0 {
			return usageError("give the token, or the URL that carries it; or JSON lines with --jsonl")
		}
		member := "token"
		if strings.Contains(args[0], "://") {
			member = "url"
		}
		if member == "url" && cmd.Flags().Changed("url") {
			return usageError("--url is for a token alone; leave it out beside a URL")
		}
		in.fills = append(in.fills, func(o lineObject) error { o.put(member, args[0]); return nil })
		line, err := in.json(required...)
		if err != nil {
			return err
		}
		return c.printVerdict(door.Verify(line))
	}
	return cmd
}

// printVerdict says ok, or makes the exit code of a token that is not accepted.
func (c *common) printVerdict(answer offline.VerifyAnswer) error {
	failure := &exitError{code: exitFailed, err: answer.Err}
	if errors.Is(answer.Err, tokens.ErrRefused) {
		failure.code = exitDenied
	}
	switch {
	case c.output == "json":
		if err := c.printLine(answer); err != nil || answer.Err == nil {
			return err
		}
		failure.err = nil
		return failure
	case answer.Err != nil:
		return failure
	}
	_, err := fmt.Fprintln(c.sys.out, "ok")
	return err
}

func isPublicPEM(text string) bool { return strings.Contains(text, "PUBLIC KEY-----") }

// endOnSignal lets signals end the process at once: a stream waits in a read, and has nothing to save.
func endOnSignal() { signal.Reset(os.Interrupt, syscall.SIGTERM) }
