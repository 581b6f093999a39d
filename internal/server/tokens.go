package server

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

type tokenService struct {
	tokensvcv1.UnimplementedTokenServiceServer
	signer *signer.Signer
	mint   bool
	now    func() time.Time
}

// MintToken implements TokenService.
func (s *tokenService) MintToken(ctx context.Context, r *tokensvcv1.MintTokenRequest) (*tokensvcv1.MintTokenResponse, error) {
	if !s.mint {
		return nil, refuse(tokens.MintDisabled, "minting without a playback is off; create a playback and sign it, or set api.mint in the config")
	}
	p := playback.Playback{TargetID: r.GetTargetId(), URL: r.GetUrl(), BindIP: r.GetClientIp() != ""}
	bind(&p, r)
	p.Alternate = &playback.Alternate{URL: r.GetUrl(), StreamID: r.GetHdnts().GetStreamId()} // the caller names the slot's own
	if p.Qencode != nil && p.Qencode.ViewerClaim != "" {
		return nil, tokens.ParamError(tokens.InvalidArgument, "qencode.viewer_claim", "a minted token has no viewer; put the claim into claims")
	}
	if err := s.signer.CheckMint(p); err != nil {
		return nil, err
	}
	var err error
	if p.TTL, err = optionalDuration(r.GetTtl(), "ttl"); err != nil {
		return nil, err
	}
	c, err := s.signer.Sign(ctx, playback.NewEntry(p), signer.Request{ClientIP: r.GetClientIp()})
	if err != nil {
		return nil, err
	}
	return &tokensvcv1.MintTokenResponse{Credential: credentialProto(c)}, nil
}

// VerifyToken implements TokenService.
func (s *tokenService) VerifyToken(ctx context.Context, r *tokensvcv1.VerifyTokenRequest) (*tokensvcv1.VerifyTokenResponse, error) {
	now := s.now()
	out := &tokensvcv1.VerifyTokenResponse{ServerTime: timestamppb.New(now)}
	scheme, options, err := s.signer.SchemeOf(r.GetTargetId())
	if err != nil {
		return nil, err
	}
	presented, err := schemes.Present(scheme, options, r.GetToken(), r.GetResource(), r.GetClientIp())
	if err != nil {
		return s.verdict(out, err)
	}
	key, err := s.signer.Verify(ctx, r.GetTargetId(), presented, now)
	if err != nil {
		return s.verdict(out, err)
	}
	out.Valid, out.Key = true, key.Ref
	return out, nil
}

// verdict makes an answer of a refused token, and an error of everything else.
func (s *tokenService) verdict(out *tokensvcv1.VerifyTokenResponse, err error) (*tokensvcv1.VerifyTokenResponse, error) {
	var refused *tokens.Error
	if !errors.As(err, &refused) || !errors.Is(err, tokens.ErrRefused) {
		return nil, err
	}
	out.Reason, out.Message = string(refused.Reason), sound(refused.Message)
	return out, nil
}

// ExplainToken implements TokenService.
func (s *tokenService) ExplainToken(ctx context.Context, r *tokensvcv1.ExplainTokenRequest) (*tokensvcv1.ExplainTokenResponse, error) {
	now := s.now()
	var e tokens.Explanation
	if r.GetTargetId() == "" {
		name := r.GetScheme()
		if name == "" {
			var err error
			if name, err = schemes.Detect(r.GetToken()); err != nil {
				return nil, err
			}
		}
		scheme, err := schemes.New(name, keystore.SchemeOptions{})
		if err != nil {
			return nil, err
		}
		presented, err := schemes.Present(name, keystore.SchemeOptions{}, r.GetToken(), r.GetResource(), r.GetClientIp())
		if err != nil {
			return nil, err
		}
		e = scheme.Explain(presented, now)
	} else {
		name, options, err := s.signer.SchemeOf(r.GetTargetId())
		if err != nil {
			return nil, err
		}
		if r.GetScheme() != "" && r.GetScheme() != name {
			return nil, tokens.ParamError(tokens.InvalidArgument, "scheme", "tokens of target %q are %s; leave the scheme out", r.GetTargetId(), name)
		}
		presented, err := schemes.Present(name, options, r.GetToken(), r.GetResource(), r.GetClientIp())
		if err != nil {
			return nil, err
		}
		if e, err = s.signer.Explain(ctx, r.GetTargetId(), presented, now); err != nil {
			return nil, err
		}
	}
	return explanationProto(e, now), nil
}

// sound replaces what is not UTF-8: a message that holds it cannot be sent.
func sound(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// explanationProto makes an answer that can be sent, whatever bytes the token hid.
func explanationProto(e tokens.Explanation, now time.Time) *tokensvcv1.ExplainTokenResponse {
	out := &tokensvcv1.ExplainTokenResponse{Scheme: e.Scheme, ServerTime: timestamppb.New(now)}
	for _, f := range e.Fields {
		out.Fields = append(out.Fields, &tokensvcv1.TokenField{Name: sound(f.Name), Value: sound(f.Value), Note: sound(f.Note)})
	}
	for _, c := range e.Checks {
		out.Checks = append(out.Checks, &tokensvcv1.TokenCheck{Name: c.Name, Outcome: checkOutcomeProto(c.Outcome), Reason: string(c.Reason), Message: sound(c.Message)})
	}
	return out
}

func checkOutcomeProto(o tokens.Outcome) tokensvcv1.CheckOutcome {
	switch o {
	case tokens.Passed:
		return tokensvcv1.CheckOutcome_CHECK_OUTCOME_PASSED
	case tokens.Failed:
		return tokensvcv1.CheckOutcome_CHECK_OUTCOME_FAILED
	case tokens.NotChecked:
		return tokensvcv1.CheckOutcome_CHECK_OUTCOME_NOT_CHECKED
	default:
		return tokensvcv1.CheckOutcome_CHECK_OUTCOME_UNSPECIFIED
	}
}
