package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

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
	at := first(regexp.MustCompile(`\((line \d+:\d+)\)`), text)
	if at == "" {
		at = "the body"
	}
	if name := first(regexp.MustCompile(`unknown field "([a-zA-Z0-9_.]{1,64})"`), text); name != "" {
		return fmt.Errorf("%s: unknown field %q; /openapi.json lists the fields", at, name)
	}
	if name := first(regexp.MustCompile(`duplicate field "([a-zA-Z0-9_.]{1,64})"`), text); name != "" {
		return fmt.Errorf("%s: field %q is there twice", at, name)
	}
	if name := first(regexp.MustCompile(`invalid value for [a-z0-9]+ field ([a-zA-Z0-9_]{1,64})`), text); name != "" {
		return fmt.Errorf("%s: invalid value for field %q; bytes are base64, durations look like \"60s\", times like \"2026-12-24T20:00:00Z\"", at, name)
	}
	return fmt.Errorf("%s: not a valid JSON message for this call", at)
}

// describeParameters says which parameter of a path or query is wrong, where the gateway's own text
// would repeat its value in the words of package strconv.
func describeParameters(s *status.Status) *status.Status {
	if s.Code() != codes.InvalidArgument || reasonIn(s) != "" {
		return s
	}
	for _, pattern := range []string{`^type mismatch, parameter: ([a-z_.]+),`, `^parsing field "([a-z_.]+)"`} {
		if name := first(regexp.MustCompile(pattern), s.Message()); name != "" {
			return status.Newf(codes.InvalidArgument, "invalid value for parameter %q", name)
		}
	}
	return s
}

// first returns the first group of the first match, or "".
func first(pattern *regexp.Regexp, text string) string {
	if m := pattern.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}
