package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"google.golang.org/protobuf/proto"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/rotate"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// watchPoll is how often a watched operation is read while nothing hints at a change.
const watchPoll = 2 * time.Second

// Rotation is what RotationService needs beside the stores. The zero Rotation plans nothing.
type Rotation struct {
	Timing rotate.Timing
	// Plan says what comes next for a record.
	Plan func(keystore.Record) (rotate.Decision, error)
	// Adopt takes over the secret at the provider; nil where this process holds no credentials.
	Adopt func(ctx context.Context, target string, foreignMaxLifetime time.Duration) (keystore.Record, error)
}

type rotationService struct {
	tokensvcv1.UnimplementedRotationServiceServer
	Rotation

	keys *keyService
	// alive counts the tokens of a key that are alive at a time, of those handed out since another.
	alive func(targetID string, version int, at time.Time) (count int64, since time.Time)
	now   func() time.Time
	log   *slog.Logger
}

// PlanRotation implements RotationService.
func (s *rotationService) PlanRotation(ctx context.Context, r *tokensvcv1.PlanRotationRequest) (*tokensvcv1.PlanRotationResponse, error) {
	record, err := s.keys.get(ctx, r.GetTargetId())
	if err != nil {
		return nil, err
	}
	out := &tokensvcv1.PlanRotationResponse{}
	if record.Operation != nil {
		out.Operation = operationProto(*record.Operation)
	}
	if r.GetImmediate() { // begun in this copy of the record only
		if err := checkRotated(record.Target); err != nil {
			return nil, err
		}
		if err := s.starter().Start(&record, rotate.Request{Immediate: true}, s.now()); err != nil {
			return nil, err
		}
	}
	out.Plan, err = s.plan(record)
	return out, err
}

func (s *rotationService) starter() rotate.Starter {
	return rotate.Starter{Sealer: s.keys.sealer, Timing: s.Timing}
}

// checkRotated refuses targets whose keys nobody can make or set at a provider.
func checkRotated(t keystore.Target) error {
	if t.Account == "" || len(t.Resources) == 0 {
		return refuse(tokens.NotRotated, "target %q names no account or no resource at its provider; keys are imported by hand", t.ID)
	}
	return nil
}

func (s *rotationService) plan(record keystore.Record) (*tokensvcv1.RotationPlan, error) {
	if s.Plan == nil {
		return nil, refuse(tokens.Unimplemented, "this service plans no rotations")
	}
	d, err := s.Plan(record)
	if err != nil {
		return nil, err
	}
	return &tokensvcv1.RotationPlan{
		Action: string(d.Action), Why: d.Why, Time: timestampProto(d.At), CutTime: timestampProto(d.CutAt),
		Breaks: d.Breaks, Alarm: d.Alarm, LiveTokens: s.liveTokens(record.Target.ID, d),
	}, nil
}

// liveTokens counts what the key that a rotation ends leaves alive. A key whose end is not known waits for its
// tokens.
func (s *rotationService) liveTokens(target string, d rotate.Decision) *tokensvcv1.LiveTokens {
	if d.Ends == 0 {
		return nil
	}
	count, since := s.alive(target, d.Ends, d.EndsAt)
	if d.EndsAt.IsZero() {
		count = 0
	}
	return &tokensvcv1.LiveTokens{AtMost: count, AliveAt: timestampProto(d.EndsAt), CountedSince: timestampProto(since)}
}

// StartRotation implements RotationService.
func (s *rotationService) StartRotation(ctx context.Context, r *tokensvcv1.StartRotationRequest) (*tokensvcv1.StartRotationResponse, error) {
	record, err := s.keys.get(ctx, r.GetTargetId())
	if err != nil {
		return nil, err
	}
	if err := checkRotated(record.Target); err != nil {
		return nil, err
	}
	if r.GetForeignMaxLifetime() != nil {
		return s.adopt(ctx, r)
	}
	if r.GetVersion() != 0 && !r.GetRollback() {
		return nil, tokens.ParamError(tokens.InvalidArgument, "version", "only a rollback goes to a version; a rotation makes a new one")
	}
	if r.GetReplace() && r.GetRollback() {
		return nil, tokens.ParamError(tokens.InvalidArgument, "replace", "a rollback makes no key; leave replace out")
	}
	request := rotate.Request{Kind: keystore.Rotate, Immediate: r.GetImmediate(), Replace: r.GetReplace(), Version: int(r.GetVersion())}
	if r.GetRollback() {
		request.Kind = keystore.Rollback
	}
	starter := s.starter()
	var opened keystore.Operation
	_, err = s.keys.change(ctx, r.GetTargetId(), func(record *keystore.Record) error {
		if op := record.Operation; op != nil && !r.GetImmediate() && !r.GetRollback() && !r.GetReplace() {
			return refuse(tokens.OperationOpen, "operation %s of target %q is under way at %s; wait for it (`tokensvc keys rotate %s --watch` shows it), or rotate with immediate, which breaks live tokens",
				op.ID, record.Target.ID, op.Step, record.Target.ID)
		}
		if err := starter.Start(record, request, s.now()); err != nil {
			return err
		}
		opened = operationOf(record)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &tokensvcv1.StartRotationResponse{Operation: operationProto(opened)}, nil
}

// operationOf returns the operation that a change has opened, which it may have closed too.
func operationOf(record *keystore.Record) keystore.Operation {
	if record.Operation != nil {
		return *record.Operation
	}
	return record.Closed[len(record.Closed)-1]
}

func (s *rotationService) adopt(ctx context.Context, r *tokensvcv1.StartRotationRequest) (*tokensvcv1.StartRotationResponse, error) {
	if r.GetImmediate() || r.GetRollback() || r.GetReplace() || r.GetVersion() != 0 {
		return nil, tokens.ParamError(tokens.InvalidArgument, "foreign_max_lifetime", "a secret is either taken over or replaced; leave immediate, rollback, replace and version out")
	}
	if s.Adopt == nil {
		return nil, refuse(tokens.NoCredentials, "this process holds no credentials for the provider; run `tokensvc serve --sync`")
	}
	if _, err := s.Adopt(ctx, r.GetTargetId(), r.GetForeignMaxLifetime().AsDuration()); err != nil {
		if errors.Is(err, provider.ErrRejected) || errors.Is(err, provider.ErrThrottled) || errors.Is(err, provider.ErrDenied) || errors.Is(err, provider.ErrAmbiguous) {
			s.log.WarnContext(ctx, "secret not taken over", "target", r.GetTargetId(), "error", err)
			return nil, refuse(tokens.ProviderFailed, "the provider did not show the secret of target %q (%s)", r.GetTargetId(), rotate.Class(err))
		}
		return nil, err
	}
	s.keys.refresh(ctx)
	latest, err := s.keys.store.Operations(ctx, r.GetTargetId(), keystore.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	out := &tokensvcv1.StartRotationResponse{}
	if len(latest) > 0 {
		out.Operation = operationProto(latest[0])
	}
	return out, nil
}

// GetOperation implements RotationService.
func (s *rotationService) GetOperation(ctx context.Context, r *tokensvcv1.GetOperationRequest) (*tokensvcv1.GetOperationResponse, error) {
	op, err := s.operation(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	return &tokensvcv1.GetOperationResponse{Operation: operationProto(op)}, nil
}

func (s *rotationService) operation(ctx context.Context, id string) (keystore.Operation, error) {
	op, err := s.keys.store.Operation(ctx, id)
	if errors.Is(err, keystore.ErrNotFound) {
		return op, refuse(tokens.NotFound, "operation %q does not exist", tokens.Clip(id))
	}
	return op, err
}

// ListOperations implements RotationService.
func (s *rotationService) ListOperations(ctx context.Context, r *tokensvcv1.ListOperationsRequest) (*tokensvcv1.ListOperationsResponse, error) {
	page, err := pageOf(r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	operations, err := s.keys.store.Operations(ctx, r.GetTargetId(), page)
	if err != nil {
		return nil, err
	}
	operations, next := cut(operations, page, func(op keystore.Operation) string { return op.ID })
	out := &tokensvcv1.ListOperationsResponse{NextPageToken: next}
	for i := range operations {
		out.Operations = append(out.Operations, operationProto(operations[i]))
	}
	return out, nil
}

// WatchOperation implements RotationService.
func (s *rotationService) WatchOperation(r *tokensvcv1.WatchOperationRequest, stream tokensvcv1.RotationService_WatchOperationServer) error {
	ctx := stream.Context()
	hints := s.keys.store.Watch(ctx)
	ticker := time.NewTicker(watchPoll)
	defer ticker.Stop()
	var last *tokensvcv1.WatchOperationResponse
	for {
		next, err := s.look(ctx, r.GetId())
		if err != nil {
			return err
		}
		if last == nil || !proto.Equal(last, next) {
			if err := stream.Send(next); err != nil {
				return err
			}
			last = next
		}
		if next.GetOperation().GetCloseTime() != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, open := <-hints:
			if !open {
				hints = nil
			}
		case <-ticker.C:
		}
	}
}

// look reads an operation and what comes next for its target. An open operation is told from the record that its
// plan is made from: two reads would show an operation that a move between them had closed as open and planless.
func (s *rotationService) look(ctx context.Context, id string) (*tokensvcv1.WatchOperationResponse, error) {
	op, err := s.operation(ctx, id)
	if err != nil {
		return nil, err
	}
	if op.ClosedAt.IsZero() {
		record, err := s.keys.store.Get(ctx, op.Target)
		if err != nil {
			return nil, err
		}
		if record.Operation != nil && record.Operation.ID == id {
			plan, err := s.plan(record)
			return &tokensvcv1.WatchOperationResponse{Operation: operationProto(*record.Operation), Plan: plan}, err
		}
		if op, err = s.operation(ctx, id); err != nil {
			return nil, err
		}
	}
	return &tokensvcv1.WatchOperationResponse{Operation: operationProto(op)}, nil
}
