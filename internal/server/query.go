package server

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/tokens"
)

// knownQuery refuses parameters of the query that the call does not have. Left alone, the gateway would ignore them,
// and a filter with a typo would list everything.
func knownQuery() runtime.Middleware {
	calls := httpCalls()
	return func(next runtime.HandlerFunc) runtime.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
			if r.URL.RawQuery != "" {
				pattern, _ := runtime.HTTPPattern(r.Context())
				if call, ok := calls[r.Method+" "+pattern.String()]; ok {
					for name := range r.URL.Query() {
						if message := call.fault(name); message != "" {
							writeError(w, r, statusOf(codes.InvalidArgument, tokens.InvalidArgument, message))
							return
						}
					}
				}
			}
			next(w, r, params)
		}
	}
}

// httpCall is an RPC as HTTP sees it.
type httpCall struct {
	input protoreflect.MessageDescriptor
	// body is the field that the body holds: "*" for all, "" for none.
	body string
}

// httpCalls returns the RPCs of the API by method and path, as runtime.Pattern writes them.
func httpCalls() map[string]httpCall {
	calls := map[string]httpCall{}
	protoregistry.GlobalFiles.RangeFilesByPackage(tokensvcv1.File_tokensvc_v1_playback_service_proto.Package(), func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				if rule, ok := proto.GetExtension(methods.Get(j).Options(), annotations.E_Http).(*annotations.HttpRule); ok {
					calls[routeOf(rule)] = httpCall{input: methods.Get(j).Input(), body: rule.GetBody()}
				}
			}
		}
		return true
	})
	return calls
}

func routeOf(rule *annotations.HttpRule) string {
	var route string
	switch {
	case rule.GetGet() != "":
		route = "GET " + rule.GetGet()
	case rule.GetDelete() != "":
		route = "DELETE " + rule.GetDelete()
	case rule.GetPatch() != "":
		route = "PATCH " + rule.GetPatch()
	case rule.GetPut() != "":
		route = "PUT " + rule.GetPut()
	default:
		route = "POST " + rule.GetPost()
	}
	return strings.ReplaceAll(route, "}", "=*}")
}

// fault says what is wrong with a parameter of this name, or "".
func (c httpCall) fault(name string) string {
	if c.body == "*" {
		return "this call takes no parameters in the query; send them in the body"
	}
	first, _, _ := strings.Cut(name, ".")
	field := c.input.Fields().ByName(protoreflect.Name(first))
	if field == nil {
		field = c.input.Fields().ByJSONName(first)
	}
	switch {
	case field != nil && string(field.Name()) != c.body:
		return ""
	case plainName(name):
		return fmt.Sprintf("unknown parameter %q in the query; /openapi.json lists those of each call", name)
	default: // it could be a value in the wrong place
		return "unknown parameter in the query; /openapi.json lists those of each call"
	}
}
