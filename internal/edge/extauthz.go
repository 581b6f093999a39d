package edge

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"

	"github.com/tokensvc/tokensvc/internal/clientaddr"
	"github.com/tokensvc/tokensvc/tokens"
)

// ExtAuthz answers Envoy: envoy.service.auth.v3.Authorization, which other proxies speak too.
type ExtAuthz struct {
	authv3.UnimplementedAuthorizationServer
	*Decider

	// Trusted are the proxies that may ask, and whose x-forwarded-for is believed.
	Trusted []netip.Prefix
}

// Check implements envoy.service.auth.v3.Authorization. A refusal is an answer, not an error: with an error
// Envoy does what its failure_mode_allow says.
func (x *ExtAuthz) Check(ctx context.Context, r *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	answer := x.judge(ctx, r.GetAttributes())
	x.Tally.Count(ConventionEnvoy, answer.Outcome)
	if answer.Outcome == Allowed {
		ok := &authv3.OkHttpResponse{ResponseHeadersToAdd: []*corev3.HeaderValueOption{}}
		if answer.Cookie != nil {
			cookie := option("set-cookie", written(answer.Cookie))
			cookie.AppendAction = corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD // beside the origin's own
			ok.ResponseHeadersToAdd = append(ok.ResponseHeadersToAdd, cookie)
		}
		ok.Headers = append(ok.Headers, option("x-tokensvc-playback", answer.Playback))
		return &authv3.CheckResponse{
			Status: &status.Status{Code: int32(codes.OK)}, HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: ok},
		}, nil
	}
	return &authv3.CheckResponse{
		Status: &status.Status{Code: int32(codeOf(answer.Outcome)), Message: string(answer.Reason)}, //nolint:gosec // under 17
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status:  &typev3.HttpStatus{Code: typev3.StatusCode(answer.Status())}, //nolint:gosec // an HTTP status
			Headers: []*corev3.HeaderValueOption{option("x-tokensvc-reason", string(answer.Reason)), option("cache-control", "no-store")},
			Body:    string(answer.Reason) + ": " + answer.Detail + "\n",
		}},
	}, nil
}

func (x *ExtAuthz) judge(ctx context.Context, a *authv3.AttributeContext) Answer {
	if p, ok := peer.FromContext(ctx); !ok || !clientaddr.Trusts(x.Trusted, addrOf(p.Addr.String())) {
		return refusal(tokens.Refuse(tokens.ForbiddenOrigin, "only trusted proxies may ask; name this one in trusted_proxies"))
	}
	http1 := a.GetRequest().GetHttp()
	if http1.GetPath() == "" {
		return refusal(malformed("the request has no attributes.request.http.path"))
	}
	headers := http1.GetHeaders()
	from, err := netip.ParseAddr(a.GetSource().GetAddress().GetSocketAddress().GetAddress())
	ask := &Ask{URI: http1.GetPath(), Cookies: cookiesOf(parseCookies(headers["cookie"])), Secure: http1.GetScheme() == "https" || headers["x-forwarded-proto"] == "https"}
	if err == nil {
		var forwarded []string
		if line, ok := headers["x-forwarded-for"]; ok {
			forwarded = []string{line}
		}
		ask.ClientIP = clientaddr.From(from, forwarded, x.Trusted)
	}
	return x.Decide(ctx, ask)
}

func codeOf(o Outcome) codes.Code {
	switch o {
	case Unauthenticated:
		return codes.Unauthenticated
	case Unknown:
		return codes.Unavailable
	case Allowed:
		return codes.OK
	case Refused:
		return codes.PermissionDenied
	default:
		return codes.PermissionDenied
	}
}

func option(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, Value: value},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}

// addrOf reads the address of HOST:PORT; the zero Addr where there is none.
func addrOf(hostport string) netip.Addr {
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr()
}

// parseCookies reads a Cookie header; what is no cookie is left out.
func parseCookies(line string) []*http.Cookie {
	if !strings.Contains(line, CookiePrefix) {
		return nil
	}
	return (&http.Request{Header: http.Header{"Cookie": {line}}}).Cookies()
}
