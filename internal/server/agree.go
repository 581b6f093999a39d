package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"

	"github.com/tokensvc/tokensvc/tokens"
)

// agree refuses a body that names another object than the path does. Left alone, the path would win in
// silence.
func agree(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		if r.ContentLength == 0 || len(params) == 0 {
			next(w, r, params)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			writeError(w, r, statusOf(codes.InvalidArgument, tokens.InvalidArgument, "the body could not be read to its end"))
			return
		}
		for param, value := range params {
			name := param[strings.LastIndexByte(param, '.')+1:]
			if said := member(body, name); said != "" && said != value {
				message := fmt.Sprintf("%q in the body differs from the path; leave it out of the body", name)
				writeError(w, r, statusOf(codes.InvalidArgument, tokens.InvalidArgument, message))
				return
			}
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next(w, r, params)
	}
}

// member returns the text or number that a JSON object has under a field's name or its JSON name, or "".
func member(body []byte, name string) string {
	names := []string{name, camel(name)}
	if !bytes.Contains(body, []byte(`"`+names[0]+`"`)) && !bytes.Contains(body, []byte(`"`+names[1]+`"`)) {
		return ""
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return "" // whoever decodes the message says what is wrong with it
	}
	for _, n := range names {
		raw, ok := members[n]
		if !ok || string(raw) == "null" {
			continue
		}
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return string(raw)
		}
		return text
	}
	return ""
}

// camel turns a field's name into its JSON name.
func camel(name string) string {
	first, rest, ok := strings.Cut(name, "_")
	if !ok || rest == "" {
		return name
	}
	return first + strings.ToUpper(rest[:1]) + rest[1:]
}
