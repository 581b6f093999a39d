package qencode_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/qencode"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	sandbox "github.com/tokensvc/tokensvc/internal/sandbox/provider/qencode"
	"github.com/tokensvc/tokensvc/tokens"
)

// TestLostAnswers: a key whose answer was lost is in doubt, and the list tells.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		fault   fault.Fault
		orphans int
	}{
		{"lost before", fault.LostBefore(), 0},
		{"lost after", fault.LostAfter(), 1},
		{"broken off", fault.Truncated(), 1},
		{"a page after", fault.HTML(502).AfterEffect(), 1},
		{"a page of status 200 before", fault.HTML(200), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAccount(t)
			_, err := a.server.PersonCreatesKey(stream, "of a person")
			ok(t, err)
			a.clock.Add(time.Hour)
			a.plan.Add(fault.Rule{Call: sandbox.CallCreateKey, Fault: c.fault})
			_, err = a.client.Mint(t.Context(), stream)
			wantClass(t, err, provider.ErrAmbiguous)
			for _, newestFirst := range []bool{false, true} {
				a.server.SetQuirks(sandbox.Quirks{NewestFirst: newestFirst})
				listed, err := a.client.List(t.Context(), stream)
				ok(t, err)
				if len(listed) != 1+c.orphans || listed[0].Name != "of a person" || c.orphans == 1 && listed[1].Name != "" {
					t.Errorf("got %v, want the person's key and then %d without a name", listed, c.orphans)
				}
			}
		})
	}
}

func TestMint(t *testing.T) {
	t.Parallel()
	t.Run("PKCS#8", func(t *testing.T) {
		t.Parallel()
		a := newAccount(t)
		a.server.SetQuirks(sandbox.Quirks{PKCS8: true})
		_, err := a.client.Mint(t.Context(), stream)
		ok(t, err)
	})
	t.Run("a second key is refused", func(t *testing.T) {
		t.Parallel()
		for _, errors200 := range []bool{false, true} {
			a := newAccount(t)
			a.server.SetQuirks(sandbox.Quirks{OneKeyEach: true, Errors200: errors200})
			_, err := a.client.Mint(t.Context(), stream)
			ok(t, err)
			_, err = a.client.Mint(t.Context(), stream)
			wantClass(t, err, provider.ErrRejected)
		}
	})
	t.Run("the resource is malformed", func(t *testing.T) {
		t.Parallel()
		a := newAccount(t)
		for _, resource := range []string{"", streamID, "stream:", "stream:../x", "stream:" + strings.ToUpper(streamID), "bucket:a/b", "bucket:a..b", "playback:" + streamID} {
			_, err := a.client.Mint(t.Context(), resource)
			wantClass(t, err, provider.ErrRejected)
		}
		if n := len(a.plan.Calls()); n != 0 {
			t.Errorf("%d calls were made", n)
		}
	})
}

// TestUnusableKeys: the vendor made a key that nobody can sign with. The error names it, so that it can be
// revoked, and shows nothing else of it.
func TestUnusableKeys(t *testing.T) {
	t.Parallel()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(small)}))
	good, err := newAccount(t).client.Mint(t.Context(), stream)
	ok(t, err)
	const kid = "ec25a6a6-b31e-4ac9-af01-711460421c6b"
	for name, fields := range map[string]map[string]any{
		"none":             {"stream_id": streamID, "id": kid},
		"null":             {"stream_id": streamID, "id": kid, "private_key": nil},
		"1024 bits":        {"stream_id": streamID, "id": kid, "private_key": weak},
		"cut off":          {"stream_id": streamID, "id": kid, "private_key": weak[:100]},
		"another resource": {"stream_id": "00000000-d867-4787-b882-7f2fb1203634", "id": kid, "private_key": string(good.Secret.Reveal())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, err := json.Marshal(map[string]any{"signing_key": fields})
			ok(t, err)
			_, err = answering(t, newAccount(t), http.StatusOK, string(body)).Mint(t.Context(), stream)
			wantClass(t, err, provider.ErrAmbiguous)
			useless, is := errors.AsType[*qencode.UnusableKeyError](err)
			if !is || useless.KID != kid || !strings.Contains(err.Error(), kid) {
				t.Errorf("got %v, want an error that names the key", err)
			}
			if strings.Contains(fmt.Sprintf("%+v %#v", err, err), "PRIVATE KEY-") {
				t.Error("the error shows the key")
			}
		})
	}
	_, err = answering(t, newAccount(t), http.StatusOK, `{"signing_key":{"id":"../x"}}`).Mint(t.Context(), stream)
	wantClass(t, err, provider.ErrAmbiguous)
	if _, is := errors.AsType[*qencode.UnusableKeyError](err); is || strings.Contains(err.Error(), "..") {
		t.Errorf("%v repeats what is no id", err)
	}
}

// TestDoubtOutlivesLogin: the answer to the first try was lost, the second was refused for its token, and so
// on. What comes last does not say that the first was not applied.
func TestDoubtOutlivesLogin(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	kid, err := a.server.PersonCreatesKey(stream, "")
	ok(t, err)
	a.plan.Add(
		fault.Rule{Call: sandbox.CallRenameKey, From: 1, Fault: fault.LostAfter()},
		fault.Rule{Call: sandbox.CallRenameKey, From: 2, Fault: fault.Status(401)},
		fault.Rule{Call: sandbox.CallRenameKey, From: 3, Times: fault.Forever, Fault: fault.Status(403)})
	wantClass(t, a.client.Label(t.Context(), stream, kid, "ours"), provider.ErrAmbiguous)
	if name := a.server.Keys(stream)[0].Name; name != "ours" || a.server.Logins() != 2 {
		t.Errorf("name %q after %d logins, want ours after 2", name, a.server.Logins())
	}
}

// TestErrorsOf200 reads failures that come with status 200.
func TestErrorsOf200(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]error{
		`{"error":0,"signing_keys":[]}`:     nil,
		`{"error":null,"signing_keys":[]}`:  nil,
		`{"error":false,"signing_keys":[]}`: nil,
		`{"error":1}`:                       provider.ErrAmbiguous,
		`{"error":true,"signing_keys":[]}`:  provider.ErrAmbiguous,
		`{"error":{"a":1}}`:                 provider.ErrAmbiguous,
		`{"error":"","signing_keys":[]}`:    provider.ErrAmbiguous,
		`{"error":2}`:                       provider.ErrDenied,
		`{"error":"5"}`:                     provider.ErrDenied,
		`{"error":6}`:                       provider.ErrDenied,
		`{"error":8,"retry_after":90}`:      provider.ErrThrottled,
		`{"error":14,"message":"secret"}`:   provider.ErrRejected,
		`{"error":77}`:                      provider.ErrAmbiguous,
		`{}`:                                provider.ErrAmbiguous,
		`{"signing_keys":null}`:             provider.ErrAmbiguous,
		`{"signing_keys":[{}]}`:             provider.ErrAmbiguous,
		`{"signing_keys":[{"id":"a","stream_id":"` + streamID + `","created":"?"}]}`: provider.ErrAmbiguous,
	} {
		_, err := answering(t, newAccount(t), http.StatusOK, body).List(t.Context(), stream)
		if want == nil {
			ok(t, err)
			continue
		}
		failure := wantClass(t, err, want)
		if want == provider.ErrThrottled && failure.RetryAfter != 90*time.Second { //nolint:errorlint // a class of the table
			t.Errorf("%s: RetryAfter is %v", body, failure.RetryAfter)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v repeats the vendor's text", err)
		}
	}
	_, err := answering(t, newAccount(t), http.StatusBadRequest, `{"error":6}`).List(t.Context(), stream)
	if failure := wantClass(t, err, provider.ErrDenied); failure.Code != "6" {
		t.Errorf("%v lacks the vendor's code", err)
	}
}

// TestRevokeWhatIsGone: the vendor does not say how it answers for a key that does not exist.
func TestRevokeWhatIsGone(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	kid, err := a.server.PersonCreatesKey(stream, "")
	ok(t, err)
	a.plan.Add(fault.Rule{Call: sandbox.CallDeleteKey, Fault: fault.Status(400)})
	wantClass(t, a.client.Revoke(t.Context(), stream, kid), provider.ErrRejected)
	for _, errors200 := range []bool{false, true} {
		a.server.SetQuirks(sandbox.Quirks{Errors200: errors200})
		ok(t, a.client.Revoke(t.Context(), stream, kid))
		ok(t, a.client.Revoke(t.Context(), stream, kid))
	}
	a.plan.Add(fault.Rule{Call: sandbox.CallDeleteKey, Fault: fault.Status(400)})
	ok(t, a.client.Revoke(t.Context(), stream, kid))
}

// TestNothingIsShown looks for the API key, access tokens and private keys in everything that a client prints.
func TestNothingIsShown(t *testing.T) {
	t.Parallel()
	a, ctx := newAccount(t), t.Context()
	a.server.SetQuirks(sandbox.Quirks{ShowPrivateKeys: true})
	var printed strings.Builder
	var secrets []tokens.Secret
	note := func(values ...any) {
		for _, v := range values {
			fmt.Fprintf(&printed, "%v\n%+v\n%#v\n%q\n%x\n", v, v, v, v, v)
		}
	}
	for _, call := range []string{"", sandbox.CallLogin, sandbox.CallCreateKey} {
		for _, f := range []fault.Fault{
			{After: true},
			fault.LostBefore(), fault.LostAfter(), fault.Truncated(), fault.Reset(), fault.HTML(500), fault.Status(404),
			fault.Status(401), fault.Redirect("https://elsewhere.invalid/" + apiKey),
		} {
			a.server.ExpireTokens()
			a.plan.Clear()
			a.plan.Add(fault.Rule{Call: call, Times: fault.Forever, Fault: f})
			minted, err := a.client.Mint(ctx, stream)
			if err == nil {
				secrets = append(secrets, minted.Secret)
			}
			note(minted, err)
			listed, err := a.client.List(ctx, stream)
			note(listed, err)
			keys, err := a.client.SigningKeys(ctx)
			note(keys, err)
		}
	}
	_, err := qencode.New(qencode.Config{APIKey: tokens.NewSecret([]byte(apiKey + "\n"))})
	note(err, a.client)
	shown := printed.String() + a.log.String()
	if len(secrets) == 0 || !strings.Contains(shown, "the provider showed a private key again") {
		t.Fatal("the test sees no secrets")
	}
	forbidden := []string{apiKey}
	for _, s := range secrets {
		forbidden = append(forbidden, strings.Split(strings.TrimSpace(string(s.Reveal())), "\n")...)
	}
	for _, secret := range forbidden {
		for _, form := range []string{
			secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
			base64.RawStdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		} {
			if len(form) > 8 && strings.Contains(shown, form) {
				t.Errorf("a secret is shown: %.20s…", form)
			}
		}
	}
	for _, marker := range []string{"Bearer", "eyJ", "access_token/", "127.0.0.1"} {
		if strings.Contains(a.log.String(), marker) {
			t.Errorf("the log shows %q", marker)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	base := newAccount(t)
	for name, change := range map[string]func(*qencode.Config){
		"no API key":     func(c *qencode.Config) { c.APIKey = tokens.Secret{} },
		"two segments":   func(c *qencode.Config) { c.APIKey = tokens.NewSecret([]byte("a/b")) },
		"dots":           func(c *qencode.Config) { c.APIKey = tokens.NewSecret([]byte("..")) },
		"a line end":     func(c *qencode.Config) { c.APIKey = tokens.NewSecret([]byte("abc\n")) },
		"http elsewhere": func(c *qencode.Config) { c.CDN = "http://example.com" },
		"propagation":    func(c *qencode.Config) { c.Propagation = -1 },
		"no clock":       func(c *qencode.Config) { c.HTTP.Now = nil },
	} {
		cfg := qencode.Config{APIKey: tokens.NewSecret([]byte(apiKey)), HTTP: rest.Config{Now: base.clock.Now, Log: discard()}}
		if _, err := qencode.New(cfg); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if _, err := qencode.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if got := base.client.Traits(); got.Slots != 0 || got.Propagation != time.Minute || got.MaxCall != rest.DefaultMaxCall {
		t.Errorf("traits %+v", got)
	}
}
