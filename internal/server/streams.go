package server

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// endWith ends every stream when end does. The API has none; those of the health service would hold a
// shutdown up for as long as their clients watch.
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
