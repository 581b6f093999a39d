package server

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/tokensvc/tokensvc/tokens"
)

// received is a message on its way in, with what is wrong with it. grpc-go answers a message that does
// not decode by itself, as an internal error without a reason, before any handler or interceptor; so the
// codec keeps the fault here, and strict reports it.
type received struct {
	message any
	fault   error
}

// boundedCodec decodes messages of at most maxBytes.
type boundedCodec struct {
	encoding.CodecV2
	maxBytes int
}

func newCodec(maxBytes int) boundedCodec {
	return boundedCodec{CodecV2: encoding.GetCodecV2(protocodec.Name), maxBytes: maxBytes}
}

// Unmarshal implements encoding.CodecV2.
func (c boundedCodec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*received)
	switch {
	case !ok:
		return c.CodecV2.Unmarshal(data, v)
	case data.Len() > c.maxBytes:
		r.fault = refuse(tokens.RequestTooLarge, "the message is over the limit of %d bytes; send less, or raise limits.max_body", c.maxBytes)
	case c.CodecV2.Unmarshal(data, r.message) != nil:
		r.fault = status.Error(codes.InvalidArgument, "the message is not valid protobuf; text must be valid UTF-8")
	}
	return nil
}

// strict returns a copy of desc whose methods report the fault of a message that was received.
func strict(desc *grpc.ServiceDesc) *grpc.ServiceDesc {
	out := *desc
	out.Methods = make([]grpc.MethodDesc, len(desc.Methods))
	for i, m := range desc.Methods {
		inner := m.Handler
		out.Methods[i] = grpc.MethodDesc{
			MethodName: m.MethodName,
			Handler: func(srv any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
				return inner(srv, ctx, func(v any) error {
					r := received{message: v}
					if err := dec(&r); err != nil {
						return err // the connection's
					}
					if r.fault != nil {
						return withReason(toStatus(r.fault)).Err()
					}
					return nil
				}, interceptor)
			},
		}
	}
	return &out
}
