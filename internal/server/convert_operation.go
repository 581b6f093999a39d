package server

import (
	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/keystore"
)

func operationProto(op keystore.Operation) *tokensvcv1.Operation {
	return &tokensvcv1.Operation{
		Id: op.ID, TargetId: op.Target, Kind: operationKindProto(op.Kind), Mode: modeProto(op.Mode), Immediate: op.Immediate,
		FromVersion: int32(op.From), ToVersion: int32(op.To), Tries: int32(op.Tries), //nolint:gosec // counted one by one
		Step: stepProto(op.Step), CutTime: timestampProto(op.CutAt), CutEndTime: timestampProto(op.CutUntil),
		UseAfter: timestampProto(op.UseAfter), RetryTime: timestampProto(op.NotBefore), LastError: op.LastError, Alarm: op.Alarm,
		Outcome: operationOutcomeProto(op.Outcome), StartTime: timestampProto(op.StartedAt), UpdateTime: timestampProto(op.UpdatedAt),
		CloseTime: timestampProto(op.ClosedAt),
	}
}

func operationKindProto(k keystore.Kind) tokensvcv1.OperationKind {
	switch k {
	case keystore.Rotate:
		return tokensvcv1.OperationKind_OPERATION_KIND_ROTATE
	case keystore.Adopt:
		return tokensvcv1.OperationKind_OPERATION_KIND_ADOPT
	case keystore.Rollback:
		return tokensvcv1.OperationKind_OPERATION_KIND_ROLLBACK
	default:
		return tokensvcv1.OperationKind_OPERATION_KIND_UNSPECIFIED
	}
}

func stepProto(s keystore.Step) tokensvcv1.OperationStep {
	switch s {
	case keystore.Intent:
		return tokensvcv1.OperationStep_OPERATION_STEP_INTENT
	case keystore.Minting:
		return tokensvcv1.OperationStep_OPERATION_STEP_MINTING
	case keystore.Minted:
		return tokensvcv1.OperationStep_OPERATION_STEP_MINTED
	case keystore.Scheduled:
		return tokensvcv1.OperationStep_OPERATION_STEP_SCHEDULED
	case keystore.Applying:
		return tokensvcv1.OperationStep_OPERATION_STEP_APPLYING
	case keystore.Applied:
		return tokensvcv1.OperationStep_OPERATION_STEP_APPLIED
	case keystore.Draining:
		return tokensvcv1.OperationStep_OPERATION_STEP_DRAINING
	case keystore.Voiding:
		return tokensvcv1.OperationStep_OPERATION_STEP_VOIDING
	default:
		return tokensvcv1.OperationStep_OPERATION_STEP_UNSPECIFIED
	}
}

func operationOutcomeProto(outcome string) tokensvcv1.OperationOutcome {
	switch outcome {
	case keystore.OutcomeDone:
		return tokensvcv1.OperationOutcome_OPERATION_OUTCOME_DONE
	case keystore.OutcomeSuperseded:
		return tokensvcv1.OperationOutcome_OPERATION_OUTCOME_SUPERSEDED
	case keystore.OutcomeAbandoned:
		return tokensvcv1.OperationOutcome_OPERATION_OUTCOME_ABANDONED
	default:
		return tokensvcv1.OperationOutcome_OPERATION_OUTCOME_UNSPECIFIED
	}
}
