package server

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tokensvc/tokensvc/internal/obs"
	"github.com/tokensvc/tokensvc/tokens"
)

// requestIDHeader carries the request id in and out.
const requestIDHeader = "x-request-id"

// interceptors returns the chain that every call passes, from outside or in process, in this order:
// request id, log, audit, error map, recovery, deadline, validation.
func interceptors(log *slog.Logger, validator protovalidate.Validator, timeout time.Duration, now func() time.Time) grpc.UnaryServerInterceptor {
	return chain(
		identify,
		logCalls(log, now),
		auditCalls(log),
		mapErrors,
		recoverPanics(log),
		limitTime(timeout),
		validate(validator),
	)
}

// chain composes interceptors, the first outermost.
func chain(outer grpc.UnaryServerInterceptor, inner ...grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	if len(inner) == 0 {
		return outer
	}
	rest := chain(inner[0], inner[1:]...)
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		return outer(ctx, req, info, func(ctx context.Context, req any) (any, error) { return rest(ctx, req, info, handler) })
	}
}

// identify takes over the caller's request id, or makes one, and sends it back.
func identify(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	asked := ""
	if v := metadata.ValueFromIncomingContext(ctx, requestIDHeader); len(v) == 1 {
		asked = v[0]
	}
	ctx, id := obs.WithRequestID(ctx, asked)
	_ = grpc.SetHeader(ctx, metadata.Pairs(requestIDHeader, id)) // fails only outside a call
	return handler(ctx, req)
}

// logCalls writes one line for each call: failures of the service as errors, refusals as info,
// everything else for debugging. It never writes a request or an answer.
func logCalls(log *slog.Logger, now func() time.Time) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		began := now()
		answer, err := handler(ctx, req)
		code := status.Code(err)
		level := levelOf(code)
		if log.Enabled(ctx, level) {
			attrs := []slog.Attr{
				slog.String("method", info.FullMethod), slog.String("code", code.String()),
				slog.String("request_id", obs.RequestID(ctx)), slog.Float64("took_ms", float64(now().Sub(began))/float64(time.Millisecond)),
			}
			if err != nil {
				attrs = append(attrs, slog.String("reason", reasonIn(status.Convert(err))), slog.String("error", status.Convert(err).Message()))
			}
			log.LogAttrs(ctx, level, "call", attrs...)
		}
		return answer, err
	}
}

func levelOf(code codes.Code) slog.Level {
	switch code {
	case codes.OK:
		return slog.LevelDebug
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// mapErrors turns every error into what may leave the process, and logs the cause of what it hides.
func mapErrors(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	answer, err := handler(ctx, req)
	if err == nil {
		return answer, nil
	}
	return nil, withReason(toStatus(err)).Err()
}

// recoverPanics turns a panic into an internal error and logs its stack, never the request.
func recoverPanics(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (answer any, err error) {
		defer func() {
			if r := recover(); r != nil {
				log.ErrorContext(ctx, "panic in a handler", "method", info.FullMethod, "request_id", obs.RequestID(ctx),
					"panic", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
				answer, err = nil, refuse(tokens.Internal, internalMessage)
			}
		}()
		answer, err = handler(ctx, req)
		if err != nil && describe(err).reason == tokens.Internal {
			log.ErrorContext(ctx, "call failed", "method", info.FullMethod, "request_id", obs.RequestID(ctx), "error", err)
		}
		return answer, err
	}
}

// limitTime bounds a call; an earlier deadline of the caller stays.
func limitTime(timeout time.Duration) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return handler(ctx, req)
	}
}

// validate applies the rules of the .proto files, except to the messages of the hot path that can be
// seen to keep them.
func validate(validator protovalidate.Validator) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if m, ok := req.(proto.Message); ok && !plainlyValid(m) {
			if err := validator.Validate(m); err != nil {
				return nil, err
			}
		}
		return handler(ctx, req)
	}
}
