package wowza_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/wowza"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	standin "github.com/tokensvc/tokensvc/internal/sandbox/provider/wowza"
)

func TestLifeOfATarget(t *testing.T) {
	for _, version := range []wowza.Version{"v1.6", "v1.8", "v1.11", "v2.0"} {
		t.Run(string(version), func(t *testing.T) {
			auth := wowza.HMAC(secret(accessKey), secret(apiKey))
			if version == "v1.11" || version == "v2.0" {
				auth = wowza.JWT(secret(jwt))
			}
			w := newWorld(t, version, auth)
			on := true
			made, err := w.client.Create(t.Context(), "blue", "tokensvc-0001", wowza.Settings{TokenAuthEnabled: &on})
			if err != nil {
				t.Fatal(err)
			}
			if made.Name != "blue [tokensvc-0001]" || made.Secret.Len() != 32 || made.StreamID == "" || made.CreatedAt.IsZero() {
				t.Errorf("made %+v, want a name with its marker, a secret made by the provider, a stream id and a time", made)
			}
			name := "green"
			if _, err := w.client.Patch(t.Context(), made.ID, wowza.Settings{Name: name}); err != nil {
				t.Error(err)
			}
			got, err := w.client.Target(t.Context(), made.ID)
			if err != nil || got.Name != name || !got.Secret.Equal(made.Secret) || got.StreamID != made.StreamID {
				t.Errorf("after a patch of the name: %+v, %v", got, err)
			}
			for range 2 {
				if err := w.client.Delete(t.Context(), made.ID); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
			_, err = w.client.Target(t.Context(), made.ID)
			if !errors.Is(err, provider.ErrGone) || !errors.Is(err, provider.ErrRejected) {
				t.Errorf("after the deletion: %v, want gone", err)
			}
			checkError(t, err, provider.ErrRejected, "ERR-410-RecordDeleted", "deleted")
		})
	}
}

func TestLostCreationIsFoundByItsMarker(t *testing.T) {
	w := hmacWorld(t)
	w.plan.Add(fault.Rule{Call: "create target", Fault: fault.LostAfter()})
	_, err := w.client.Create(t.Context(), "blue", "tokensvc-0001", wowza.Settings{})
	if !errors.Is(err, provider.ErrAmbiguous) {
		t.Fatalf("got %v, want doubt", err)
	}
	found, err := w.client.Marked(t.Context(), "tokensvc-0001")
	if err != nil || len(found) != 1 || found[0].KID != w.stand.Targets()[0] {
		t.Errorf("found %v, %v; want the one that was made", found, err)
	}
	if none, err := w.client.Marked(t.Context(), "tokensvc-0002"); err != nil || len(none) != 0 {
		t.Errorf("found %v, %v; want none", none, err)
	}
}

func TestQuotaIsNoConflict(t *testing.T) {
	w := hmacWorld(t)
	w.stand.SetQuirks(standin.Quirks{CreateQuota: 1})
	if _, err := w.client.Create(t.Context(), "a", "tokensvc-0001", wowza.Settings{}); err != nil {
		t.Fatal(err)
	}
	_, err := w.client.Create(t.Context(), "b", "tokensvc-0002", wowza.Settings{})
	checkError(t, err, provider.ErrRejected, "ERR-409-StreamTargetLimitReached", "limit of the account")
}

func TestListsOfManyPages(t *testing.T) {
	for _, quirks := range []standin.Quirks{{}, {NoPagination: true}} {
		for count := range 8 {
			w := hmacWorld(t)
			w.stand.SetQuirks(quirks)
			for i := range count {
				w.stand.AddTarget(fmt.Sprintf("event %d", i), secret(oldSecret))
			}
			c := smallPages(t, w)
			list, err := c.Targets(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for i, l := range list {
				ids = append(ids, l.KID)
				if want := fmt.Sprintf("event %d", i); l.Name != want || l.CreatedAt.IsZero() {
					t.Errorf("item %d: %+v, want %q and a time", i, l, want)
				}
			}
			if diff := cmp.Diff(w.stand.Targets(), ids); diff != "" {
				t.Errorf("%d targets, %+v (-want +got):\n%s", count, quirks, diff)
			}
		}
	}
}

func smallPages(t *testing.T, w *world) *wowza.Client {
	t.Helper()
	c, err := wowza.New(wowza.Config{
		Base: w.base, Version: "v1.8", Auth: wowza.HMAC(secret(accessKey), secret(apiKey)), PageSize: 2, HTTP: w.http,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestListThatChangesIsReadAgain deletes the first target while the second page is asked for, which moves one
// from there to the first.
func TestListThatChangesIsReadAgain(t *testing.T) {
	w := hmacWorld(t)
	c := smallPages(t, w)
	for range 5 {
		w.stand.AddTarget("event", secret(oldSecret))
	}
	first := w.stand.Targets()[0]
	w.plan.Add(fault.Rule{Call: "list targets", From: 2, Fault: fault.Foreign(func() {
		if err := w.client.Delete(t.Context(), first); err != nil {
			t.Error(err)
		}
	})})
	list, err := c.Targets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, l := range list {
		ids = append(ids, l.KID)
	}
	if diff := cmp.Diff(w.stand.Targets(), ids); diff != "" {
		t.Errorf("targets that are left (-want +got):\n%s", diff)
	}
}

func TestTargetsOfAPairAreAttachedToAllOutputs(t *testing.T) {
	w := hmacWorld(t)
	id := w.stand.AddTarget("blue", secret(oldSecret))
	outputs, err := w.client.Outputs(t.Context(), "trans1")
	if err != nil || len(outputs) != 2 {
		t.Fatalf("%v, %v; want two outputs", outputs, err)
	}
	for _, o := range outputs {
		if _, err := w.client.Attach(t.Context(), "trans1", o.ID, id); err != nil {
			t.Fatal(err)
		}
		list, err := w.client.Attached(t.Context(), "trans1", o.ID)
		if err != nil || len(list) != 1 || list[0].TargetID != id || list[0].ID == "" {
			t.Errorf("%+v, %v; want the target", list, err)
		}
	}
	outputs, err = w.client.Outputs(t.Context(), "trans1")
	if err != nil || len(outputs[1].Targets) != 1 || outputs[1].Targets[0].TargetID != id {
		t.Errorf("%+v, %v; want the target at each output", outputs, err)
	}
	for range 2 {
		if err := w.client.Detach(t.Context(), "trans1", "out1", id); err != nil {
			t.Error(err)
		}
	}
	if list, err := w.client.Attached(t.Context(), "trans1", "out1"); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v; want none", list, err)
	}
}

func TestStreamID(t *testing.T) {
	good := map[string]string{
		"https://x.wowza.com/1/TG9uZw==/abc/hls/live/playlist.m3u8": "TG9uZw==",
		"https://x.wowza.com/2/id2/abc/hls/vod/playlist.m3u8":       "id2",
		"https://x.wowza.com/5/id5/anything":                        "id5",
	}
	for url, want := range good {
		if got, err := wowza.StreamID(url); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", url, got, err, want)
		}
	}
	for _, url := range []string{"", "x", "https://x.wowza.com/", "https://x.wowza.com/1//a", "https://x.wowza.com/3/a/b", "https://x.wowza.com/1/a", "/1/a/b"} {
		if got, err := wowza.StreamID(url); err == nil {
			t.Errorf("%q: got %q, want an error", url, got)
		}
	}
}
