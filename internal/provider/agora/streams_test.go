package agora_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/agora"
	"github.com/tokensvc/tokensvc/tokens"
)

func TestOriginAuth(t *testing.T) {
	s := newStand(t, time.Now, nil)
	c, ctx := newClient(t, s.serve(t), nil), t.Context()
	want := agora.OriginAuth{Enabled: true, URL: "https://auth.example.com/agora/origin", Secret: tokens.NewSecret([]byte(webhookKey))}
	if err := c.SetOriginAuth(ctx, want); err != nil {
		t.Fatal(err)
	}
	if err := c.SetOriginAuth(ctx, agora.OriginAuth{}); err != nil {
		t.Fatal(err)
	}
	want.Enabled = false
	got, err := c.GetOriginAuth(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b tokens.Secret) bool { return a.Equal(b) })); diff != "" {
		t.Error(diff)
	}
	for _, url := range []string{"http://auth.example.com/", "auth.example.com/callback", "https://u:p@auth.example.com/"} {
		if err := c.SetOriginAuth(ctx, agora.OriginAuth{URL: url}); !errors.Is(err, provider.ErrRejected) {
			t.Errorf("%s: %v, want ErrRejected", url, err)
		}
	}
}

func TestStreams(t *testing.T) {
	s := newStand(t, time.Now, nil)
	c, ctx := newClient(t, s.serve(t), nil), t.Context()
	// A name that has to be escaped: the path is signed as it travels.
	const stream = "сцена 1%2F?#&+"
	if err := c.CreateEntryPoint(ctx, "live2"); err != nil {
		t.Fatal(err)
	}
	if !s.server.Publish("live2", stream) {
		t.Fatal("the stream did not go online")
	}
	if list, err := c.Online(ctx, "live2"); err != nil || len(list) != 1 || list[0].Name != stream {
		t.Errorf("%v, %v; want %q online", list, err, stream)
	}
	if since, err := c.OnlineSince(ctx, "live2", stream); err != nil || time.Since(since) > time.Minute {
		t.Errorf("online since %v, %v", since, err)
	}
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	if err := c.Ban(ctx, "live2", stream, until); err != nil {
		t.Fatal(err)
	}
	if list, err := c.Bans(ctx, "live2"); err != nil || len(list) != 1 || !list[0].Time.Equal(until) {
		t.Errorf("%v, %v; want a ban until %v", list, err, until)
	}
	if _, err := c.OnlineSince(ctx, "live2", stream); !errors.Is(err, provider.ErrGone) {
		t.Errorf("online in spite of the ban: %v", err)
	}
	if s.server.Publish("live2", stream) {
		t.Error("a banned stream went online")
	}
	if err := c.Unban(ctx, "live2", stream); err != nil {
		t.Fatal(err)
	}
	if err := c.Unban(ctx, "live2", stream); !errors.Is(err, provider.ErrGone) {
		t.Errorf("lifted twice: %v, want ErrGone", err)
	}
	if err := c.DeleteEntryPoint(ctx, "live2"); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteEntryPoint(ctx, "live"); !errors.Is(err, provider.ErrRejected) {
		t.Errorf("the default entry point: %v, want ErrRejected", err)
	}
	if names, err := c.ListEntryPoints(ctx); err != nil || len(names) != 1 || names[0] != "live" {
		t.Errorf("%v, %v; want live", names, err)
	}
}
