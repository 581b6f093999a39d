package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// strictJSON reads and writes messages with the field names of the .proto files. It refuses unknown
// members, repeated members and whatever stands behind the message. Its errors name fields, never
// values: a value may be a secret in the wrong place.
type strictJSON struct{ *runtime.JSONPb }

func newStrictJSON() *strictJSON {
	return &strictJSON{&runtime.JSONPb{
		MarshalOptions:   protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true},
		UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: false},
	}}
}

// NewDecoder implements runtime.Marshaler.
func (j *strictJSON) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		body, err := io.ReadAll(r)
		if err != nil {
			return errors.New("the body could not be read to its end")
		}
		if len(bytes.TrimSpace(body)) == 0 {
			return io.EOF // an absent body, which the gateway takes for an empty message
		}
		return j.Unmarshal(body, v)
	})
}

// Unmarshal implements runtime.Marshaler.
func (j *strictJSON) Unmarshal(body []byte, v any) error {
	if m, ok := v.(proto.Message); ok {
		if err := j.UnmarshalOptions.Unmarshal(body, m); err != nil {
			return describeJSON(err)
		}
		return nil
	}
	// The message that a method's body names is read by the gateway, which stops at its end.
	if !json.Valid(body) {
		return errors.New("the body: not a valid JSON message for this call")
	}
	if err := j.JSONPb.Unmarshal(body, v); err != nil {
		return describeJSON(err)
	}
	return nil
}

// describeJSON says what is wrong with a body without repeating any value of it.
func describeJSON(err error) error {
	text := err.Error()
	at := "the body"
	if line := between(text, "(line ", ")"); line != "" {
		at = "line " + line
	}
	if name := between(text, `unknown field "`, `"`); name != "" {
		return fmt.Errorf("%s: unknown field %q; /openapi.json lists the fields", at, name)
	}
	if name := between(text, `duplicate field "`, `"`); name != "" {
		return fmt.Errorf("%s: field %q is there twice", at, name)
	}
	if _, rest, ok := strings.Cut(text, "invalid value for "); ok {
		if name := between(rest+":", " field ", ":"); name != "" {
			return fmt.Errorf("%s: invalid value for field %q; bytes are base64, durations look like \"60s\", times like \"2026-12-24T20:00:00Z\"", at, name)
		}
	}
	switch {
	case strings.Contains(text, "google.protobuf.Timestamp value"):
		return fmt.Errorf("%s: not a time like \"2026-12-24T20:00:00Z\", with at most 9 decimals, until the year 9999", at)
	case strings.Contains(text, "google.protobuf.Duration value"):
		return fmt.Errorf("%s: not a duration like \"60s\", in seconds, with at most 9 decimals", at)
	case strings.Contains(text, "unexpected token"):
		return fmt.Errorf("%s: not the kind of JSON value that stands here; durations look like \"60s\", times like \"2026-12-24T20:00:00Z\", and /openapi.json lists the fields", at)
	default:
		return fmt.Errorf("%s: not a valid JSON message for this call", at)
	}
}

// describeParameters says which parameter of a path or query is wrong, where the gateway's own text
// would repeat its value in the words of package strconv.
func describeParameters(s *status.Status) *status.Status {
	if s.Code() != codes.InvalidArgument || reasonIn(s) != "" {
		return s
	}
	for before, after := range map[string]string{"type mismatch, parameter: ": ",", `parsing field "`: `"`} {
		if name := between(s.Message(), before, after); name != "" {
			return status.Newf(codes.InvalidArgument, "invalid value for parameter %q", name)
		}
	}
	return s
}

// between returns what stands in text behind before and in front of after, if it is a short name or
// position: anything else could be a value.
func between(text, before, after string) string {
	_, rest, ok := strings.Cut(text, before)
	if !ok {
		return ""
	}
	name, _, ok := strings.Cut(rest, after)
	if !ok || !plainName(name) {
		return ""
	}
	return name
}

// plainName reports whether a text looks like a short name or position.
func plainName(text string) bool {
	return len(text) <= 64 && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '.' && r != ':'
	})
}
