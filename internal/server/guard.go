package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tokensvc/tokensvc/tokens"
)

// guard protects a listener whose callers are not authenticated: anyone's page could otherwise make a
// browser on this machine write to it, by a foreign origin or a rebound DNS name.
func guard(next http.Handler, maxBody int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if s := inspect(r); s != nil {
			writeError(w, r, s)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			writeError(w, r, statusOf(codes.ResourceExhausted, tokens.RequestTooLarge, fmt.Sprintf("the body is over the limit of %d bytes; send less, or raise limits.max_body", maxBody)))
			return
		case err != nil:
			writeError(w, r, statusOf(codes.InvalidArgument, tokens.InvalidArgument, "the body could not be read to its end"))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// OnLoopback protects another listener on loopback that only shows things, as guard does the API.
func OnLoopback(next http.Handler) http.Handler { return guard(next, 0) }

func inspect(r *http.Request) *status.Status {
	if !isLoopbackHost(r.Host) {
		return statusOf(codes.PermissionDenied, tokens.ForbiddenOrigin, "the Host header must name this machine's loopback (127.0.0.1, [::1] or localhost); callers are not authenticated yet")
	}
	if origin := r.Header.Get("Origin"); origin != "" && !strings.EqualFold(origin, "http://"+r.Host) {
		return statusOf(codes.PermissionDenied, tokens.ForbiddenOrigin, "pages of another origin may not call this service; call it from your server")
	}
	if query, err := url.QueryUnescape(r.URL.RawQuery); err != nil || !utf8.ValidString(query) || !utf8.ValidString(r.URL.Path) {
		return statusOf(codes.InvalidArgument, tokens.InvalidArgument, "the path and the query must be percent-encoded UTF-8")
	}
	if !isClean(r.URL.Path) {
		return statusOf(codes.NotFound, tokens.NotFound, "there is nothing at a path with empty or dotted parts; /openapi.json lists the API")
	}
	switch r.Method {
	case http.MethodPost, http.MethodPatch, http.MethodPut:
		media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || media != "application/json" {
			return statusOf(codes.InvalidArgument, tokens.UnsupportedMediaType, "send a body with Content-Type: application/json")
		}
	}
	return nil
}

// isClean reports whether a path names what it leads to, so that nobody is sent elsewhere.
func isClean(p string) bool {
	return p == "/" || path.Clean(p) == strings.TrimSuffix(p, "/")
}

// isLoopbackHost reads a Host header.
func isLoopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func statusOf(code codes.Code, reason tokens.Reason, message string) *status.Status {
	s, err := status.New(code, message).WithDetails(&errdetails.ErrorInfo{Reason: string(reason), Domain: Domain})
	if err != nil {
		return status.New(code, message)
	}
	return s
}
