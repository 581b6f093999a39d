package server

import (
	"context"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

type localStreamMethod struct {
	server any
	desc   *grpc.StreamDesc
}

// NewStream implements grpc.ClientConnInterface, for methods that answer one request with a stream.
func (c *inProcess) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	m, ok := c.streams[method]
	if !ok || desc.ClientStreams {
		return nil, status.Errorf(codes.Unimplemented, "unknown stream %s", method)
	}
	reached(ctx)
	if err := ctx.Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	p := &pipe{messages: make(chan proto.Message), answered: make(chan struct{}), ended: make(chan struct{}), local: localStream{method: method}}
	return &localClient{conn: c, method: m, pipe: p, ctx: ctx}, nil
}

// pipe joins the two ends of a stream. Err is read after ended is closed, local after answered.
type pipe struct {
	messages chan proto.Message
	answered chan struct{} // closed with the first message, or at the end
	once     sync.Once
	ended    chan struct{}
	err      error
	local    localStream
}

func (p *pipe) answer() { p.once.Do(func() { close(p.answered) }) }

// localClient is the caller's end.
type localClient struct {
	conn   *inProcess
	method localStreamMethod
	pipe   *pipe
	ctx    context.Context //nolint:containedctx // a stream hands its context out
}

// SendMsg implements grpc.ClientStream: it takes the one request and lets the handler run, until it returns
// or the caller's context ends.
func (s *localClient) SendMsg(m any) error {
	request, ok := m.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "cannot send a %T", m)
	}
	p := s.pipe
	ctx := arriving(s.ctx, &p.local)
	serving := &localServer{ctx: ctx, pipe: p, request: proto.Clone(request)}
	info := &grpc.StreamServerInfo{FullMethod: p.local.method, IsServerStream: true}
	s.conn.streaming.Go(func() {
		defer close(p.ended)
		defer p.answer()
		if err := s.conn.streamInterceptor(s.method.server, serving, info, s.method.desc.Handler); err != nil {
			p.err = status.Convert(err).Err()
		}
	})
	return nil
}

// RecvMsg implements grpc.ClientStream.
func (s *localClient) RecvMsg(m any) error {
	select {
	case from := <-s.pipe.messages:
		return hand(m, from)
	case <-s.pipe.ended:
		if s.pipe.err != nil {
			return s.pipe.err
		}
		return io.EOF
	}
}

// Header implements grpc.ClientStream. It waits for the first message, or the end.
func (s *localClient) Header() (metadata.MD, error) {
	<-s.pipe.answered
	return s.pipe.local.header, nil
}

// Trailer implements grpc.ClientStream.
func (s *localClient) Trailer() metadata.MD { return s.pipe.local.trailer }

// CloseSend implements grpc.ClientStream.
func (s *localClient) CloseSend() error { return nil }

// Context implements grpc.ClientStream.
func (s *localClient) Context() context.Context { return s.ctx }

// localServer is the handler's end.
type localServer struct {
	ctx     context.Context //nolint:containedctx // a stream hands its context out
	pipe    *pipe
	request proto.Message // nil once received
}

// RecvMsg implements grpc.ServerStream.
func (s *localServer) RecvMsg(m any) error {
	if s.request == nil {
		return io.EOF
	}
	if r, ok := m.(*received); ok {
		m = r.message
	}
	request := s.request
	s.request = nil
	return hand(m, request)
}

// SendMsg implements grpc.ServerStream.
func (s *localServer) SendMsg(m any) error {
	message, ok := m.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "cannot send a %T", m)
	}
	s.pipe.answer()
	select {
	case s.pipe.messages <- proto.Clone(message):
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// Context implements grpc.ServerStream.
func (s *localServer) Context() context.Context { return s.ctx }

// SetHeader implements grpc.ServerStream.
func (s *localServer) SetHeader(md metadata.MD) error { return s.pipe.local.SetHeader(md) }

// SendHeader implements grpc.ServerStream.
func (s *localServer) SendHeader(md metadata.MD) error { return s.pipe.local.SetHeader(md) }

// SetTrailer implements grpc.ServerStream.
func (s *localServer) SetTrailer(md metadata.MD) { _ = s.pipe.local.SetTrailer(md) } // always nil
