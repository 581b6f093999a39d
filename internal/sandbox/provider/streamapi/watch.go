package streamapi

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// callbackTime is how long the site may take to answer.
const callbackTime = 5 * time.Second

// ErrNotAdmitted says that the site refused the viewer, or did not answer as it has to.
var ErrNotAdmitted = errors.New("the viewer is not admitted")

// Watch is a viewer's player that joins a session with a viewer key. For a private session the site is asked by
// the call-back action=login. Errors wrap ErrNotAdmitted; they hold the site's message, never the key.
func (s *Server) Watch(ctx context.Context, publicID, viewerKey, userIP string) error {
	h := s.byPublic(publicID)
	switch {
	case h == nil || h.live.IsZero():
		return fmt.Errorf("%w: the session is not live", ErrNotAdmitted)
	case !h.isPrivate:
		return nil
	case s.cfg.CallbackURL == "":
		return fmt.Errorf("%w: the account has no Callback URL", ErrNotAdmitted)
	}
	form := url.Values{"action": {"login"}, "public_hostid": {publicID}, "key": {viewerKey}, "userip": {userIP}}
	answer, err := s.callBack(ctx, form)
	switch {
	case err != nil:
		return fmt.Errorf("%w: the site's call-back failed", ErrNotAdmitted)
	case answer.Code == nil || *answer.Code != 0 || answer.User.Name == "":
		return fmt.Errorf("%w: %s", ErrNotAdmitted, answer.Message)
	}
	return nil
}

// callbackAnswer is what the site answers.
type callbackAnswer struct {
	Code    *int   `xml:"code"`
	Message string `xml:"message"`
	User    struct {
		Name string `xml:"name"`
		Role string `xml:"role"`
	} `xml:"user"`
}

func (s *Server) callBack(ctx context.Context, form url.Values) (answer callbackAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, callbackTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.CallbackURL, strings.NewReader(form.Encode()))
	if err != nil {
		return answer, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return answer, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return answer, err
	}
	if resp.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("status %d", resp.StatusCode)
	}
	err = xml.Unmarshal(body, &answer)
	return answer, err
}
