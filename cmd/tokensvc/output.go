package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// print writes a message as JSON, or as the text that fn writes.
func (c *common) print(m proto.Message, fn func(io.Writer) error) error {
	if c.output == "text" {
		return fn(c.sys.out)
	}
	raw, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return err
	}
	var out bytes.Buffer // protojson varies its white space on purpose
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.sys.out, out.String())
	return err
}

// printJSON writes a value that is no message.
func (c *common) printJSON(v any) error {
	e := json.NewEncoder(c.sys.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table writes rows in aligned columns, the first row being the head.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t ")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// fields writes names and values, leaving empty values out.
func fields(w io.Writer, pairs ...string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(t, "%s\t%s\n", pairs[i], pairs[i+1]); err != nil {
			return err
		}
	}
	return t.Flush()
}

func instant(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Format(time.RFC3339)
}

func span(d *durationpb.Duration) string {
	if d == nil {
		return ""
	}
	return d.AsDuration().String()
}

// label turns an enum's name into its word: KEY_STATE_ACTIVE into "active".
func label(name, prefix string) string {
	return strings.ToLower(strings.TrimPrefix(name, prefix))
}
