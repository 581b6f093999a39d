package wowza_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/wowza"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	standin "github.com/tokensvc/tokensvc/internal/sandbox/provider/wowza"
	"github.com/tokensvc/tokensvc/tokens"
)

func TestSetWritesSwitchesOnAndReadsBack(t *testing.T) {
	for _, before := range []string{"", oldSecret} {
		w := hmacWorld(t)
		id := w.stand.AddTarget("event", secret(before))
		if got, err := w.client.Current(t.Context(), id); err != nil || !got.Equal(secret(before)) {
			t.Fatalf("Current before: %v", err)
		}
		if err := w.client.Set(t.Context(), id, secret(newSecret)); err != nil {
			t.Fatal(err)
		}
		if got, err := w.stand.Secret(id); err != nil || !got.Equal(secret(newSecret)) {
			t.Errorf("the stand-in does not hold the secret: %v", err)
		}
		if got, err := w.client.Current(t.Context(), id); err != nil || !got.Equal(secret(newSecret)) {
			t.Errorf("Current after: %v", err)
		}
		calls := strings.Join(w.plan.Calls(), ", ")
		if want := "get target, get target, patch target, get target, get target"; calls != want {
			t.Errorf("calls %q, want %q", calls, want)
		}
	}
}

func TestSetOfWhatStandsThereWritesNothing(t *testing.T) {
	w := hmacWorld(t)
	id := w.stand.AddTarget("event", secret(newSecret))
	if err := w.client.Set(t.Context(), id, secret(newSecret)); err != nil {
		t.Fatal(err)
	}
	if n := w.plan.Count("patch target"); n != 0 {
		t.Errorf("%d writes, want none", n)
	}
}

func TestSetLooksPastTheCache(t *testing.T) {
	w := hmacWorld(t)
	id := w.stand.AddTarget("event", secret(oldSecret))
	w.stand.SetQuirks(standin.Quirks{CacheGETs: true, NoEcho: true})
	if err := w.client.Set(t.Context(), id, secret(newSecret)); err != nil {
		t.Error(err)
	}
	if len(w.slept) == 0 {
		t.Error("the cache cannot have ended: nothing waited")
	}
}

func TestSetSeesOtherWriters(t *testing.T) {
	w := hmacWorld(t)
	id := w.stand.AddTarget("event", secret(oldSecret))
	foreign := fault.Foreign(func() {
		if err := w.stand.SetSecret(id, secret("abcdefabcdef")); err != nil {
			t.Error(err)
		}
	})
	w.plan.Add(fault.Rule{Call: "get target", From: 2, Fault: foreign})
	err := w.client.Set(t.Context(), id, secret(newSecret))
	checkError(t, err, provider.ErrAmbiguous, "", "somebody else writes")
}

func TestSetOverAForeignWriterBetweenReadAndWrite(t *testing.T) {
	w := hmacWorld(t)
	id := w.stand.AddTarget("event", secret(oldSecret))
	w.plan.Add(fault.Rule{Call: "patch target", Fault: fault.Foreign(func() {
		if err := w.stand.SetSecret(id, tokens.Secret{}); err != nil {
			t.Error(err)
		}
	})})
	if err := w.client.Set(t.Context(), id, secret(newSecret)); err != nil {
		t.Fatal(err)
	}
	if got, err := w.client.Current(t.Context(), id); err != nil || !got.Equal(secret(newSecret)) {
		t.Errorf("the secret does not protect: %v", err)
	}
}

func TestSetTellsOfChangedCase(t *testing.T) {
	w := hmacWorld(t)
	id := w.stand.AddTarget("event", secret(oldSecret))
	w.stand.SetQuirks(standin.Quirks{UpperCase: true})
	checkError(t, w.client.Set(t.Context(), id, secret(newSecret)), provider.ErrAmbiguous, "", "case")
}

func TestSetRefusesWhatWowzaRefuses(t *testing.T) {
	w := hmacWorld(t)
	id := w.stand.AddTarget("event", secret(oldSecret))
	for _, bad := range []string{"", "a", "abc", "xyzz", "ab cd", strings.Repeat("a", 34)} {
		if err := w.client.Set(t.Context(), id, secret(bad)); !errors.Is(err, provider.ErrRejected) {
			t.Errorf("secret of %d bytes: %v, want it refused", len(bad), err)
		}
	}
	if calls := w.plan.Calls(); len(calls) != 0 {
		t.Errorf("calls were sent: %q", calls)
	}
	if err := w.stand.Archive(id); err != nil {
		t.Fatal(err)
	}
	checkError(t, w.client.Set(t.Context(), id, secret(newSecret)), provider.ErrRejected, "", "archived")
}

func TestSetNamesTheBudgetOfSettings(t *testing.T) {
	w := hmacWorld(t)
	id := w.stand.AddTarget("event", secret("abcdef"))
	if err := w.stand.SetGeoblockIPs(id, strings.Repeat("203.0.113.200,", 49)); err != nil {
		t.Fatal(err)
	}
	err := w.client.Set(t.Context(), id, secret(newSecret))
	checkError(t, err, provider.ErrRejected, "ERR-422-RecordInvalid", "too long together")
}

// TestFailureBeforeAndAfterTheWrite shows that the class says whether the write is in doubt.
func TestFailureBeforeAndAfterTheWrite(t *testing.T) {
	for from, want := range map[int]error{1: provider.ErrThrottled, 2: provider.ErrAmbiguous} {
		for _, status := range []int{500, 401, 429} {
			w := hmacWorld(t)
			id := w.stand.AddTarget("event", secret(oldSecret))
			w.plan.Add(fault.Rule{Call: "get target", From: from, Times: fault.Forever, Fault: fault.Status(status)})
			err := w.client.Set(t.Context(), id, secret(newSecret))
			if status == 401 && from == 1 {
				want = provider.ErrDenied
			} else if from == 1 {
				want = provider.ErrThrottled
			}
			if !errors.Is(err, want) {
				t.Errorf("status %d from reading %d on: %v, want %v", status, from, err, want)
			}
		}
	}
}

func TestProtectSetsTheMode(t *testing.T) {
	for _, only := range []bool{true, false} {
		w := newWorld(t, "v2.0", wowza.JWT(secret(jwt)))
		id := w.stand.AddTarget("event", tokens.Secret{})
		if err := w.client.Protect(t.Context(), id, secret(newSecret), only); err != nil {
			t.Fatal(err)
		}
		got, err := w.client.Target(t.Context(), id)
		if err != nil || !*got.TokenAuthEnabled || *got.PlaylistOnly != only || !got.Secret.Equal(secret(newSecret)) {
			t.Errorf("target after Protect: %+v, %v", got, err)
		}
	}
}

func TestChangesBesideTheSecretAreLogged(t *testing.T) {
	w := hmacWorld(t)
	var log bytes.Buffer
	w.http.Log = slog.New(slog.NewTextHandler(&log, nil))
	c, err := wowza.New(wowza.Config{Base: w.base, Version: "v1.8", Auth: wowza.HMAC(secret(accessKey), secret(apiKey)), HTTP: w.http})
	if err != nil {
		t.Fatal(err)
	}
	id := w.stand.AddTarget("event", secret(oldSecret))
	w.plan.Add(fault.Rule{Call: "patch target", Fault: fault.Foreign(func() {
		if err := w.stand.SetGeoblockIPs(id, "203.0.113.7"); err != nil {
			t.Error(err)
		}
	})})
	if err := c.Set(t.Context(), id, secret(newSecret)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "setting=GeoblockIPAddresses") || strings.Contains(log.String(), "203.0.113.7") {
		t.Errorf("log %q, want the name of the setting and not its value", log.String())
	}
}

func TestNewSecret(t *testing.T) {
	one, err := wowza.NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := string(one.Reveal())
	if len(text) != 32 || strings.Trim(text, "0123456789abcdef") != "" {
		t.Error("want 32 lower-case hex digits")
	}
	if _, err := wowza.NewSecret(strings.NewReader("short")); err == nil {
		t.Error("made a secret of too little randomness")
	}
}
