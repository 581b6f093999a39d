package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
)

const (
	maxID         = 128
	maxRetryAfter = 24 * time.Hour
)

// Classify makes the error of an answer by its status, or nil for 2xx. Only answers that say for certain that
// nothing was applied are anything else than provider.ErrAmbiguous.
func Classify(resp Response) *provider.Error {
	e := resp.fail(nil, "")
	switch {
	case resp.Status >= 200 && resp.Status <= 299:
		return nil
	case resp.Status >= 300 && resp.Status <= 399:
		e.Class, e.Detail = provider.ErrAmbiguous, "redirects are not followed; the base address may be wrong"
		return e
	}
	switch resp.Status {
	case http.StatusNotFound, http.StatusGone:
		e.Class, e.Gone = provider.ErrRejected, true
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusConflict, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity:
		e.Class = provider.ErrRejected
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Class = provider.ErrDenied
	case http.StatusTooManyRequests, http.StatusLocked:
		e.Class = provider.ErrThrottled
	default:
		e.Class = provider.ErrAmbiguous
	}
	return e
}

// Decode reads the body of an answer into v. The body has to be one JSON object; members that v does not know
// are ignored. An answer that cannot be read is provider.ErrAmbiguous.
func Decode(resp Response, v any) error {
	body := bytes.TrimSpace(resp.Body)
	if len(body) == 0 || body[0] != '{' {
		return resp.Unreadable("the answer is no JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(v); err != nil {
		return resp.Unreadable("the answer is no JSON object of the expected form")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return resp.Unreadable("the answer goes on behind its JSON object")
	}
	return nil
}

// Unreadable is the error of an answer that says success and yet cannot be understood. detail is in our own
// words.
func (r Response) Unreadable(detail string) *provider.Error {
	return r.fail(provider.ErrAmbiguous, detail)
}

func (r Response) fail(class error, detail string) *provider.Error {
	return &provider.Error{
		Class: class, Provider: r.Provider, Call: r.Call, Status: r.Status,
		RequestID: r.RequestID, RetryAfter: r.RetryAfter, Detail: detail,
	}
}

// Code returns a provider's own error code if it is made of letters, digits, "-" and "_" and short enough to be
// one, else "".
func Code(s string) string { return keep(s, 64, "-_") }

func requestID(s string) string { return keep(s, maxID, "-_.:") }

func keep(s string, longest int, others string) string {
	if len(s) > longest {
		return ""
	}
	for _, c := range []byte(s) {
		isAlnum := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !isAlnum && strings.IndexByte(others, c) < 0 {
			return ""
		}
	}
	return s
}

// retryAfter reads a Retry-After header in both its forms; what cannot be read is 0.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
