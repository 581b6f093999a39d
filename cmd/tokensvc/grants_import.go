package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/tokens"
)

// Bounds of an import: what is in memory is the batches on their way.
const (
	importBatch    = 1000      // lines in a call
	importBytes    = 256 << 10 // text in a call
	importInFlight = 4         // calls at once
	importAhead    = 8         // batches read and not reported
	importTries    = 6
)

func newGrantsImport(c *common) *cobra.Command {
	var format, rejects string
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Add grants from CSV or JSON lines",
		Long: "Import adds a grant for each line, by batches of 1,000. A line that is refused does not stop the others; it\n" +
			"is reported with its number and the reason, and the command ends with exit code 1.\n\n" +
			"The first line of CSV names its columns, in any order: viewer, and playback or product; and as you need them\n" +
			"start, end (like 2026-12-24T20:00:00Z), max_plays, max_sessions, max_devices, countries, networks (separated\n" +
			"by spaces or semicolons), order, idempotency_key. A record is one line. JSON lines have members of the same\n" +
			"names; countries and networks are arrays of text.\n\n" +
			"An import can be repeated: a line without an idempotency_key gets one made of all that stands in it, so that\n" +
			"two equal lines make one grant. What is there already is counted and left as it is.",
		Example: "  tokensvc grants import purchases.csv --rejects refused.jsonl\n  export-purchases | tokensvc grants import - --format jsonl",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, size, err := c.openImport(args[0])
			if err != nil {
				return err
			}
			defer in.Close() //nolint:errcheck // only read from
			if format == "" {
				format = formatOf(args[0])
			}
			if format != "csv" && format != "jsonl" {
				return usageError("--format is csv or jsonl, not %q", format)
			}
			report, err := newImportReport(c, rejects, size)
			if err != nil {
				return err
			}
			lines := newGrantLines(in, format == "csv")
			err = c.connected(func(api client) error { return c.importGrants(cmd.Context(), api, lines, report) })
			return errors.Join(err, report.close(err == nil))
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "csv or jsonl (default: by the name of the file, else csv)")
	cmd.Flags().StringVar(&rejects, "rejects", "", "write refused lines to this file, a JSON object each: line, reason, message, text")
	return cmd
}

// openImport opens a file, or stdin for "-", and returns its size, or 0.
func (c *common) openImport(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		endOnSignal()
		return io.NopCloser(c.sys.in), 0, nil
	}
	f, err := os.Open(name) //nolint:gosec // the caller's own file, named on the command line
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

func formatOf(name string) string {
	if strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".ndjson") {
		return "jsonl"
	}
	return "csv"
}

// importPart is the lines of one call, and what became of them.
type importPart struct {
	lines    []grantLine
	read     int64 // bytes of the input up to its end
	outcomes []*tokensvcv1.GrantOutcome
	done     chan struct{}
}

// importGrants reads, calls and reports at once. Parts are reported in the order of the input.
func (c *common) importGrants(ctx context.Context, api client, lines *grantLines, report *importReport) error {
	group, ctx := errgroup.WithContext(ctx)
	calls := make(chan *importPart)
	ordered := make(chan *importPart, importAhead)
	group.Go(func() error {
		defer close(calls)
		defer close(ordered)
		return cutParts(ctx, lines, calls, ordered)
	})
	for range importInFlight {
		group.Go(func() error {
			for part := range calls {
				if err := c.importPart(ctx, api, part); err != nil {
					return err
				}
				close(part.done)
			}
			return nil
		})
	}
	group.Go(func() error {
		for part := range ordered {
			select {
			case <-part.done:
				if err := report.add(part); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// cutParts reads the input to its end.
func cutParts(ctx context.Context, lines *grantLines, calls, ordered chan<- *importPart) error {
	for {
		part := &importPart{done: make(chan struct{})}
		more := true
		for size := 0; len(part.lines) < importBatch && size < importBytes; {
			line, err := lines.next()
			if errors.Is(err, io.EOF) {
				more = false
				break
			}
			if err != nil {
				return err
			}
			part.lines = append(part.lines, line)
			size += len(line.text)
		}
		part.read = lines.read
		if len(part.lines) > 0 {
			for _, to := range []chan<- *importPart{ordered, calls} {
				select {
				case to <- part:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		if !more {
			return nil
		}
	}
}

// importPart makes the call for a part. It tries again where that may help: the keys see to it that nothing
// is made twice.
func (c *common) importPart(ctx context.Context, api client, part *importPart) error {
	request := &tokensvcv1.BatchCreateGrantsRequest{}
	for i := range part.lines {
		if part.lines[i].request != nil {
			request.Requests = append(request.Requests, part.lines[i].request)
		}
	}
	if len(request.GetRequests()) == 0 {
		return nil
	}
	for try := 1; ; try++ {
		answer, err := c.createGrants(ctx, api, request)
		if err == nil {
			part.outcomes = answer.GetOutcomes()
			return nil
		}
		if !passes(err) || try == importTries {
			return fmt.Errorf("stopped at line %d; import the file again, what is there already is not made twice: %w", part.lines[0].number, err)
		}
		wait := time.NewTimer(time.Duration(1<<try) * 100 * time.Millisecond)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
	}
}

func (c *common) createGrants(ctx context.Context, api client, request *tokensvcv1.BatchCreateGrantsRequest) (*tokensvcv1.BatchCreateGrantsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := api.grants.BatchCreateGrants(ctx, request)
	if err == nil && len(answer.GetOutcomes()) != len(request.GetRequests()) {
		return nil, fmt.Errorf("the service answered %d of %d grants", len(answer.GetOutcomes()), len(request.GetRequests()))
	}
	return answer, err
}

// passes reports whether a failure may pass by itself.
func passes(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.Aborted, codes.ResourceExhausted, codes.DeadlineExceeded:
		return true
	default:
		return false
	}
}

// importReport counts what became of lines, and tells of those that were refused.
type importReport struct {
	c        *common
	file     *os.File // nil without --rejects
	rejects  *bufio.Writer
	progress importProgress

	Lines    int `json:"lines"`
	Created  int `json:"created"`
	Repeated int `json:"repeated"`
	Refused  int `json:"refused"`
}

// shownRefusals is how many refused lines stderr shows where a file takes all.
const shownRefusals = 20

func newImportReport(c *common, rejects string, size int64) (*importReport, error) {
	r := &importReport{c: c, progress: importProgress{w: c.sys.err, size: size, live: isTerminal(c.sys.err) && c.sys.getenv("TERM") != "dumb"}}
	if rejects == "" {
		return r, nil
	}
	f, err := os.OpenFile(rejects, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // the caller names the file
	if err != nil {
		return nil, fmt.Errorf("--rejects: %w", err)
	}
	r.file, r.rejects = f, bufio.NewWriter(f)
	return r, nil
}

// add takes a part that is done.
func (r *importReport) add(part *importPart) error {
	next := 0
	for i := range part.lines {
		line := &part.lines[i]
		r.Lines++
		if line.request == nil {
			if err := r.refuse(line, string(tokens.Malformed), line.fault.Error()); err != nil {
				return err
			}
			continue
		}
		outcome := part.outcomes[next]
		next++
		switch {
		case outcome.GetError() != nil:
			reason, message := explainError(status.FromProto(outcome.GetError()).Err())
			if err := r.refuse(line, reason, message); err != nil {
				return err
			}
		case outcome.GetRepeatedCall():
			r.Repeated++
		default:
			r.Created++
		}
	}
	return r.progress.show(r, part.read, time.Now())
}

func (r *importReport) refuse(line *grantLine, reason, message string) error {
	r.Refused++
	if r.rejects != nil {
		e := json.NewEncoder(r.rejects)
		e.SetEscapeHTML(false)
		refused := struct {
			Line    int    `json:"line"`
			Reason  string `json:"reason"`
			Message string `json:"message"`
			Text    string `json:"text"`
		}{line.number, reason, message, line.text}
		if err := e.Encode(refused); err != nil {
			return fmt.Errorf("--rejects: %w", err)
		}
		if r.Refused > shownRefusals {
			return nil
		}
	}
	if err := r.progress.clear(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(r.c.sys.err, "line %d: %s: %s: %q\n", line.number, reason, message, tokens.Clip(line.text))
	return err
}

// close prints the counts of an import that came to its end. Refused lines make the command fail.
func (r *importReport) close(ended bool) error {
	err := r.progress.clear()
	if r.file != nil {
		err = errors.Join(err, r.rejects.Flush(), r.file.Close())
		if r.Refused > shownRefusals {
			_, shown := fmt.Fprintf(r.c.sys.err, "%d refused lines in all; %s has them\n", r.Refused, r.file.Name())
			err = errors.Join(err, shown)
		}
	}
	switch {
	case err != nil:
		return err
	case r.c.output == "json":
		err = r.c.printJSON(r)
	default:
		_, err = fmt.Fprintf(r.c.sys.out, "%d grants created, %d there already, %d lines refused\n", r.Created, r.Repeated, r.Refused)
	}
	if err == nil && ended && r.Refused > 0 {
		return &exitError{code: exitFailed}
	}
	return err
}
