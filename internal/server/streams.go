package server

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// apiPrefix begins the full names of this API's methods.
const apiPrefix = "/tokensvc.v1."

// streamInterceptors are what interceptors are for calls with one answer, without a deadline: a stream ends
// with its client, its handler or the server. Streams of other services pass as they are.
func streamInterceptors(log *slog.Logger, validator protovalidate.Validator, now func() time.Time) grpc.StreamServerInterceptor {
	around := chain(identify, logCalls(log, now), auditCalls(log), mapErrors, recoverPanics(log))
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if !strings.HasPrefix(info.FullMethod, apiPrefix) {
			return handler(srv, stream)
		}
		call := &grpc.UnaryServerInfo{Server: srv, FullMethod: info.FullMethod}
		_, err := around(stream.Context(), nil, call, func(ctx context.Context, _ any) (any, error) {
			return nil, handler(srv, &checkedStream{ServerStream: stream, ctx: ctx, validator: validator})
		})
		return err
	}
}

// checkedStream holds what it receives to the rules that requests of single calls are held to.
type checkedStream struct {
	grpc.ServerStream
	ctx       context.Context //nolint:containedctx // a stream hands its context out
	validator protovalidate.Validator
}

// Context implements grpc.ServerStream.
func (s *checkedStream) Context() context.Context { return s.ctx }

// RecvMsg implements grpc.ServerStream.
func (s *checkedStream) RecvMsg(m any) error {
	r := received{message: m}
	if err := s.ServerStream.RecvMsg(&r); err != nil {
		return err
	}
	if r.fault != nil {
		return r.fault
	}
	if m, ok := m.(proto.Message); ok {
		return s.validator.Validate(m)
	}
	return nil
}

// endWith ends every stream when end does: they would hold a shutdown up for as long as their clients watch.
func endWith(end context.Context) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		ctx, cancel := context.WithCancel(stream.Context())
		defer cancel()
		defer context.AfterFunc(end, cancel)()
		return handler(srv, &endingStream{ServerStream: stream, ctx: ctx})
	}
}

type endingStream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // a stream hands its context out
}

// Context implements grpc.ServerStream.
func (s *endingStream) Context() context.Context { return s.ctx }

// unknownMethod answers calls of methods that do not exist.
func unknownMethod(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	return withReason(status.Newf(codes.Unimplemented, "there is no method %s; reflection lists the API", method)).Err()
}

// joinStreams composes two interceptors, the first outermost.
func joinStreams(outer, inner grpc.StreamServerInterceptor) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		return outer(srv, stream, info, func(srv any, stream grpc.ServerStream) error { return inner(srv, stream, info, handler) })
	}
}

// unhurried lets the answer to a watch take as long as it lasts: the server's write deadline is for others.
func unhurried(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ":watch") {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // where there is none, there is nothing to lift
		}
		next.ServeHTTP(w, r)
	})
}
