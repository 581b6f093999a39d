package qencode

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
)

// Codes of the vendor's errors that mean something for this API, from its other APIs.
const (
	codeBadAPIKey     = "2"
	codeUnknownAPIKey = "3"
	codeBadToken      = "4"
	codeUnknownToken  = "5"
	codeSuspended     = "6"
	codeBusy          = "8"
)

// judge says whether an answer of status 2xx is a failure, as rest.Config.Judge. The vendor's APIs answer
// failures so, with an error member that is not 0, false or null.
func judge(resp rest.Response) *provider.Error {
	code, after, failed := errorMember(resp.Body)
	if !failed {
		return nil
	}
	e := resp.Unreadable("the provider says that it failed")
	e.Code, e.RetryAfter = code, max(e.RetryAfter, after)
	if detail, class := meaning(code); class != nil {
		e.Class, e.Detail = class, detail
	}
	return e
}

// refine adds the vendor's code to the error of an HTTP status, as rest.Config.Refine.
func refine(resp rest.Response, e *provider.Error) {
	code, after, failed := errorMember(resp.Body)
	if !failed {
		return
	}
	e.Code, e.RetryAfter = code, max(e.RetryAfter, after)
	switch resp.Status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden:
		if detail, class := meaning(code); class != nil {
			e.Class, e.Detail = class, detail
		}
	}
}

// errorMember reads the error of an answer: its code, if it has one that can be shown, and how long to wait.
// The texts beside it stay unread.
func errorMember(body []byte) (code string, after time.Duration, failed bool) {
	var answer struct {
		Error      any `json:"error"`
		RetryAfter any `json:"retry_after"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return "", 0, false
	}
	switch e := answer.Error.(type) {
	case nil:
		return "", 0, false
	case bool:
		failed = e
	case float64:
		failed = e != 0
		code = rest.Code(strconv.FormatFloat(e, 'f', -1, 64))
	case string:
		failed = true
		code = rest.Code(e)
	default:
		failed = true
	}
	const longest = 24 * 60 * 60
	if seconds, ok := answer.RetryAfter.(float64); ok && seconds > 0 {
		after = time.Duration(min(seconds, longest) * float64(time.Second))
	}
	return code, after, failed
}

// meaning returns what a code says, in our words, and the class of its failure; nil for a code that leaves
// open whether the call was applied.
func meaning(code string) (detail string, class error) {
	switch code {
	case codeBadAPIKey, codeUnknownAPIKey:
		return "the API key is not accepted; it is that of a live streaming project", provider.ErrDenied
	case codeBadToken, codeUnknownToken:
		return "the access token is not accepted", provider.ErrDenied
	case codeSuspended:
		return "the service is suspended for this account, for its billing and not its credentials", provider.ErrDenied
	case codeBusy:
		return "the provider is busy", provider.ErrThrottled
	case "9":
		return "the request is too long for the provider", provider.ErrRejected
	case "10", "11", "12", "13", "14", "19":
		return "the provider finds a fault in the request", provider.ErrRejected
	}
	return "", nil
}
