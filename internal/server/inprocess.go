package server

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// inProcess calls the service's own handlers as a grpc.ClientConnInterface, through the same
// interceptors as a call from outside, and without a connection. The gateway speaks through it.
// Deadlines and cancellation pass with the context; outgoing metadata arrives as incoming where it is
// allowed; headers, trailers and status details come back.
type inProcess struct {
	methods     map[string]localMethod
	interceptor grpc.UnaryServerInterceptor

	streams           map[string]localStreamMethod
	streamInterceptor grpc.StreamServerInterceptor
	streaming         sync.WaitGroup // streams under way
}

type localMethod struct {
	server  any
	handler grpc.MethodHandler
}

// RegisterService implements grpc.ServiceRegistrar.
func (c *inProcess) RegisterService(desc *grpc.ServiceDesc, impl any) {
	for _, m := range desc.Methods {
		c.methods["/"+desc.ServiceName+"/"+m.MethodName] = localMethod{server: impl, handler: m.Handler}
	}
	for i := range desc.Streams {
		c.streams["/"+desc.ServiceName+"/"+desc.Streams[i].StreamName] = localStreamMethod{server: impl, desc: &desc.Streams[i]}
	}
}

// allowedMetadata lists what passes of the metadata that the gateway makes of HTTP headers. By itself it
// also hands Authorization and forwarding headers on.
func allowedMetadata() []string { return []string{requestIDHeader} }

// Invoke implements grpc.ClientConnInterface.
func (c *inProcess) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	m, ok := c.methods[method]
	if !ok {
		return status.Errorf(codes.Unimplemented, "unknown method %s", method)
	}
	reached(ctx)
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	stream := &localStream{method: method}
	ctx = arriving(ctx, stream)
	receive := func(request any) error {
		if r, ok := request.(*received); ok {
			request = r.message
		}
		return hand(request, args)
	}
	answer, err := m.handler(m.server, ctx, receive, c.interceptor)
	stream.deliver(opts)
	if err != nil {
		return status.Convert(err).Err()
	}
	return hand(reply, answer)
}

// arriving turns the context of a caller into that of a handler.
func arriving(ctx context.Context, stream grpc.ServerTransportStream) context.Context {
	incoming := metadata.MD{}
	if md, ok := metadata.FromOutgoingContext(ctx); ok {
		for _, name := range allowedMetadata() {
			if v := md.Get(name); len(v) > 0 {
				incoming[name] = v
			}
		}
	}
	ctx = metadata.NewOutgoingContext(ctx, nil)
	ctx = metadata.NewIncomingContext(ctx, incoming)
	return grpc.NewContextWithServerTransportStream(ctx, stream)
}

// hand copies a message over, as the wire would.
func hand(to, from any) error {
	dst, ok := to.(proto.Message)
	src, ok2 := from.(proto.Message)
	if !ok || !ok2 || dst.ProtoReflect().Descriptor() != src.ProtoReflect().Descriptor() {
		return status.Error(codes.Internal, fmt.Sprintf("cannot hand a %T over as %T", from, to))
	}
	proto.Merge(dst, src)
	return nil
}

// localStream collects what a handler sends beside its answer.
type localStream struct {
	method          string
	header, trailer metadata.MD
}

// Method implements grpc.ServerTransportStream.
func (s *localStream) Method() string { return s.method }

// SetHeader implements grpc.ServerTransportStream.
func (s *localStream) SetHeader(md metadata.MD) error {
	s.header = metadata.Join(s.header, md)
	return nil
}

// SendHeader implements grpc.ServerTransportStream.
func (s *localStream) SendHeader(md metadata.MD) error { return s.SetHeader(md) }

// SetTrailer implements grpc.ServerTransportStream.
func (s *localStream) SetTrailer(md metadata.MD) error {
	s.trailer = metadata.Join(s.trailer, md)
	return nil
}

func (s *localStream) deliver(opts []grpc.CallOption) {
	for _, o := range opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			*o.HeaderAddr = s.header
		case grpc.TrailerCallOption:
			*o.TrailerAddr = s.trailer
		}
	}
}
