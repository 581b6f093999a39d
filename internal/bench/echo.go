package main

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tokensvc/tokensvc/internal/server"
)

const (
	echoService = "tokensvc.bench.Echo"
	echoMethod  = "/" + echoService + "/Call"
	echoPath    = "/bench/echo"
)

// echoer answers an empty message with an empty message: what a call costs that does nothing.
type echoer interface {
	Call(ctx context.Context, in *emptypb.Empty) (*emptypb.Empty, error)
}

type echo struct{}

// Call implements echoer.
func (echo) Call(_ context.Context, in *emptypb.Empty) (*emptypb.Empty, error) { return in, nil }

// newEcho returns the empty call, over gRPC and over HTTP, behind everything that a sign passes.
func newEcho() server.Service {
	return server.Service{
		Desc: &grpc.ServiceDesc{
			ServiceName: echoService, HandlerType: (*echoer)(nil),
			Methods: []grpc.MethodDesc{{MethodName: "Call", Handler: callEcho}},
		},
		Impl: echo{}, Gateway: mapEcho,
	}
}

// callEcho does what protoc-gen-go-grpc generates for a unary method.
func callEcho(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // the signature is grpc.MethodHandler's
	in := new(emptypb.Empty)
	if err := decode(in); err != nil {
		return nil, err
	}
	call := func(ctx context.Context, req any) (any, error) {
		return srv.(echoer).Call(ctx, req.(*emptypb.Empty)) //nolint:forcetypeassert,errcheck // as generated
	}
	if interceptor == nil {
		return call(ctx, in)
	}
	return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: echoMethod}, call)
}

// mapEcho does what protoc-gen-grpc-gateway generates for a POST with body "*".
func mapEcho(mux *runtime.ServeMux, conn grpc.ClientConnInterface) error {
	return mux.HandlePath(http.MethodPost, echoPath, func(w http.ResponseWriter, r *http.Request, _ map[string]string) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		inbound, outbound := runtime.MarshalerForRequest(mux, r)
		ctx, err := runtime.AnnotateContext(ctx, mux, r, echoMethod, runtime.WithHTTPPathPattern(echoPath))
		if err != nil {
			runtime.HTTPError(ctx, mux, outbound, w, r, err)
			return
		}
		in, out := new(emptypb.Empty), new(emptypb.Empty)
		if err := inbound.NewDecoder(r.Body).Decode(in); err != nil && !errors.Is(err, io.EOF) {
			runtime.HTTPError(ctx, mux, outbound, w, r, status.Error(codes.InvalidArgument, err.Error()))
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // as generated; what is left of the body does not matter
		var md runtime.ServerMetadata
		err = conn.Invoke(ctx, echoMethod, in, out, grpc.Header(&md.HeaderMD), grpc.Trailer(&md.TrailerMD))
		ctx = runtime.NewServerMetadataContext(ctx, md)
		if err != nil {
			runtime.HTTPError(ctx, mux, outbound, w, r, err)
			return
		}
		runtime.ForwardResponseMessage(ctx, mux, outbound, w, r, out, mux.GetForwardResponseOptions()...)
	})
}
