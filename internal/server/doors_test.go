package server_test

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/api/annotations"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/server"
	"github.com/tokensvc/tokensvc/tokens"
)

// outcome is what a call returned through either door: a message, or a status.
type outcome struct {
	message proto.Message
	status  *statuspb.Status
	http    int // 0 over gRPC
}

// reason returns the reason of a refusal, or "".
func (o outcome) reason(t *testing.T) tokens.Reason {
	t.Helper()
	if o.status == nil {
		return ""
	}
	return reasonOf(t, status.FromProto(o.status).Err())
}

// methods lists every RPC of the API by its name.
func methods() map[string]protoreflect.MethodDescriptor {
	all := map[string]protoreflect.MethodDescriptor{}
	for _, file := range []protoreflect.FileDescriptor{
		tokensvcv1.File_tokensvc_v1_playback_service_proto, tokensvcv1.File_tokensvc_v1_token_service_proto, tokensvcv1.File_tokensvc_v1_key_service_proto,
		tokensvcv1.File_tokensvc_v1_entitlement_service_proto, tokensvcv1.File_tokensvc_v1_session_service_proto,
	} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				m := service.Methods().Get(j)
				all[string(m.Name())] = m
			}
		}
	}
	return all
}

// methodOf returns the RPC that takes the request; each has a request message of its own.
func methodOf(t *testing.T, request proto.Message) protoreflect.MethodDescriptor {
	t.Helper()
	name := strings.TrimSuffix(string(request.ProtoReflect().Descriptor().Name()), "Request")
	m := methods()[name]
	if m == nil {
		t.Fatalf("no method takes a %T", request)
	}
	return m
}

func responseOf(t *testing.T, m protoreflect.MethodDescriptor) proto.Message {
	t.Helper()
	kind, err := protoregistry.GlobalTypes.FindMessageByName(m.Output().FullName())
	if err != nil {
		t.Fatal(err)
	}
	return kind.New().Interface()
}

// overGRPC calls the RPC that takes the request.
func (e *service) overGRPC(t *testing.T, request proto.Message) outcome {
	t.Helper()
	m := methodOf(t, request)
	reply := responseOf(t, m)
	if err := e.conn.Invoke(t.Context(), fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()), request, reply); err != nil {
		return outcome{status: status.Convert(err).Proto()}
	}
	return outcome{message: reply}
}

// overHTTP makes the same call through the gateway.
func (e *service) overHTTP(t *testing.T, request proto.Message) outcome {
	t.Helper()
	method, path, body, err := transcode(methodOf(t, request), request)
	if err != nil {
		t.Fatal(err)
	}
	return e.decode(t, request, e.do(t, method, path, body))
}

func (e *service) decode(t *testing.T, request proto.Message, a answer) outcome {
	t.Helper()
	if a.code == 200 {
		reply := responseOf(t, methodOf(t, request))
		if err := protojson.Unmarshal(a.body, reply); err != nil {
			t.Errorf("answer %s: %v", a.body, err)
		}
		return outcome{message: reply, http: a.code}
	}
	s := &statuspb.Status{}
	if err := protojson.Unmarshal(a.body, s); err != nil {
		t.Errorf("HTTP %d is no google.rpc.Status: %v\n%s", a.code, err, a.body)
	}
	return outcome{status: s, http: a.code}
}

var parameter = regexp.MustCompile(`\{([a-z_.]+)\}`)

// transcode writes a request as google.api.http says. Requests that JSON cannot express are an error.
func transcode(m protoreflect.MethodDescriptor, request proto.Message) (method, path string, body []byte, err error) {
	rule, ok := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok {
		return "", "", nil, fmt.Errorf("%s has no HTTP mapping", m.FullName())
	}
	rest := proto.Clone(request).ProtoReflect()
	switch {
	case rule.GetGet() != "":
		method, path = "GET", rule.GetGet()
	case rule.GetDelete() != "":
		method, path = "DELETE", rule.GetDelete()
	case rule.GetPatch() != "":
		method, path = "PATCH", rule.GetPatch()
	case rule.GetPut() != "":
		method, path = "PUT", rule.GetPut()
	default:
		method, path = "POST", rule.GetPost()
	}
	path = parameter.ReplaceAllStringFunc(path, func(name string) string { return url.PathEscape(take(rest, strings.Trim(name, "{}"))) })
	options := protojson.MarshalOptions{UseProtoNames: true}
	switch rule.GetBody() {
	case "":
	case "*":
		body, err = options.Marshal(rest.Interface())
		return method, path, body, err
	default:
		field := rest.Descriptor().Fields().ByName(protoreflect.Name(rule.GetBody()))
		body = []byte{} // an absent message
		if rest.Has(field) {
			body, err = options.Marshal(rest.Get(field).Message().Interface())
			rest.Clear(field)
		}
	}
	query := url.Values{}
	rest.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		text := v.String()
		if field.Kind() == protoreflect.MessageKind {
			mask, _ := v.Message().Interface().(*fieldmaskpb.FieldMask)
			text = strings.Join(mask.GetPaths(), ",")
		}
		query.Set(string(field.Name()), text)
		return true
	})
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return method, path, body, err
}

// take removes a field, whose name may reach into messages, and returns it as text.
func take(m protoreflect.Message, path string) string {
	first, rest, deep := strings.Cut(path, ".")
	field := m.Descriptor().Fields().ByName(protoreflect.Name(first))
	if deep {
		if !m.Has(field) {
			return ""
		}
		return take(m.Mutable(field).Message(), rest)
	}
	text := m.Get(field).String()
	m.Clear(field)
	return text
}

// same fails the test unless both doors gave the same answer, under the HTTP status that belongs to it.
func same(t *testing.T, what string, grpc, http outcome) {
	t.Helper()
	if grpc.message != nil && http.message != nil {
		if diff := cmp.Diff(grpc.message, http.message, protocmp.Transform(), refreshApart()); diff != "" {
			t.Errorf("%s: gRPC and HTTP answer differently (-gRPC +HTTP):\n%s", what, diff)
		}
		return
	}
	if diff := cmp.Diff(grpc.status, http.status, protocmp.Transform()); diff != "" {
		t.Errorf("%s: gRPC and HTTP answer differently (-gRPC +HTTP):\n%s\ngRPC %v %v\nHTTP %v %v", what, diff, grpc.message, grpc.status, http.message, http.status)
		return
	}
	if want := server.HTTPStatusOf(grpc.reason(t)); http.http != want {
		t.Errorf("%s: HTTP status %d for %v, want %d", what, http.http, grpc.status, want)
	}
}

// refreshApart leaves out the one field that is meant to differ: refresh_after has jitter.
func refreshApart() cmp.Option {
	return protocmp.IgnoreFields(&tokensvcv1.Credential{}, "refresh_after")
}

// both makes one call through each door of a service and returns the answer. It is for calls that
// change nothing, or that may run twice.
func (e *service) both(t *testing.T, request proto.Message) outcome {
	t.Helper()
	grpc := e.overGRPC(t, request)
	http := e.overHTTP(t, request)
	same(t, fmt.Sprintf("%T", request), grpc, http)
	return grpc
}

func contains(body []byte, texts ...string) bool {
	for _, text := range texts {
		if !bytes.Contains(body, []byte(text)) {
			return false
		}
	}
	return true
}
