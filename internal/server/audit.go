package server

import (
	"context"
	"log/slog"
	"path"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/obs"
)

// auditCalls writes one line for every call that administers something or mints a token, refused or
// not: what was done to which target, playback and key version, and how it ended. It never writes a
// secret, a token or any other part of a request.
func auditCalls(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		answer, err := handler(ctx, req)
		act := path.Base(info.FullMethod)
		if !administers(act) {
			return answer, err
		}
		attrs := []slog.Attr{slog.Bool("audit", true), slog.String("act", act), slog.String("request_id", obs.RequestID(ctx))}
		attrs = append(attrs, subject(req, answer)...)
		s := status.Convert(err)
		attrs = append(attrs, slog.String("code", s.Code().String()))
		if err != nil {
			attrs = append(attrs, slog.String("reason", reasonIn(s)))
		}
		log.LogAttrs(ctx, slog.LevelInfo, "audit", attrs...)
		return answer, err
	}
}

// administers reports whether an RPC changes something, or signs past the catalogue, by the verb that
// its name begins with.
func administers(act string) bool {
	for _, verb := range []string{"Create", "Update", "Delete", "Import", "Activate", "Retire", "Destroy", "Mint", "Start", "BatchCreate", "Revoke", "Lift"} {
		if strings.HasPrefix(act, verb) {
			return true
		}
	}
	return false
}

// subject names what a call was about.
func subject(req, answer any) []slog.Attr {
	var attrs []slog.Attr
	text := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	switch r := req.(type) {
	case interface{ GetTargetId() string }:
		text("target", r.GetTargetId())
	case interface{ GetTarget() *tokensvcv1.Target }:
		text("target", r.GetTarget().GetId())
	case interface{ GetPlayback() *tokensvcv1.Playback }:
		text("playback", r.GetPlayback().GetId())
	case interface{ GetProduct() *tokensvcv1.Product }:
		text("product", r.GetProduct().GetId())
	case interface{ GetId() string }:
		text("id", r.GetId())
	}
	switch a := answer.(type) {
	case *tokensvcv1.CreateGrantResponse:
		text("grant", a.GetGrant().GetId())
	case *tokensvcv1.BatchCreateGrantsResponse:
		attrs = append(attrs, countGrants(a)...)
	case interface{ GetRevocation() *tokensvcv1.Revocation }:
		text("revocation", a.GetRevocation().GetId())
		attrs = append(attrs, slog.Int("sessions_ended", int(a.GetRevocation().GetSessionsEnded())))
	}
	version := int32(0)
	if r, ok := req.(interface{ GetVersion() int32 }); ok {
		version = r.GetVersion()
	}
	if a, ok := answer.(interface{ GetKey() *tokensvcv1.Key }); ok && a.GetKey() != nil {
		version = a.GetKey().GetVersion()
	}
	if version > 0 {
		attrs = append(attrs, slog.Int("version", int(version)))
	}
	if a, ok := answer.(*tokensvcv1.MintTokenResponse); ok && a.GetCredential() != nil {
		text("key", a.GetCredential().GetKey())
	}
	return attrs
}

// countGrants says how the grants of a batch came out.
func countGrants(a *tokensvcv1.BatchCreateGrantsResponse) []slog.Attr {
	made, repeated, refused := 0, 0, 0
	for _, o := range a.GetOutcomes() {
		switch {
		case o.GetError() != nil:
			refused++
		case o.GetRepeatedCall():
			repeated++
		default:
			made++
		}
	}
	return []slog.Attr{slog.Int("grants_made", made), slog.Int("grants_repeated", repeated), slog.Int("grants_refused", refused)}
}
