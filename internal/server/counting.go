package server

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tokensvc/tokensvc/internal/obs"
)

// counting counts the calls that come by one door. Its methods are known once all services are registered.
type counting struct {
	calls *obs.Calls
	now   func() time.Time
}

// know names the methods of all services.
func (c *counting) know(services map[string]grpc.ServiceInfo) {
	var names []string
	for service, info := range services {
		for _, m := range info.Methods {
			names = append(names, "/"+service+"/"+m.Name)
		}
	}
	var all []string
	for code := range codes.Unauthenticated + 1 { // the last there is
		all = append(all, code.String())
	}
	c.calls = obs.NewCalls(names, all)
}

// ended counts a call of a method that began at a time.
func (c *counting) ended(method string, began time.Time, err error) {
	code := status.Code(err)
	if code > codes.Unauthenticated {
		code = codes.Unknown
	}
	c.calls.Count(method, int(code), c.now().Sub(began))
}

// around counts what inner answers. It composes by itself: chain would cost each call a closure more.
func (c *counting) around(inner grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		began := c.now()
		answer, err := inner(ctx, req, info, handler)
		c.ended(info.FullMethod, began, err)
		return answer, err
	}
}

func (c *counting) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	began := c.now()
	err := handler(srv, stream)
	c.ended(info.FullMethod, began, err)
	return err
}

// CallCounts returns the calls that were answered since the server was made, by transport, method and code, and how
// long they took, by transport and method.
func (s *Server) CallCounts() (byCode, took []obs.Sample) {
	byCode, took = s.overGRPC.calls.Samples("grpc")
	byCodeHTTP, tookHTTP := s.overHTTP.calls.Samples("http")
	return append(byCode, byCodeHTTP...), append(took, tookHTTP...)
}
