package agora_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/agora"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	sandbox "github.com/tokensvc/tokensvc/internal/sandbox/provider/agora"
	"github.com/tokensvc/tokensvc/tokens"
)

func TestSetReadsBack(t *testing.T) {
	secret := tokens.NewSecret([]byte(secondKey))
	for name, c := range map[string]struct {
		rule func(*sandbox.Server) fault.Rule
		want error
	}{
		"goes well": {func(*sandbox.Server) fault.Rule { return fault.Rule{Call: "none"} }, nil},
		"another writer in between": {func(s *sandbox.Server) fault.Rule {
			return fault.Rule{Call: sandbox.CallGetDomain, From: 2, Fault: fault.Foreign(func() {
				if err := s.PersonSetsAuthKey(play, tokens.NewSecret([]byte("someoneelseskey1"))); err != nil {
					t.Error(err)
				}
			})}
		}, provider.ErrAmbiguous},
		"the read is denied": {func(*sandbox.Server) fault.Rule {
			return fault.Rule{Call: sandbox.CallGetDomain, From: 2, Fault: fault.Status(401)}
		}, provider.ErrAmbiguous},
		"the domain is gone": {func(*sandbox.Server) fault.Rule {
			return fault.Rule{Call: sandbox.CallGetDomain, From: 2, Fault: fault.Status(404)}
		}, provider.ErrAmbiguous},
		"the read is lost, forever": {func(*sandbox.Server) fault.Rule {
			return fault.Rule{Call: sandbox.CallGetDomain, From: 2, Times: fault.Forever, Fault: fault.LostBefore()}
		}, provider.ErrAmbiguous},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, time.Now, nil)
			s.plan.Add(c.rule(s.server))
			err := newClient(t, s.serve(t), nil).Set(t.Context(), agora.Resource(play), secret)
			if !errors.Is(err, c.want) || errors.Is(err, provider.ErrGone) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// TestSetReadsFirst: what stands already is not written again, and while nothing was written nothing is in doubt.
func TestSetReadsFirst(t *testing.T) {
	for name, c := range map[string]struct {
		key  string
		rule fault.Rule
		want error
	}{
		"it stands already":    {firstKey, fault.Rule{Call: sandbox.CallSetAuthKey, Fault: fault.Status(500)}, nil},
		"the read is lost":     {secondKey, fault.Rule{Call: sandbox.CallGetDomain, Times: fault.Forever, Fault: fault.LostBefore()}, provider.ErrThrottled},
		"the read is denied":   {secondKey, fault.Rule{Call: sandbox.CallGetDomain, Fault: fault.Status(401)}, provider.ErrDenied},
		"the domain is gone":   {secondKey, fault.Rule{Call: sandbox.CallGetDomain, Fault: fault.Status(404)}, provider.ErrGone},
		"nothing fit to read":  {secondKey, fault.Rule{Call: sandbox.CallGetDomain, Fault: fault.HTML(200)}, provider.ErrThrottled},
		"the key cannot stand": {"short", fault.Rule{Call: sandbox.CallGetDomain, Fault: fault.Status(500)}, provider.ErrRejected},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, time.Now, nil)
			s.plan.Add(c.rule)
			err := newClient(t, s.serve(t), nil).Set(t.Context(), agora.Resource(play), tokens.NewSecret([]byte(c.key)))
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if n := s.plan.Count(sandbox.CallSetAuthKey); n != 0 {
				t.Errorf("written %d times", n)
			}
		})
	}
}

func TestNewAuthKeysAreGoodAndDiffer(t *testing.T) {
	s := newStand(t, time.Now, nil)
	c := newClient(t, s.serve(t), nil)
	a, b := agora.NewAuthKey(), agora.NewAuthKey()
	if a.Equal(b) {
		t.Error("two keys are the same")
	}
	if err := c.Set(t.Context(), agora.Resource(play), a); err != nil {
		t.Error(err)
	}
}
