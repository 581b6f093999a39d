package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tokensvc/tokensvc/internal/offline"
)

// maxSecretFile bounds a file with a secret or a key, in bytes.
const maxSecretFile = 64 << 10

// lineInput makes one line of JSON input from flags, so that flags and lines go the same way.
type lineInput struct {
	c   *common
	cmd *cobra.Command
	// fills puts the flags that were given into the line.
	fills []func(lineObject) error
	// stdin names the flag that reads stdin.
	stdin string
}

// lineObject is a line in the making. Members of fields have names with "fields." in front.
type lineObject map[string]any

func (o lineObject) put(member string, value any) {
	inner, found := strings.CutPrefix(member, "fields.")
	if !found {
		o[member] = value
		return
	}
	fields, ok := o["fields"].(map[string]any)
	if !ok {
		fields = map[string]any{}
		o["fields"] = fields
	}
	fields[inner] = value
}

// given adds fn, which runs when the flag is on the command line.
func (in *lineInput) given(flag string, fn func(lineObject) error) {
	in.fills = append(in.fills, func(o lineObject) error {
		if !in.cmd.Flags().Changed(flag) {
			return nil
		}
		return fn(o)
	})
}

func (in *lineInput) text(flag, member, usage string) {
	value := in.cmd.Flags().String(flag, "", usage)
	in.given(flag, func(o lineObject) error { o.put(member, *value); return nil })
}

func (in *lineInput) seconds(flag, member, usage string) {
	value := in.cmd.Flags().Int64(flag, 0, usage)
	in.given(flag, func(o lineObject) error { o.put(member, *value); return nil })
}

func (in *lineInput) truth(flag, member, usage string) {
	value := in.cmd.Flags().Bool(flag, false, usage)
	in.given(flag, func(o lineObject) error { o.put(member, *value); return nil })
}

// secret is a flag that names a file. The line end of the file does not count.
func (in *lineInput) secret(flag, usage string, put func(o lineObject, text string)) {
	file := in.cmd.Flags().String(flag, "", usage+" (- reads stdin)")
	in.given(flag, func(o lineObject) error {
		if *file == "-" {
			if in.stdin != "" {
				return usageError("--%s and --%s cannot both read stdin", in.stdin, flag)
			}
			in.stdin = flag
		}
		text, err := in.c.readInput(*file, maxSecretFile)
		if err != nil {
			return fmt.Errorf("--%s: %w", flag, err)
		}
		put(o, strings.TrimRight(string(text), "\r\n"))
		return nil
	})
}

func (in *lineInput) secretText(flag, member, usage string) {
	in.secret(flag, usage, func(o lineObject, text string) { o.put(member, text) })
}

// json returns the line. Flags in required must have been given.
func (in *lineInput) json(required ...string) ([]byte, error) {
	for _, flag := range required {
		if !in.cmd.Flags().Changed(flag) {
			return nil, usageError("--%s is required; or give JSON lines with --jsonl", flag)
		}
	}
	line := lineObject{}
	for _, fill := range in.fills {
		if err := fill(line); err != nil {
			return nil, err
		}
	}
	return json.Marshal(line)
}

// claims writes NAME=VALUE pairs as a JSON object in their order. Values are text.
func claims(pairs []string) (json.RawMessage, error) {
	members := make([]string, 0, len(pairs))
	for _, pair := range pairs {
		name, value, found := strings.Cut(pair, "=")
		if !found || name == "" {
			return nil, usageError("--claim is NAME=VALUE, not %q", pair)
		}
		text, err := json.Marshal([]string{name, value})
		if err != nil {
			return nil, err
		}
		var quoted []json.RawMessage
		if err := json.Unmarshal(text, &quoted); err != nil {
			return nil, err
		}
		members = append(members, string(quoted[0])+":"+string(quoted[1]))
	}
	return json.RawMessage("{" + strings.Join(members, ",") + "}"), nil
}

// printLine writes a value as one line of JSON, as the stream does.
func (c *common) printLine(v any) error {
	e := json.NewEncoder(c.sys.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// streamFlags are the flags of `token` and `verify` that choose door and form.
type streamFlags struct{ jsonl, compat bool }

func (s *streamFlags) bind(cmd *cobra.Command, compat string) {
	cmd.PersistentFlags().BoolVar(&s.jsonl, "jsonl", false, "read one JSON object a line on stdin and answer each with a line (docs/token-jsonl.md)")
	cmd.PersistentFlags().BoolVar(&s.compat, "compat", false, compat)
}

// only refuses flags and arguments beside --jsonl.
func (s *streamFlags) only(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError("--jsonl takes everything from the lines; leave out %q", args[0])
	}
	var err error
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Changed && err == nil {
			err = usageError("--jsonl takes everything from the lines; leave out --%s", f.Name)
		}
	})
	return err
}

// streamed gives a stream its exit code: usage where a line was no JSON object.
func streamed(tally offline.Tally, err error) error {
	switch {
	case err != nil:
		return err
	case tally.NotObjects > 0:
		return usageError("%d of %d lines were not JSON objects", tally.NotObjects, tally.Lines)
	default:
		return nil
	}
}
