package server

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/tokens"
)

// newGateway translates HTTP/JSON to calls of conn. JSON has the field names of the .proto files;
// unknown members and parameters are refused.
func newGateway(ctx context.Context, conn grpc.ClientConnInterface, further []Service) (*runtime.ServeMux, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newStrictJSON()),
		runtime.WithIncomingHeaderMatcher(incomingHeader),
		runtime.WithOutgoingHeaderMatcher(withhold), // arrive has sent the request id
		runtime.WithOutgoingTrailerMatcher(withhold),
		runtime.WithErrorHandler(func(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
			if md, ok := runtime.ServerMetadataFromContext(ctx); ok {
				for _, id := range md.HeaderMD.Get(requestIDHeader) {
					w.Header().Set("X-Request-Id", id)
				}
			}
			writeError(w, r, describeParameters(status.Convert(err)))
		}),
		runtime.WithRoutingErrorHandler(routingError),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithMiddlewares(knownQuery(), agree),
	)
	if err := tokensvcv1.RegisterPlaybackServiceHandlerClient(ctx, mux, tokensvcv1.NewPlaybackServiceClient(conn)); err != nil {
		return nil, err
	}
	if err := tokensvcv1.RegisterTokenServiceHandlerClient(ctx, mux, tokensvcv1.NewTokenServiceClient(conn)); err != nil {
		return nil, err
	}
	if err := tokensvcv1.RegisterKeyServiceHandlerClient(ctx, mux, tokensvcv1.NewKeyServiceClient(conn)); err != nil {
		return nil, err
	}
	if err := tokensvcv1.RegisterRotationServiceHandlerClient(ctx, mux, tokensvcv1.NewRotationServiceClient(conn)); err != nil {
		return nil, err
	}
	if err := tokensvcv1.RegisterSessionServiceHandlerClient(ctx, mux, tokensvcv1.NewSessionServiceClient(conn)); err != nil {
		return nil, err
	}
	if err := tokensvcv1.RegisterEntitlementServiceHandlerClient(ctx, mux, tokensvcv1.NewEntitlementServiceClient(conn)); err != nil {
		return nil, err
	}
	for _, s := range further {
		if s.Gateway == nil {
			continue
		}
		if err := s.Gateway(mux, conn); err != nil {
			return nil, err
		}
	}
	return mux, nil
}

// incomingHeader is the allow-list of headers that become metadata. A caller's Grpc-Metadata-* never
// does: it would read like something the service itself has established.
func incomingHeader(name string) (string, bool) {
	switch name = strings.ToLower(name); name {
	case requestIDHeader, "traceparent", "tracestate":
		return name, true
	default:
		return "", false
	}
}

// withhold lets no metadata become a header.
func withhold(string) (string, bool) { return "", false }

// routingError answers paths and methods that no RPC maps to.
func routingError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	switch code {
	case http.StatusNotFound:
		writeError(w, r, status.Newf(codes.NotFound, "there is nothing at %s; /openapi.json lists the API", r.URL.Path))
	case http.StatusMethodNotAllowed:
		writeErrorAs(w, r, http.StatusMethodNotAllowed, status.Newf(codes.Unimplemented, "%s is not allowed at %s; /openapi.json lists the API", r.Method, r.URL.Path))
	default:
		writeError(w, r, status.New(codes.InvalidArgument, "the request could not be read"))
	}
}

// writeError answers with a google.rpc.Status in JSON under the HTTP status that fits.
func writeError(w http.ResponseWriter, r *http.Request, s *status.Status) {
	s = withReason(s)
	writeErrorAs(w, r, httpStatus(s), s)
}

func writeErrorAs(w http.ResponseWriter, r *http.Request, code int, s *status.Status) {
	s = withReason(s)
	body, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(s.Proto())
	if err != nil {
		body, code = []byte(`{"code":13}`), http.StatusInternalServerError
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Del("Trailer")
	h.Del("Transfer-Encoding")
	for _, d := range s.Details() {
		if retry, ok := d.(*errdetails.RetryInfo); ok {
			h.Set("Retry-After", strconv.FormatInt(int64(retry.GetRetryDelay().AsDuration().Seconds()+0.999), 10))
		}
	}
	w.WriteHeader(code)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) //nolint:gosec // JSON under its own content type; the client may have left
	}
}

// httpStatus is the usual mapping of gRPC codes, finer where a reason says more.
func httpStatus(s *status.Status) int {
	switch tokens.Reason(reasonIn(s)) {
	case tokens.RequestTooLarge:
		return http.StatusRequestEntityTooLarge
	case tokens.UnsupportedMediaType:
		return http.StatusUnsupportedMediaType
	case tokens.ReadOnly, tokens.IllegalMove, tokens.InUse, tokens.NoActiveKey, tokens.NotRotated, tokens.OperationOpen, tokens.NoCredentials:
		return http.StatusConflict
	default:
		return runtime.HTTPStatusFromCode(s.Code())
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
