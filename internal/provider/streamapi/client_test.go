package streamapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/providertest"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/provider/streamapi"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	sandbox "github.com/tokensvc/tokensvc/internal/sandbox/provider/streamapi"
	"github.com/tokensvc/tokensvc/tokens"
)

const (
	apiKey    = "UJZDE8GXD6NCF10EPF91DHODZDOC9IS0"
	secretKey = "J8HT9LGMXG9EDN581U33XTPLPFT75V2S"
	fmeKey    = "f1b8221d2b69"
)

func secret(text string) tokens.Secret { return tokens.NewSecret([]byte(text)) }

// stand is the stand-in behind a plan of faults.
type stand struct {
	plan    *fault.Plan
	server  *sandbox.Server
	handler http.Handler
}

func newStand(t *testing.T, change func(*sandbox.Config)) stand {
	t.Helper()
	plan := fault.New(time.Now)
	cfg := sandbox.Config{APIKey: apiKey, SecretKey: secret(secretKey), Now: plan.Now}
	if change != nil {
		change(&cfg)
	}
	server, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return stand{plan: plan, server: server, handler: plan.Handler(server.Call, server)}
}

func (s stand) serve(t *testing.T) (base string) {
	t.Helper()
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	return server.URL + "/service"
}

func newClient(t *testing.T, cfg rest.Config) *streamapi.Client {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Now = time.Now
	client, err := streamapi.New(streamapi.Config{
		HTTP:        cfg,
		Credentials: streamapi.Credentials{APIKey: apiKey, SecretKey: secret(secretKey)},
		RIDs:        openRIDs(t, filepath.Join(t.TempDir(), "rid"), time.Now),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestSuite(t *testing.T) {
	call := func(name string, do func(context.Context, *streamapi.Client) error) providertest.Call {
		// No call is ever repeated: the same request id must not go out twice.
		return providertest.Call{Name: name, Repeat: rest.Once, Do: func(ctx context.Context, p provider.Provider) error {
			client, ok := p.(*streamapi.Client)
			if !ok {
				return fmt.Errorf("a %T", p)
			}
			return do(ctx, client)
		}}
	}
	providertest.Run(t, providertest.Config{
		Stand: func(t *testing.T) providertest.Stand {
			t.Helper()
			s := newStand(t, nil)
			return providertest.Stand{Handler: s.handler, Plan: s.plan, Secrets: []tokens.Secret{secret(secretKey), secret(fmeKey)}}
		},
		New: func(t *testing.T, env providertest.Env) provider.Provider {
			t.Helper()
			return newClient(t, rest.Config{
				Base: env.Base + "/service", Log: env.Log, Sleep: env.Sleep, Timeout: env.Timeout, MaxCall: env.MaxCall,
			})
		},
		Calls: []providertest.Call{
			call(sandbox.CallCreateSession, func(ctx context.Context, c *streamapi.Client) error {
				_, err := c.CreateSession(ctx, streamapi.NewSession{FMEKey: secret(fmeKey)})
				return err
			}),
			call(sandbox.CallThemes, func(ctx context.Context, c *streamapi.Client) error {
				_, err := c.Themes(ctx)
				return err
			}),
		},
	})
}

func TestCalls(t *testing.T) {
	// Whatever the root is called, elements are found by name.
	for _, root := range []string{"response", "session", "a"} {
		t.Run(root, func(t *testing.T) {
			s := newStand(t, func(cfg *sandbox.Config) { cfg.Root = root })
			c, ctx := newClient(t, rest.Config{Base: s.serve(t)}), t.Context()
			secrets := cmp.Comparer(func(a, b tokens.Secret) bool { return a.Equal(b) })
			host, err := c.CreateSession(ctx, streamapi.NewSession{SiteUserID: "1000016132", Username: "Ann9", FMEKey: secret(fmeKey)})
			if err != nil || host.PublicID != "1000016132" || host.PrivateID.Len() != 32 {
				t.Fatalf("%+v, %v", host, err)
			}
			for name, get := range map[string]func() (streamapi.Host, error){
				"public":  func() (streamapi.Host, error) { return c.PublicID(ctx, host.PrivateID) },
				"private": func() (streamapi.Host, error) { return c.PrivateID(ctx, host.PublicID) },
			} {
				got, err := get()
				if err != nil || !cmp.Equal(host, got, secrets) {
					t.Errorf("%s id: %+v, %v", name, got, err)
				}
			}
			if _, isLive, err := c.LiveSession(ctx, host.PublicID); err != nil || isLive {
				t.Errorf("before it starts: live %v, %v", isLive, err)
			}
			if !s.server.GoLive(host.PrivateID) {
				t.Fatal("cannot go live")
			}
			live, isLive, err := c.LiveSession(ctx, host.PublicID)
			if err != nil || !isLive || live.Username != "Ann9" || time.Since(live.StartTime) > time.Minute || !cmp.Equal(host, live.Host, secrets) {
				t.Errorf("live %v, %+v, %v", isLive, live, err)
			}
			if list, err := c.LiveSessions(ctx); err != nil || len(list) != 1 || list[0].PublicID != host.PublicID {
				t.Errorf("%d live sessions, %v", len(list), err)
			}
			s.server.EndLive(host.PublicID)
			recorded, err := c.Recordings(ctx, host.PublicID, time.Now().Add(-time.Hour), time.Now())
			if err != nil || len(recorded) != 1 || recorded[0].ID != "1" || recorded[0].URL != "http://video.example/1.flv?a=1&b=2" {
				t.Errorf("%+v, %v", recorded, err)
			}
			if recorded, err := c.Recordings(ctx, "", time.Now().Add(time.Hour), time.Time{}); err != nil || len(recorded) != 0 {
				t.Errorf("recordings of the future: %+v, %v", recorded, err)
			}
			if themes, err := c.Themes(ctx); err != nil || len(themes) != 1 || themes[0].Width != 640 || themes[0].ID != "1" {
				t.Errorf("%+v, %v", themes, err)
			}
			if _, err := c.PrivateID(ctx, "7"); !errors.Is(err, provider.ErrGone) {
				t.Errorf("an id that nobody has: %v, want ErrGone", err)
			}
		})
	}
}

// TestAGreaterRIDWasSeen is another program with the same key: one raise is enough for a minute, and no more than
// one is made.
func TestAGreaterRIDWasSeen(t *testing.T) {
	s := newStand(t, nil)
	c := newClient(t, rest.Config{Base: s.serve(t)})
	s.server.SawRID(time.Now().Add(30 * time.Second).UnixMilli())
	if _, err := c.Themes(t.Context()); err != nil {
		t.Errorf("after one raise: %v", err)
	}
	if n := s.plan.Count(sandbox.CallThemes); n != 2 {
		t.Errorf("%d calls, want two", n)
	}
	s.plan.Clear()
	s.server.SawRID(time.Now().UnixMicro())
	_, err := c.Themes(t.Context())
	if !errors.Is(err, provider.ErrThrottled) || !strings.Contains(err.Error(), "raise the floor") {
		t.Errorf("%v, want ErrThrottled and what to do", err)
	}
	if n := s.plan.Count(sandbox.CallThemes); n != 2 {
		t.Errorf("%d calls, want two", n)
	}
}

func TestCodes(t *testing.T) {
	for code, want := range map[string]error{
		"1": provider.ErrRejected, "8": provider.ErrGone, "46": provider.ErrGone, "100": provider.ErrAmbiguous, "200": provider.ErrDenied,
		"201": provider.ErrRejected, "202": provider.ErrDenied, "203": provider.ErrThrottled, "204": provider.ErrAmbiguous, "-1": provider.ErrAmbiguous,
	} {
		s := newStand(t, nil)
		f := fault.Status(http.StatusOK)
		f.Body = []byte("<x><y><code>" + code + "</code></y><msg>a secret message</msg></x>")
		s.plan.Add(fault.Rule{Times: fault.Forever, Fault: f})
		_, err := newClient(t, rest.Config{Base: s.serve(t)}).Themes(t.Context())
		if !errors.Is(err, want) || strings.Contains(err.Error(), "message") {
			t.Errorf("code %s: %v, want %v", code, err, want)
		}
	}
}

func TestAnswersThatAreNotTrusted(t *testing.T) {
	const good = "<r><code>0</code><private_hostid>LQSAJ08XUI6D39ZZZZG4ZDMEN2KHVDGA</private_hostid><public_hostid>1000016132</public_hostid></r>"
	for name, body := range map[string]string{
		"a DTD":                `<!DOCTYPE r [<!ENTITY a "b">]>` + good,
		"an outside entity":    `<!DOCTYPE r SYSTEM "http://elsewhere.example/x.dtd">` + good,
		"an unknown entity":    strings.Replace(good, "1000016132", "&a;", 1),
		"an instruction":       `<?php echo 1 ?>` + good,
		"two roots":            good + good,
		"text behind the root": good + "x",
		"nothing":              "",
		"an open root":         strings.TrimSuffix(good, "</r>"),
		"no code":              strings.Replace(good, "<code>0</code>", "", 1),
		"two codes":            strings.Replace(good, "<code>0</code>", "<code>0</code><x><code>1</code></x>", 1),
		"an empty code":        strings.Replace(good, "<code>0</code>", "<code/>", 1),
		"two public ids":       strings.Replace(good, "</r>", "<public_hostid>7</public_hostid></r>", 1),
		"no private id":        strings.Replace(good, "private_hostid", "private", 2),
		"an id of letters":     strings.Replace(good, "1000016132", "ten", 1),
		"too deep":             strings.Repeat("<r>", 20) + good + strings.Repeat("</r>", 20),
		"too many":             strings.Replace(good, "</r>", strings.Repeat("<a/>", 60_000)+"</r>", 1),
		"another encoding":     `<?xml version="1.0" encoding="utf-16"?>` + good,
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, nil)
			f := fault.Status(http.StatusOK)
			f.Body = []byte(body)
			s.plan.Add(fault.Rule{Times: fault.Forever, Fault: f})
			_, err := newClient(t, rest.Config{Base: s.serve(t)}).CreateSession(t.Context(), streamapi.NewSession{})
			if !errors.Is(err, provider.ErrAmbiguous) {
				t.Errorf("%v, want ErrAmbiguous", err)
			}
		})
	}
	s := newStand(t, nil)
	f := fault.Status(http.StatusOK)
	f.Body = []byte(good)
	s.plan.Add(fault.Rule{Fault: f})
	if _, err := newClient(t, rest.Config{Base: s.serve(t)}).CreateSession(t.Context(), streamapi.NewSession{}); err != nil {
		t.Errorf("the one that is in order: %v", err)
	}
}

func TestNothingUnfitIsSent(t *testing.T) {
	s := newStand(t, nil)
	c, ctx := newClient(t, rest.Config{Base: s.serve(t)}), t.Context()
	for name, err := range map[string]error{
		"a site user id of letters": second(c.CreateSession(ctx, streamapi.NewSession{SiteUserID: "ann"})),
		"a user name with a space":  second(c.CreateSession(ctx, streamapi.NewSession{Username: "Ann 9"})),
		"an FME key with a dash":    second(c.CreateSession(ctx, streamapi.NewSession{FMEKey: secret("f1-b8")})),
		"a short private id":        second(c.PublicID(ctx, secret("ABC"))),
		"no public id":              second(c.PrivateID(ctx, "")),
		"a public id of letters":    second(c.Recordings(ctx, "ann", time.Time{}, time.Time{})),
	} {
		if !errors.Is(err, provider.ErrRejected) {
			t.Errorf("%s: %v, want ErrRejected", name, err)
		}
	}
	if calls := s.plan.Calls(); len(calls) != 0 {
		t.Errorf("sent %q", calls)
	}
}

func second[T any](_ T, err error) error { return err }

func TestWithoutARIDNothingIsSent(t *testing.T) {
	s := newStand(t, nil)
	rids := openRIDs(t, filepath.Join(t.TempDir(), "rid"), time.Now)
	if err := rids.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := streamapi.New(streamapi.Config{
		HTTP:        rest.Config{Base: s.serve(t), Log: slog.New(slog.DiscardHandler), Now: time.Now},
		Credentials: streamapi.Credentials{APIKey: apiKey, SecretKey: secret(secretKey)}, RIDs: rids,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Themes(t.Context()); !errors.Is(err, provider.ErrThrottled) || len(s.plan.Calls()) != 0 {
		t.Errorf("%v after calls %q; want ErrThrottled and none", err, s.plan.Calls())
	}
}

func TestConfigNamesAllFaults(t *testing.T) {
	_, err := streamapi.New(streamapi.Config{
		HTTP:        rest.Config{Base: "http://api.streamapi.com/service"},
		Credentials: streamapi.Credentials{APIKey: apiKey, SecretKey: secret("tooshort")},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"want https", "clock", "secret key", "request ids"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v says nothing of %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "tooshort") {
		t.Errorf("%v shows the secret key", err)
	}
}

// TestNothingShowsInLogs makes calls that go well and greps the log for what went over the wire.
func TestNothingShowsInLogs(t *testing.T) {
	var log bytes.Buffer
	s := newStand(t, nil)
	c := newClient(t, rest.Config{Base: s.serve(t), Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	host, err := c.CreateSession(t.Context(), streamapi.NewSession{FMEKey: secret(fmeKey)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PublicID(t.Context(), host.PrivateID); err != nil {
		t.Fatal(err)
	}
	if log.Len() == 0 {
		t.Fatal("nothing was logged: the test shows nothing")
	}
	shown := log.String() + fmt.Sprintf("%v %+v %#v", host, host, c)
	for _, hidden := range []string{secretKey, fmeKey, string(host.PrivateID.Reveal()), "sig="} {
		if strings.Contains(shown, hidden) {
			t.Errorf("%q shows in %s", hidden, shown)
		}
	}
}
