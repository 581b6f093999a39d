package server

import (
	"net/http"

	"google.golang.org/grpc/codes"

	"github.com/tokensvc/tokensvc/tokens"
)

// CodeOf lets the tests compare the table of codes with its documentation.
func CodeOf(r tokens.Reason) codes.Code { return codeOf(r) }

// HTTPStatusOf does the same for HTTP.
func HTTPStatusOf(r tokens.Reason) int { return httpStatus(statusOf(codeOf(r), r, "")) }

// Handler is what ServeHTTP serves, to ask it when its listener is closed.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// FanOut is fanOut.
func FanOut(n, width int, fn func(int)) { fanOut(n, width, fn) }

// PatternWords is patternWords.
func PatternWords(pattern string) string { return patternWords(pattern) }
