package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
)

// Do makes a call, with as many tries as Request.Repeat and the bounds of the client allow. Every failure is a
// *provider.Error, an answer that is not 2xx too; then the Response is what was received of it.
func (c *Client) Do(ctx context.Context, r Request) (Response, error) {
	resp, failure := c.do(ctx, r)
	c.cfg.Observe(r.Call, failure)
	if failure != nil {
		return resp, failure
	}
	return resp, nil
}

func (c *Client) do(ctx context.Context, r Request) (Response, *provider.Error) {
	if fault := c.check(r); fault != "" {
		return Response{}, c.fail(r, provider.ErrRejected, fault)
	}
	deadline := c.cfg.Now().Add(c.cfg.MaxCall)
	ctx, cancel := context.WithTimeout(ctx, c.cfg.MaxCall)
	defer cancel()

	inDoubt := false // an earlier try may have been applied
	for try := 1; ; try++ {
		resp, failure := c.turn(ctx, r, try, deadline)
		if failure == nil {
			return resp, nil
		}
		inDoubt = inDoubt || r.Repeat == Idempotent && errors.Is(failure, provider.ErrAmbiguous)
		if !c.again(ctx, r, try, failure, deadline) {
			if inDoubt && !failure.Gone && !errors.Is(failure, provider.ErrAmbiguous) {
				failure.Class = provider.ErrAmbiguous
				failure.Detail = strings.TrimPrefix(failure.Detail+"; an earlier try may have been applied", "; ")
			}
			return resp, failure
		}
	}
}

// turn waits for the account's turn and makes one try.
func (c *Client) turn(ctx context.Context, r Request, try int, deadline time.Time) (Response, *provider.Error) {
	if err := c.cfg.Budget.take(ctx, c.cfg.Now(), deadline, c.cfg.Sleep); err != nil {
		detail := "the call ended before the request was sent"
		if errors.Is(err, errBudget) {
			detail = errBudget.Error()
		}
		return Response{}, c.fail(r, provider.ErrThrottled, detail)
	}
	return c.try(ctx, r, try)
}

// again waits before another try, or reports that there must be none.
func (c *Client) again(ctx context.Context, r Request, try int, failure *provider.Error, deadline time.Time) bool {
	now := c.cfg.Now()
	if failure.Status == http.StatusTooManyRequests {
		c.cfg.Budget.hold(now.Add(min(max(failure.RetryAfter, c.cfg.Backoff), maxBackoff)))
	}
	if r.Repeat == Once || try >= c.cfg.Tries || !isPassing(failure) || ctx.Err() != nil {
		return false
	}
	wait := min(c.cfg.Backoff<<min(try-1, 16), maxBackoff)
	wait = wait/2 + time.Duration(c.cfg.Jitter()*float64(wait/2))
	wait = max(wait, failure.RetryAfter)
	if wait > maxBackoff || now.Add(wait).After(deadline) {
		return false
	}
	return c.cfg.Sleep(ctx, wait) == nil
}

// isPassing reports whether a failure is of the kind that goes away: the network's, or an overloaded provider's.
func isPassing(failure *provider.Error) bool {
	switch failure.Status {
	case 0:
		return errors.Is(failure, provider.ErrAmbiguous) || failure.Detail == unreachable
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return failure.Status <= 299 && errors.Is(failure, provider.ErrThrottled)
	}
}

const unreachable = "the provider cannot be reached; nothing was sent"

// try sends the request once.
func (c *Client) try(ctx context.Context, r Request, try int) (Response, *provider.Error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, failure := c.build(ctx, r)
	if failure != nil {
		return Response{}, failure
	}
	sent := c.cfg.Now()
	answer, err := c.http.Do(req)
	resp := Response{Provider: c.cfg.Provider, Call: r.Call}
	switch {
	case err != nil && !connected.Load():
		failure = c.fail(r, provider.ErrThrottled, unreachable)
	case err != nil:
		failure = c.fail(r, provider.ErrAmbiguous, lost(err))
	default:
		resp, failure = c.read(r, answer, sent)
	}
	c.cfg.Log.LogAttrs(ctx, slog.LevelDebug, "provider call",
		slog.String("provider", c.cfg.Provider), slog.String("call", r.Call), slog.Int("try", try),
		slog.Int("status", resp.Status), slog.Duration("duration", c.cfg.Now().Sub(sent)),
		slog.String("request_id", resp.RequestID))
	return resp, failure
}

// build makes the signed request of one try.
func (c *Client) build(ctx context.Context, r Request) (*http.Request, *provider.Error) {
	target := *c.base
	path, err := url.PathUnescape(r.Path)
	if err != nil {
		return nil, c.fail(r, provider.ErrRejected, "the path is not escaped as it must be; nothing was sent")
	}
	target.RawPath = target.EscapedPath() + r.Path
	target.Path += path
	target.RawQuery = r.Query.Encode()
	req, err := http.NewRequestWithContext(ctx, r.Method, target.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, c.fail(r, provider.ErrRejected, "no request can be made of it; nothing was sent")
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	req.Header.Set("User-Agent", "tokensvc/"+c.cfg.Version)
	if r.Sign == nil {
		return req, nil
	}
	if err := r.Sign(req, r.Body); err != nil {
		return nil, c.unsigned(r, err)
	}
	return req, nil
}

// unsigned is the failure of a request that was not sent because Sign failed. Where Sign made a call of its own,
// that call may be in doubt; this one is not.
func (c *Client) unsigned(r Request, err error) *provider.Error {
	var own *provider.Error
	if !errors.As(err, &own) {
		return c.fail(r, provider.ErrRejected, "the request could not be signed; nothing was sent")
	}
	failure := *own
	if errors.Is(own, provider.ErrAmbiguous) {
		failure.Class = provider.ErrThrottled
	}
	return &failure
}

// read turns an answer into a Response, and into an error if it is not a success.
func (c *Client) read(r Request, answer *http.Response, sent time.Time) (Response, *provider.Error) {
	body, err := io.ReadAll(io.LimitReader(answer.Body, c.cfg.MaxBody+1))
	err = errors.Join(err, answer.Body.Close())
	tooLong := int64(len(body)) > c.cfg.MaxBody
	if err != nil || tooLong {
		body = nil
	}
	now := c.cfg.Now()
	resp := Response{
		Provider: c.cfg.Provider, Call: r.Call, Status: answer.StatusCode, Header: answer.Header, Body: body,
		RequestID: requestID(c.cfg.RequestID(answer.Header, body)), RetryAfter: retryAfter(answer.Header, now),
	}
	if date, bad := http.ParseTime(answer.Header.Get("Date")); bad == nil {
		// The header is cut to the second: half of one is the best guess.
		middle := sent.Add(now.Sub(sent) / 2)
		resp.Skew, resp.Dated = date.Add(time.Second/2).Sub(middle), true
		if c.cfg.OnSkew != nil {
			c.cfg.OnSkew(resp.Skew)
		}
	}
	if failure := Classify(resp); failure != nil {
		if c.cfg.Refine != nil {
			c.cfg.Refine(resp, failure)
		}
		return resp, failure
	}
	switch {
	case tooLong:
		return resp, resp.Unreadable("the answer is longer than this client reads")
	case err != nil:
		return resp, c.fail(r, provider.ErrAmbiguous, "the answer broke off")
	}
	if c.cfg.Judge != nil {
		return resp, c.cfg.Judge(resp)
	}
	return resp, nil
}

// check says what is wrong with a request, or "".
func (c *Client) check(r Request) string {
	switch {
	case r.Call == "" || r.Method == "" || !strings.HasPrefix(r.Path, "/") || strings.ContainsAny(r.Path, "?#\\"):
		return "a request needs a call, a method and a path that starts with a slash; nothing was sent"
	case int64(len(r.Body)) > c.cfg.MaxBody:
		return "the request is longer than this client sends; nothing was sent"
	}
	for segment := range strings.SplitSeq(r.Path, "/") {
		if plain, err := url.PathUnescape(segment); err != nil || plain == "." || plain == ".." {
			return "a path may have no dot segments; nothing was sent"
		}
	}
	return ""
}

func (c *Client) fail(r Request, class error, detail string) *provider.Error {
	return &provider.Error{Class: class, Provider: c.cfg.Provider, Call: r.Call, Detail: detail}
}

// lost says in our words how a request was lost. The error itself carries the URL.
func lost(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return "the call was given up before the answer came"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	default:
		return "the connection was lost before the answer came"
	}
}
