package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

func newSign(c *common) *cobra.Command {
	var (
		request tokensvcv1.SignPlaybackRequest
		ttl     time.Duration
		check   bool
		who     viewingFlags
	)
	cmd := &cobra.Command{
		Use:   "sign PLAYBACK --viewer VIEWER",
		Short: "Sign a playback for a viewer and print the URL",
		Example: `  tokensvc sign big-event --viewer alice
  tokensvc sign big-event --viewer alice --ttl 10m --check
  tokensvc sign final --viewer alice --device tv --country AT`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request.Id = args[0]
			if cmd.Flags().Changed("ttl") {
				request.Ttl = durationpb.New(ttl)
			}
			request.Viewing = who.message()
			return c.call(cmd.Context(), func(ctx context.Context, api client) error {
				answer, err := api.playbacks.SignPlayback(ctx, &request)
				if err != nil {
					return err
				}
				err = c.print(answer, func(w io.Writer) error {
					return printCredential(w, answer.GetCredential(),
						"session", answer.GetSessionId(), "heartbeat", span(answer.GetHeartbeatInterval()), "grant", answer.GetGrantId())
				})
				if err != nil {
					return err
				}
				if check {
					return c.checkCredential(ctx, answer.GetCredential())
				}
				return nil
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&request.Viewer, "viewer", "", "your id for the person who watches")
	flags.DurationVar(&ttl, "ttl", 0, "lifetime of the token (default: the playback's own)")
	who.add(cmd, "your id for the device, where devices are counted")
	flags.BoolVar(&check, "check", false, "fetch the URL from its edge: the token must pass, a tampered one must not")
	_ = cmd.MarkFlagRequired("viewer") // the flag exists
	return cmd
}

// printCredential shows a credential, and behind it more names and values.
func printCredential(w io.Writer, cr *tokensvcv1.Credential, more ...string) error {
	now := cr.GetServerTime().AsTime()
	in := func(t time.Time) string { return t.Sub(now).Round(time.Second).String() }
	expires := fmt.Sprintf("%s (in %s)", instant(cr.GetExpiresAt()), in(cr.GetExpiresAt().AsTime()))
	if cr.GetClamped() {
		expires += ", earlier than asked: a cut of the key is scheduled"
	}
	url := cr.GetUrl()
	if url == "" {
		url = cr.GetToken()
	}
	return fields(w, append([]string{
		"url", url,
		"expires", expires,
		"refresh", fmt.Sprintf("%s (in %s)", instant(cr.GetRefreshAfter()), in(cr.GetRefreshAfter().AsTime())),
		"key", cr.GetKey(),
	}, more...)...)
}

// checkCredential fetches the signed URL and a copy with one character of the token changed.
func (c *common) checkCredential(ctx context.Context, cr *tokensvcv1.Credential) error {
	if !strings.HasPrefix(cr.GetUrl(), "http://") && !strings.HasPrefix(cr.GetUrl(), "https://") {
		return fmt.Errorf("--check fetches http and https only; the URL is %s", strings.SplitN(cr.GetUrl(), ":", 2)[0])
	}
	good, err := fetchStatus(ctx, cr.GetUrl())
	if err != nil {
		return err
	}
	bad, err := fetchStatus(ctx, tamper(cr.GetUrl(), cr.GetToken()))
	if err != nil {
		return err
	}
	out := c.sys.out
	if c.output == "json" {
		out = c.sys.err // stdout holds one document
	}
	if _, err := fmt.Fprintf(out, "check    good token %d, tampered token %d\n", good, bad); err != nil {
		return err
	}
	if good != http.StatusOK || bad != http.StatusForbidden {
		return fmt.Errorf("the edge should answer 200 to the token and 403 to the tampered one")
	}
	return nil
}

// tamper changes the tenth character from the end of the token, which is inside every scheme's
// signature.
func tamper(url, token string) string {
	at := len(token) - 10
	if at < 0 {
		return url
	}
	replacement := byte('A')
	if token[at] == replacement {
		replacement = 'B'
	}
	changed := token[:at] + string(replacement) + token[at+1:]
	return strings.Replace(url, token, changed, 1)
}

func fetchStatus(ctx context.Context, url string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("the edge does not answer: %w", err)
	}
	return answer.StatusCode, answer.Body.Close()
}
