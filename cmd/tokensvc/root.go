package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tokensvc/tokensvc/tokens"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // refused or failed
	exitUsage  = 2
	exitDenied = 3 // a token was not accepted
)

// system is the process as the commands see it.
type system struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
}

// getenv returns the value of an environment variable, or "".
func (s system) getenv(name string) string {
	for _, pair := range slices.Backward(s.environ) {
		if v, ok := strings.CutPrefix(pair, name+"="); ok {
			return v
		}
	}
	return ""
}

// exitError ends the command with a code of its own. A nil err means that all has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, sys system) int {
	root := newRoot(sys)
	root.SetArgs(args)
	root.SetIn(sys.in)
	root.SetOut(sys.out)
	root.SetErr(sys.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	code := exitFailed
	if exit, ok := errors.AsType[*exitError](err); ok {
		code, err = exit.code, exit.err
	}
	if err != nil {
		reportError(sys.err, root, err)
	}
	return code
}

// reportError says why a command failed on stderr: a line for people, or with --output json an object
// {"error":{"reason":…,"message":…}}.
func reportError(w io.Writer, root *cobra.Command, err error) {
	server, _ := root.PersistentFlags().GetString("server")
	reason, message := unanswered(err, server)
	if message == "" {
		reason, message = explainError(err)
	}
	if output, _ := root.PersistentFlags().GetString("output"); output == "json" {
		type fault struct {
			Reason  string `json:"reason,omitempty"`
			Message string `json:"message"`
		}
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		_ = e.Encode(map[string]fault{"error": {reason, message}}) // nowhere else to say it
		return
	}
	if reason != "" {
		message = reason + ": " + message
	}
	_, _ = fmt.Fprintf(w, "tokensvc: %s\n", message) // nowhere else to say it
}

// explainError returns an error's reason, where it has one, and its text, with what to do where that is
// known.
func explainError(err error) (reason, message string) {
	// status.FromError would put the text of all that wraps the status into its message.
	var answer interface{ GRPCStatus() *status.Status }
	if errors.As(err, &answer) {
		s := answer.GRPCStatus()
		return reasonIn(s), s.Message()
	}
	return string(tokens.ReasonOf(err)), err.Error()
}

// unanswered explains the error of a call that the service did not answer; message is "" for any other.
func unanswered(err error, server string) (reason, message string) {
	var answer interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &answer) || reasonIn(answer.GRPCStatus()) != "" {
		return "", ""
	}
	switch s := answer.GRPCStatus(); s.Code() {
	case codes.Unavailable:
		return string(tokens.Unavailable), "no tokensvc answers at " + server +
			"; start one with `tokensvc dev` or `tokensvc serve`, or name HOST:PORT of its gRPC listener with --server (" + s.Message() + ")"
	case codes.DeadlineExceeded:
		return string(tokens.Timeout), "no answer from " + server + " within --timeout; allow more, and see what holds before you repeat a change"
	default:
		return "", ""
	}
}

// reasonIn returns the reason of a status, or "".
func reasonIn(s *status.Status) string {
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// common holds the flags that every command has.
type common struct {
	sys     system
	server  string
	output  string
	timeout time.Duration
}

func newRoot(sys system) *cobra.Command {
	c := &common{sys: sys}
	root := &cobra.Command{
		Use:           "tokensvc",
		Short:         "Sign playback URLs, keep their keys, explain refusals",
		Long:          "tokensvc decides who may play, signs the playback URL, and keeps the keys.\n\nStart with `tokensvc dev`: a service, a verifying edge and a playing stream in one process.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if c.output != "text" && c.output != "json" {
				return usageError("--output is text or json, not %q", c.output)
			}
			if err := errors.Join(cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups()); err != nil {
				return usageError("%w\nusage: %s", err, cmd.UseLine())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	defaultServer := sys.getenv("TOKENSVC_SERVER")
	if defaultServer == "" {
		defaultServer = "127.0.0.1:9090"
	}
	flags := root.PersistentFlags()
	flags.StringVar(&c.server, "server", defaultServer, "address of the service's gRPC listener (environment: TOKENSVC_SERVER)")
	flags.StringVarP(&c.output, "output", "o", "text", "text or json")
	flags.DurationVar(&c.timeout, "timeout", 10*time.Second, "how long a call to the service may take")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newServe(c), newSync(c), newDev(c), newSign(c), newVerify(c), newExplain(c), newToken(c),
		newPlaybacks(c), newProducts(c), newGrants(c), newSessions(c), newTargets(c), newKeys(c), newPolicy(c), newConfig(c), newMigrate(c), newVersion(c),
	)
	usageOnBadArgs(root)
	return root
}

// group is a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(subs...)
	return cmd
}

// readInput reads a file with a secret, or stdin for "-", up to limit bytes. It warns of a file that
// others can read.
func (c *common) readInput(name string, limit int64) ([]byte, error) {
	r := c.sys.in
	if name == "-" {
		endOnSignal()
	} else {
		f, err := os.Open(name) //nolint:gosec // the caller's own file, named on the command line
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // only read from
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			_, _ = fmt.Fprintf(c.sys.err, "warning: others can read %s; run chmod 600 %s\n", name, name) // a warning only
		}
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return b, nil
}
