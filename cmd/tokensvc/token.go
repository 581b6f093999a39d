package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokensvc/tokensvc/internal/offline"
	"github.com/tokensvc/tokensvc/internal/schemes"
)

func newToken(c *common) *cobra.Command {
	var stream streamFlags
	cmd := group("token", "Sign one token or a stream of them, without a server",
		newTokenHdnts(c, &stream), newTokenEdgeAuth(c, &stream), newTokenQencode(c, &stream), newTokenAgora(c, &stream))
	cmd.Long = "Token signs without a server, a store or the network, in place of the vendors' sample scripts. Times are\n" +
		"Unix seconds. It refuses what could inject a field, open more than was meant or live for ever; --compat\n" +
		"makes what the vendor's own scripts make, also where that is unwise."
	stream.bind(cmd, "make the bytes of the vendor's own scripts, also where that is unwise")
	return cmd
}

func newTokenHdnts(c *common, stream *streamFlags) *cobra.Command {
	return tokenCommand(c, stream, &cobra.Command{
		Use: schemes.WowzaHdnts, Short: "The hdnts parameter of Wowza CDN on Fastly",
		Example: "  tokensvc token wowza-hdnts --secret-file secret.txt --stream-id NUtjdHdsc3g4Z21L --lifetime 3600",
	}, []string{"secret-file"}, func(in *lineInput) {
		in.secretText("secret-file", "secret", "file with the secret; its text is the key, it is not decoded")
		in.text("stream-id", "fields.stream_id", "part 2 of the playback URL's path")
		in.text("vod", "fields.vod_stream_id", "VOD stream id, to let in one recording only")
		in.text("ip", "fields.ip", "bind the token to the viewer's address")
		in.text("start", "fields.start_time", "when the token begins to count, or now")
		in.text("end", "fields.end_time", "the token's last second; wins over --lifetime")
		in.text("lifetime", "fields.lifetime", "seconds from the start, or from now")
	})
}

func newTokenEdgeAuth(c *common, stream *streamFlags) *cobra.Command {
	return tokenCommand(c, stream, &cobra.Command{
		Use: schemes.AkamaiEdgeAuth, Short: "Akamai EdgeAuth 2.0",
		Example: "  tokensvc token akamai-edgeauth --secret-file key.hex --acl '/hls/live/*' --window 3600",
	}, []string{"secret-file"}, func(in *lineInput) {
		flags := in.cmd.Flags()
		acl := flags.StringArray("acl", nil, `a path the token opens, exact or ending with "/*" (repeatable)`)
		url := flags.String("url", "", "the one path the token opens, in place of --acl")
		in.fills = append(in.fills, func(o lineObject) error {
			switch {
			case flags.Changed("acl") == flags.Changed("url"):
				return usageError("give what the token opens: --acl PATH, once or more, or --url PATH")
			case flags.Changed("acl"):
				o.put("fields.mode", "acl")
				o.put("fields.path", *acl)
			default:
				o.put("fields.mode", "url")
				o.put("fields.path", *url)
			}
			return nil
		})
		in.secretText("secret-file", "secret_hex", "file with the key in hex")
		in.text("ip", "fields.ip", "bind the token to the viewer's address")
		in.text("start", "fields.start_time", "when the token begins to count, or now")
		in.text("end", "fields.end_time", "the token's last second; wins over --window")
		in.text("window", "fields.window_seconds", "seconds from the start, or from now")
		in.text("session-id", "fields.session_id", "session id, by which the token can be revoked")
		in.text("payload", "fields.payload", "free data in the token")
		edgeAuthFlags(in, "fields.")
	})
}

// edgeAuthFlags are what the property at the edge is set to.
func edgeAuthFlags(in *lineInput, prefix string) {
	in.secretText("salt-file", prefix+"salt", "file with the property's salt")
	in.text("algorithm", prefix+"algorithm", "sha256, sha1 or md5 (default sha256)")
	in.text("field-delimiter", prefix+"field_delimiter", "character between fields (default ~)")
	in.text("acl-delimiter", prefix+"acl_delimiter", "character between ACLs (default !)")
	in.truth("escape-early", prefix+"escape_early", `"escape token input" of the property`)
}

func newTokenQencode(c *common, stream *streamFlags) *cobra.Command {
	return tokenCommand(c, stream, &cobra.Command{
		Use: schemes.QencodeJWT, Short: "The auth parameter of Qencode, an RS256 JWT",
		Example: "  tokensvc token qencode-jwt --key-file key.pem --kid ec25a6a6-b31e-4ac9-af01-711460421c6b --uri path/to/ --exp 1735693200",
	}, []string{"key-file", "kid"}, func(in *lineInput) {
		in.secretText("key-file", "private_key", "file with the RSA private key in PEM")
		in.text("kid", "key_id", "Qencode's id of the key")
		in.text("uri", "fields.uri", `playback id, object key, or key prefix ending with "/"`)
		in.truth("whole-bucket", "fields.whole_bucket", "open the whole bucket, with an empty uri")
		in.text("exp", "fields.exp", "the second from which on the token is dead")
		in.text("nbf", "fields.nbf", "when the token begins to count")
		pairs := in.cmd.Flags().StringArray("claim", nil, "NAME=VALUE of your own, as text (repeatable)")
		in.given("claim", func(o lineObject) error {
			object, err := claims(*pairs)
			o.put("fields.claims", object)
			return err
		})
		in.text("url", "fields.url", "playback URL to put the token into")
	})
}

func newTokenAgora(c *common, stream *streamFlags) *cobra.Command {
	return tokenCommand(c, stream, &cobra.Command{
		Use: schemes.AgoraTimestamp, Short: "The ts and sign parameters of Agora",
		Example: "  tokensvc token agora-timestamp --secret-file key.txt --url https://play.example.com/live/show.flv --ts 1735689900",
	}, []string{"secret-file"}, func(in *lineInput) {
		in.secretText("secret-file", "secret", "file with the domain's authKey")
		in.text("url", "fields.url", "URL to sign")
		in.text("ts", "fields.ts", "the token's last second")
		in.text("form", "fields.form", "md5 (32 digits, the default) or mid16")
	})
}

// tokenCommand signs with the input that bind's flags make, or the lines of stdin.
func tokenCommand(c *common, stream *streamFlags, cmd *cobra.Command, required []string, bind func(*lineInput)) *cobra.Command {
	in := &lineInput{c: c, cmd: cmd}
	bind(in)
	in.text("now", "now", "the time to sign at (default: the clock)")
	in.seconds("max-lifetime", "max_lifetime_seconds", "refuse expiries further ahead, in seconds (default a day; not with --compat)")
	cmd.Args = cobra.NoArgs
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
			return streamed(door.Tokens(c.sys.in, c.sys.out))
		}
		line, err := in.json(required...)
		if err != nil {
			return err
		}
		answer := door.Token(line)
		if c.output == "json" {
			if err := c.printLine(answer); err != nil || answer.Err == nil {
				return err
			}
			return &exitError{code: exitFailed}
		}
		if answer.Err != nil {
			return answer.Err
		}
		out := answer.Credential.URL
		if out == "" {
			out = answer.Credential.Token
		}
		_, err = fmt.Fprintln(c.sys.out, out)
		return err
	}
	return cmd
}
