package wowza

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
)

// envelope is the body of an error. request_id is a sibling of meta.
type envelope struct {
	Meta struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"meta"`
	RequestID string `json:"request_id"`
}

// requestID reads Wowza's id of a failed call; answers that went well carry none.
func requestID(h http.Header, body []byte) string {
	var e envelope
	if json.Unmarshal(body, &e) == nil && e.RequestID != "" {
		return e.RequestID
	}
	return h.Get("X-Request-Id")
}

// refine reads Wowza's own code, and tells apart what shares a status.
func (c *Client) refine(resp rest.Response, failure *provider.Error) {
	var e envelope
	if err := json.Unmarshal(resp.Body, &e); err == nil && isCode(e.Meta.Code) {
		failure.Code = e.Meta.Code
	}
	_, name, _ := strings.Cut(strings.TrimPrefix(failure.Code, "ERR-"), "-")
	switch resp.Status {
	case http.StatusUnauthorized:
		failure.Detail = unauthorized(name, resp)
	case http.StatusForbidden:
		failure.Detail = "the credentials may not do this; the target may belong to another account, or the role may lack the right"
	case http.StatusNotFound:
		failure.Detail = "there is none of this kind; a target of another kind may have this id"
	case http.StatusGone:
		failure.Detail = "it was deleted"
	case http.StatusConflict:
		failure.Detail = "a limit of the account is reached; Wowza counts over hours, so wait, or ask Wowza for more"
	case http.StatusUnprocessableEntity:
		if strings.Contains(strings.ToLower(e.Meta.Message), "geoblock") {
			failure.Detail = "the security settings of the target are too long together, secret included; shorten its list of IP addresses, countries or referers"
		}
	case http.StatusLocked:
		failure.Detail = "Wowza is still busy with an earlier change of this resource"
	}
}

// unauthorized says which of the many things it is that Wowza answers 401 to.
func unauthorized(name string, resp rest.Response) string {
	switch name {
	case "BadAccountStatus":
		return "the account is suspended or closed; the credentials are not at fault"
	case "FeatureNotEnabled":
		return "the account does not have this feature; the credentials are not at fault"
	case "TrialExceeded":
		return "the account's trial is used up; the credentials are not at fault"
	case "ExpiredToken":
		return "the JWT has expired; make a new one in Wowza's token management"
	case "InvalidToken":
		return "the JWT is not valid"
	case "InvalidSignature":
		if resp.Dated && resp.Skew.Abs() > maxSkew {
			return clockDetail(resp.Skew)
		}
		return "the signature is refused although the clocks agree: the API key is wrong, or the access key is switched off"
	case "NoApiKey", "NoAccessKey", "InvalidApiKey", "InvalidAccessKey":
		return "the access key or the API key is wrong or switched off"
	default:
		return "the credentials are refused"
	}
}

// isCode reports whether s looks like one of Wowza's codes: ERR-401-InvalidToken.
func isCode(s string) bool {
	after, found := strings.CutPrefix(rest.Code(s), "ERR-")
	status, name, cut := strings.Cut(after, "-")
	return found && cut && len(status) == 3 && name != ""
}
