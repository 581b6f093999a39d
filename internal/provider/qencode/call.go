package qencode

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/tokens"
)

// call makes a call with the account's access token and reads its answer into out; nil wants no more than
// an acknowledgement. A token that the provider refuses is renewed once and the call made once more: what
// was refused for its token was not applied.
func (c *Client) call(ctx context.Context, host *rest.Client, r rest.Request, out any) error {
	ctx, cancel := context.WithTimeout(ctx, host.MaxCall())
	defer cancel()
	var used, refused tokens.Secret
	r.Sign = func(req *http.Request, _ []byte) error {
		token, err := c.session.token(req.Context(), refused)
		if err != nil {
			return err
		}
		used = token
		req.Header.Set("Authorization", "Bearer "+string(token.Reveal()))
		return nil
	}
	resp, err := host.Do(ctx, r)
	if err != nil && isTokenRefused(resp, err) {
		first := err
		refused = used
		if resp, err = host.Do(ctx, r); err != nil {
			err = stillInDoubt(first, err)
		}
	}
	defer clear(resp.Body)
	switch {
	case err != nil:
		return err
	case out == nil:
		return acknowledged(resp)
	}
	return rest.Decode(resp, out)
}

// isTokenRefused reports whether a new access token may help. An answer to the login is not among resp.
func isTokenRefused(resp rest.Response, err error) bool {
	failure, ok := errors.AsType[*provider.Error](err)
	if !ok || resp.Status == 0 {
		return false
	}
	switch failure.Code {
	case codeBadToken, codeUnknownToken:
		return true
	case codeBadAPIKey, codeUnknownAPIKey, codeSuspended:
		return false
	}
	return resp.Status == http.StatusUnauthorized
}

// stillInDoubt returns second, which followed first: if that left open whether the call was applied, the
// second cannot say that it was not.
func stillInDoubt(first, second error) error {
	failure, ok := errors.AsType[*provider.Error](second)
	if !ok || !errors.Is(first, provider.ErrAmbiguous) || failure.Gone {
		return second
	}
	doubtful := *failure
	doubtful.Class = provider.ErrAmbiguous
	return &doubtful
}

// acknowledged wants the answer of calls that have nothing to tell.
func acknowledged(resp rest.Response) error {
	var answer struct {
		Status string `json:"status"`
	}
	if err := rest.Decode(resp, &answer); err != nil {
		return err
	}
	if answer.Status != "ok" {
		return resp.Unreadable(`the answer does not say "ok"`)
	}
	return nil
}

// withBody adds a JSON body to a request.
func withBody(r rest.Request, body any) (rest.Request, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return rest.Request{}, refused(r.Call, "the request cannot be written as JSON")
	}
	r.Body = text
	r.Header = http.Header{"Content-Type": {"application/json"}}
	return r, nil
}

// send makes a call with a JSON body.
func (c *Client) send(ctx context.Context, host *rest.Client, r rest.Request, body, out any) error {
	r, err := withBody(r, body)
	if err != nil {
		return err
	}
	return c.call(ctx, host, r, out)
}

// refused is the error of a call that was not sent, for what the caller asked. detail says what would be
// right.
func refused(call, detail string) *provider.Error {
	return &provider.Error{Class: provider.ErrRejected, Provider: Name, Call: call, Detail: detail + "; nothing was sent"}
}

// unreadable is the error of an answer that says success and lacks what it should hold.
func unreadable(call, detail string) *provider.Error {
	return &provider.Error{Class: provider.ErrAmbiguous, Provider: Name, Call: call, Status: http.StatusOK, Detail: detail}
}
