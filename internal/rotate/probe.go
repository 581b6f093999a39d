package rotate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
)

// Prober asks an edge whether it accepts a signed URL. The error says that it could not be asked.
type Prober interface {
	Probe(ctx context.Context, target keystore.Target, signedURL string) (accepted bool, err error)
}

// probeLife is how long the token of a probe lives.
const probeLife = time.Minute

// probe asks the edge about a key, and counts the answers in a row that accept or refuse it.
func (s *session) probe(ctx context.Context, version int) error {
	signed, err := s.probeURL(version)
	if err != nil {
		return err
	}
	var accepted bool
	err = s.call(ctx, func(ctx context.Context) (err error) {
		accepted, err = s.prober.Probe(ctx, s.target, signed)
		return err
	})
	s.m.Probed = s.clock()
	if s.m.ProbedKey != version {
		s.m.ProbedKey, s.m.Probes, s.m.Refusals = version, 0, 0
	}
	switch {
	case err != nil:
		s.m.Probes, s.m.Refusals = 0, 0
	case accepted:
		s.m.Probes, s.m.Refusals = s.m.Probes+1, 0
	default:
		s.m.Probes, s.m.Refusals = 0, s.m.Refusals+1
	}
	return err
}

// probeURL signs the target's probe URL with a key.
func (s *session) probeURL(version int) (string, error) {
	to, err := s.record.Key(version)
	if err != nil {
		return "", err
	}
	secret, err := s.sealer.Open(keystore.Binding{Target: s.target.ID, Version: to.Version}, to.Sealed)
	if err != nil {
		return "", err
	}
	key, err := prepare(s.target, to.KID, secret)
	if err != nil {
		return "", err
	}
	p, err := probePlayback(s.target)
	if err != nil {
		return "", err
	}
	now := s.clock()
	params, err := p.Params(&s.target, playback.Viewing{Expire: now.Add(min(probeLife, s.target.MaxTokenLifetime)).Truncate(time.Second)})
	if err != nil {
		return "", err
	}
	credential, err := key.Sign(params, now)
	if err != nil {
		return "", err
	}
	return schemes.Place(s.target.Scheme, s.target.Options, p.URL, credential.Token), nil
}

// probePlayback reads from a target's probe URL what its token has to be bound to.
func probePlayback(t keystore.Target) (*playback.Playback, error) {
	raw := t.Policy.ProbeURL
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("probe URL of target %s: %w", t.ID, err)
	}
	p := &playback.Playback{TargetID: t.ID, URL: raw}
	switch t.Scheme {
	case schemes.WowzaHdnts: // /1/STREAM_ID/… or /2/STREAM_ID/…
		parts := strings.Split(u.Path, "/")
		if len(parts) < 4 {
			return nil, fmt.Errorf("probe URL of target %s: want a path of the form /1/STREAM_ID/…", t.ID)
		}
		p.Hdnts = &playback.Hdnts{StreamID: parts[2]}
	case schemes.QencodeJWT: // /PLAYBACK_ID.m3u8, or an object key
		p.Qencode = &playback.Qencode{URI: strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), ".m3u8")}
	case schemes.AkamaiEdgeAuth:
		p.EdgeAuth = &playback.EdgeAuth{URLPath: u.EscapedPath()}
	default:
		p.Agora = &playback.Agora{}
	}
	return p, nil
}

// HTTPProber fetches the URL: a 2xx accepts, 401 and 403 refuse, anything else says nothing of the token.
type HTTPProber struct {
	// Client needs a time-out and must not follow redirects.
	Client *http.Client
}

// Probe implements Prober. Errors never hold the URL, which carries a token.
func (p HTTPProber) Probe(ctx context.Context, target keystore.Target, signedURL string) (accepted bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, signedURL, http.NoBody)
	if err != nil {
		return false, fmt.Errorf("probe of target %s: not a URL", target.ID)
	}
	response, err := p.Client.Do(request)
	if err != nil {
		if failure, ok := errors.AsType[*url.Error](err); ok {
			err = failure.Err
		}
		return false, fmt.Errorf("probe of target %s: %w", target.ID, err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	_, _ = io.CopyN(io.Discard, response.Body, 4096)
	switch {
	case response.StatusCode >= 200 && response.StatusCode < 300:
		return true, nil
	case response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden:
		return false, nil
	default:
		return false, fmt.Errorf("probe of target %s: the edge answers HTTP %d", target.ID, response.StatusCode)
	}
}
