package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// Domain is the domain of every google.rpc.ErrorInfo.
const Domain = "tokensvc"

// refusal is an error that a handler makes itself.
type refusal struct {
	reason  tokens.Reason
	message string
}

func (r *refusal) Error() string { return r.message }

func refuse(reason tokens.Reason, format string, args ...any) error {
	return &refusal{reason: reason, message: fmt.Sprintf(format, args...)}
}

// problem is an error as the caller sees it.
type problem struct {
	reason     tokens.Reason
	message    string
	retryAfter time.Duration
	violations []*errdetails.BadRequest_FieldViolation
}

// toStatus maps any error to what leaves the process. Errors that are not ours become INTERNAL with a
// fixed text: no driver's or vendor's words get out.
func toStatus(err error) *status.Status {
	if s, ok := status.FromError(err); ok {
		return s
	}
	p := describe(err)
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: string(p.reason), Domain: Domain}}
	if len(p.violations) > 0 {
		details = append(details, &errdetails.BadRequest{FieldViolations: p.violations})
	}
	if p.retryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(p.retryAfter)})
	}
	s, err := status.New(codeOf(p.reason), p.message).WithDetails(details...)
	if err != nil {
		return status.New(codes.Internal, internalMessage)
	}
	return s
}

const internalMessage = "the service failed; the request id finds the cause in its log"

func describe(err error) problem {
	var (
		ours    *refusal
		token   *tokens.Error
		signing *signer.Error
		invalid *protovalidate.ValidationError
	)
	switch {
	case errors.As(err, &ours):
		return problem{reason: ours.reason, message: ours.message}
	case errors.As(err, &token):
		p := problem{reason: token.Reason, message: token.Message}
		if token.Field != "" {
			p.violations = []*errdetails.BadRequest_FieldViolation{{Field: token.Field, Description: token.Message}}
		}
		return p
	case errors.As(err, &signing):
		return problem{reason: signing.Reason, message: signing.Message, retryAfter: signing.RetryAfter}
	case errors.As(err, &invalid):
		return describeViolations(invalid)
	case errors.Is(err, keystore.ErrNotFound):
		return problem{reason: tokens.NotFound, message: err.Error()}
	case errors.Is(err, keystore.ErrIllegal):
		return problem{reason: tokens.IllegalMove, message: err.Error()}
	case errors.Is(err, keystore.ErrConflict), errors.Is(err, keystore.ErrFenced):
		return problem{reason: tokens.Busy, message: "another change of the target is under way; try again", retryAfter: time.Second}
	case errors.Is(err, keystore.ErrUnavailable):
		return problem{reason: tokens.Unavailable, message: "the store does not answer; another process may be writing to it; try again", retryAfter: time.Second}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problem{reason: tokens.Timeout, message: "the deadline passed before the answer was ready"}
	default:
		return problem{reason: tokens.Internal, message: internalMessage}
	}
}

func describeViolations(invalid *protovalidate.ValidationError) problem {
	p := problem{reason: tokens.InvalidArgument, message: "the request is not valid"}
	for i, v := range invalid.Violations {
		field := protovalidate.FieldPathString(v.Proto.GetField())
		text := violation(v)
		if i == 0 {
			p.message = text
			if field != "" {
				p.message = field + ": " + text
			}
		}
		p.violations = append(p.violations, &errdetails.BadRequest_FieldViolation{Field: field, Description: text})
	}
	return p
}

// codeOf returns the gRPC code of a reason. HTTP statuses follow from it: see the gateway.
func codeOf(reason tokens.Reason) codes.Code {
	switch reason {
	case tokens.InvalidArgument, tokens.InvalidKey, tokens.AmbiguousKey, tokens.NoExpiry, tokens.LifetimeTooLong,
		tokens.Malformed, tokens.UnsupportedMediaType:
		return codes.InvalidArgument
	case tokens.NotFound:
		return codes.NotFound
	case tokens.AlreadyExists, tokens.IdempotencyMismatch:
		return codes.AlreadyExists
	case tokens.ReadOnly, tokens.IllegalMove, tokens.InUse, tokens.NoActiveKey, tokens.NotRotated, tokens.OperationOpen, tokens.NoCredentials,
		tokens.SessionEnded:
		return codes.FailedPrecondition
	case tokens.Busy:
		return codes.Aborted
	case tokens.Overloaded, tokens.RequestTooLarge, tokens.SessionLimit:
		return codes.ResourceExhausted
	case tokens.KeyCutover, tokens.SnapshotStale, tokens.Unavailable, tokens.ProviderFailed, tokens.EntitlementUnknown:
		return codes.Unavailable
	case tokens.MintDisabled, tokens.ForbiddenOrigin, tokens.Expired, tokens.NotYetValid, tokens.BadSignature,
		tokens.WrongAlgorithm, tokens.UnknownKey, tokens.KeyRetired, tokens.PathNotCovered, tokens.IPMismatch,
		tokens.NotEntitled, tokens.Revoked:
		return codes.PermissionDenied
	case tokens.Timeout:
		return codes.DeadlineExceeded
	case tokens.Unimplemented:
		return codes.Unimplemented
	case tokens.Internal:
		return codes.Internal
	default:
		return codes.Internal
	}
}

// reasonOfCode is the reason of a status that a library made and that carries none.
func reasonOfCode(code codes.Code) tokens.Reason {
	switch code {
	case codes.InvalidArgument, codes.OutOfRange:
		return tokens.InvalidArgument
	case codes.NotFound:
		return tokens.NotFound
	case codes.AlreadyExists:
		return tokens.AlreadyExists
	case codes.FailedPrecondition:
		return tokens.IllegalMove
	case codes.Aborted:
		return tokens.Busy
	case codes.ResourceExhausted:
		return tokens.Overloaded
	case codes.Unavailable:
		return tokens.Unavailable
	case codes.DeadlineExceeded, codes.Canceled:
		return tokens.Timeout
	case codes.Unimplemented:
		return tokens.Unimplemented
	case codes.PermissionDenied, codes.Unauthenticated:
		return tokens.ForbiddenOrigin
	case codes.OK, codes.Unknown, codes.DataLoss, codes.Internal:
		return tokens.Internal
	default:
		return tokens.Internal
	}
}

// withReason adds an ErrorInfo to a status that has none.
func withReason(s *status.Status) *status.Status {
	for _, d := range s.Details() {
		if _, ok := d.(*errdetails.ErrorInfo); ok {
			return s
		}
	}
	out, err := s.WithDetails(&errdetails.ErrorInfo{Reason: string(reasonOfCode(s.Code())), Domain: Domain})
	if err != nil {
		return s
	}
	return out
}
