package main

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

// explainFlags are the flags of `explain`.
type explainFlags struct {
	target           string
	scheme           string
	resource         string
	clientIP         string
	keyFile          string
	kid              string
	options          keystore.SchemeOptions
	now, maxLifetime int64
}

func newExplain(c *common) *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain TOKEN|URL",
		Short: "Show what a token says and which checks it passes",
		Long: "Explain takes a token apart and lists every check of an edge with its outcome. Without a key the signature\n" +
			"is not checked. --target asks the service, which has the keys; everything else works without one.",
		Example: "  tokensvc explain 'exp=1735693200~hmac=…' --resource NUtjdHdsc3g4Z21L --secret-file secret.txt\n" +
			"  tokensvc explain 'https://live.example.com/b7f2.m3u8?auth=…' --target live",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			explained, err := f.explain(cmd, c, args[0])
			if err != nil {
				return err
			}
			if c.output == "json" {
				return c.printJSON(explained)
			}
			return printExplanation(c.sys.out, &explained)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.target, "target", "", "ask the service to check with the keys of this target")
	flags.StringVar(&f.scheme, "scheme", "", "the token's format, where its look does not tell: "+strings.Join(schemes.Names(), ", "))
	flags.StringVar(&f.resource, "resource", "", "what is asked for: stream id (hdnts), path (EdgeAuth, Agora), playback id or object key (Qencode)")
	flags.StringVar(&f.clientIP, "client-ip", "", "the viewer's address")
	flags.StringVar(&f.keyFile, "secret-file", "", "file with the secret, the key in hex or the RSA key in PEM, to check the signature (- reads stdin)")
	flags.StringVar(&f.kid, "kid", "", "Qencode's id of the key")
	flags.StringVar(&f.options.EdgeAuthTokenName, "token-name", "", "EdgeAuth: the URL's parameter with the token (default hdnts)")
	flags.StringVar(&f.options.EdgeAuthAlgorithm, "algorithm", "", "EdgeAuth: sha256, sha1 or md5 (default sha256)")
	flags.BoolVar(&f.options.EdgeAuthEscapeEarly, "escape-early", false, `EdgeAuth: "escape token input" of the property`)
	flags.Int64Var(&f.now, "now", 0, "the time to check at, in Unix seconds (default: the clock)")
	flags.Int64Var(&f.maxLifetime, "max-lifetime", 0, "the longest lifetime that is fine, in seconds")
	return cmd
}

func (f *explainFlags) explain(cmd *cobra.Command, c *common, token string) (tokens.Explanation, error) {
	if f.target != "" {
		for _, local := range []string{"scheme", "secret-file", "kid", "token-name", "algorithm", "escape-early", "now", "max-lifetime"} {
			if cmd.Flags().Changed(local) {
				return tokens.Explanation{}, usageError("--%s is for explaining without the service; leave it out beside --target", local)
			}
		}
		return f.ask(cmd.Context(), c, token)
	}
	name := f.scheme
	if name == "" {
		var err error
		if name, err = schemes.Detect(token); err != nil {
			return tokens.Explanation{}, err
		}
	}
	scheme, err := schemes.New(name, f.options)
	if err != nil {
		return tokens.Explanation{}, err
	}
	presented, err := schemes.Present(name, f.options, token, f.resource, f.clientIP)
	if err != nil {
		return tokens.Explanation{}, err
	}
	if f.maxLifetime < 0 || f.maxLifetime > int64(tokens.MaxUnixSeconds) {
		return tokens.Explanation{}, usageError("--max-lifetime %d is not a number of seconds from 1 to %d", f.maxLifetime, int64(tokens.MaxUnixSeconds))
	}
	presented.MaxLifetime = time.Duration(f.maxLifetime) * time.Second
	keys, err := f.keys(c, scheme)
	if err != nil {
		return tokens.Explanation{}, err
	}
	now := time.Now()
	if cmd.Flags().Changed("now") {
		now = time.Unix(f.now, 0)
	}
	return scheme.Explain(presented, now, keys...), nil
}

// keys returns the one key that was given, or none.
func (f *explainFlags) keys(c *common, scheme tokens.Scheme) ([]tokens.Key, error) {
	if f.keyFile == "" {
		return nil, nil
	}
	text, err := c.readInput(f.keyFile, maxSecretFile)
	if err != nil {
		return nil, err
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if scheme.Name() == schemes.QencodeJWT && isPublicPEM(secret) {
		key, err := qencode.NewVerifyKey(f.kid, []byte(secret))
		return []tokens.Key{key}, err
	}
	key, err := scheme.Prepare(tokens.Material{ID: f.kid, Secret: tokens.NewSecret([]byte(secret)), AllowShort: true})
	return []tokens.Key{key}, err
}

// ask lets the service explain.
func (f *explainFlags) ask(ctx context.Context, c *common, token string) (tokens.Explanation, error) {
	var out tokens.Explanation
	err := c.call(ctx, func(ctx context.Context, api client) error {
		answer, err := api.tokens.ExplainToken(ctx, &tokensvcv1.ExplainTokenRequest{
			Token: token, TargetId: f.target, Resource: f.resource, ClientIp: f.clientIP,
		})
		if err != nil {
			return err
		}
		out.Scheme = answer.GetScheme()
		for _, field := range answer.GetFields() {
			out.Fields = append(out.Fields, tokens.Field{Name: field.GetName(), Value: field.GetValue(), Note: field.GetNote()})
		}
		for _, check := range answer.GetChecks() {
			out.Checks = append(out.Checks, tokens.Check{
				Name: check.GetName(), Outcome: tokens.Outcome(label(check.GetOutcome().String(), "CHECK_OUTCOME_")),
				Reason: tokens.Reason(check.GetReason()), Message: check.GetMessage(),
			})
		}
		return nil
	})
	return out, err
}

func printExplanation(w io.Writer, e *tokens.Explanation) error {
	if err := fields(w, "scheme", e.Scheme); err != nil {
		return err
	}
	if len(e.Fields) > 0 {
		rows := [][]string{{"\nFIELD", "VALUE", "NOTE"}}
		for _, f := range e.Fields {
			rows = append(rows, []string{printable(f.Name), printable(f.Value), printable(f.Note)})
		}
		if err := table(w, rows); err != nil {
			return err
		}
	}
	rows := [][]string{{"\nCHECK", "OUTCOME", "REASON", "MESSAGE"}}
	for _, k := range e.Checks {
		rows = append(rows, []string{k.Name, strings.ReplaceAll(string(k.Outcome), "_", " "), string(k.Reason), printable(k.Message)})
	}
	return table(w, rows)
}

// printable quotes text of a stranger's token that would move the cursor or the columns.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
