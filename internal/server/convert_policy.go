package server

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// policyFromProto reads a rotation policy; what it says is checked with its target.
func policyFromProto(in *tokensvcv1.RotationPolicy) (keystore.Policy, error) {
	p := keystore.Policy{
		Mode: modeFromProto(in.GetMode()), Window: in.GetWindow(), SoleOwner: in.GetSoleOwner(), ProbeURL: in.GetProbeUrl(),
		OnDrift: driftFromProto(in.GetOnDrift()), OpenOnApply: in.GetOpenOnApply(),
	}
	if every := in.GetEvery(); every != nil {
		if every.CheckValid() != nil || every.GetNanos() != 0 {
			return p, tokens.ParamError(tokens.InvalidArgument, "rotation.every", `want a positive number of whole seconds, for example "2592000s"`)
		}
		p.Every = time.Duration(every.GetSeconds()) * time.Second
	}
	return p, nil
}

// policyProto leaves out a policy that says nothing.
func policyProto(p keystore.Policy) *tokensvcv1.RotationPolicy {
	if p == (keystore.Policy{}) {
		return nil
	}
	out := &tokensvcv1.RotationPolicy{
		Mode: modeProto(p.Mode), Window: p.Window, SoleOwner: p.SoleOwner, ProbeUrl: p.ProbeURL,
		OnDrift: driftProto(p.OnDrift), OpenOnApply: p.OpenOnApply,
	}
	if p.Every > 0 {
		out.Every = durationpb.New(p.Every)
	}
	return out
}

func modeFromProto(m tokensvcv1.RotationMode) keystore.Mode {
	switch m {
	case tokensvcv1.RotationMode_ROTATION_MODE_OVERLAP:
		return keystore.Overlap
	case tokensvcv1.RotationMode_ROTATION_MODE_CUT:
		return keystore.Cut
	case tokensvcv1.RotationMode_ROTATION_MODE_PAIR:
		return keystore.Pair
	case tokensvcv1.RotationMode_ROTATION_MODE_REPLACE:
		return keystore.Replace
	default:
		return ""
	}
}

func modeProto(m keystore.Mode) tokensvcv1.RotationMode {
	switch m {
	case keystore.Overlap:
		return tokensvcv1.RotationMode_ROTATION_MODE_OVERLAP
	case keystore.Cut:
		return tokensvcv1.RotationMode_ROTATION_MODE_CUT
	case keystore.Pair:
		return tokensvcv1.RotationMode_ROTATION_MODE_PAIR
	case keystore.Replace:
		return tokensvcv1.RotationMode_ROTATION_MODE_REPLACE
	default:
		return tokensvcv1.RotationMode_ROTATION_MODE_UNSPECIFIED
	}
}

func driftFromProto(d tokensvcv1.DriftAnswer) string {
	switch d {
	case tokensvcv1.DriftAnswer_DRIFT_ANSWER_ALERT:
		return keystore.DriftAlert
	case tokensvcv1.DriftAnswer_DRIFT_ANSWER_ADOPT:
		return keystore.DriftAdopt
	case tokensvcv1.DriftAnswer_DRIFT_ANSWER_REASSERT:
		return keystore.DriftReassert
	default:
		return ""
	}
}

func driftProto(d string) tokensvcv1.DriftAnswer {
	switch d {
	case keystore.DriftAlert:
		return tokensvcv1.DriftAnswer_DRIFT_ANSWER_ALERT
	case keystore.DriftAdopt:
		return tokensvcv1.DriftAnswer_DRIFT_ANSWER_ADOPT
	case keystore.DriftReassert:
		return tokensvcv1.DriftAnswer_DRIFT_ANSWER_REASSERT
	default:
		return tokensvcv1.DriftAnswer_DRIFT_ANSWER_UNSPECIFIED
	}
}
