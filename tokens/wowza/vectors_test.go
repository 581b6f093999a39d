package wowza_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// vector is one entry of the vector files, which were made by running Wowza's four example scripts.
type vector struct {
	Name   string
	Secret string
	Fields struct {
		StreamID    string          `json:"stream_id"`
		VODStreamID string          `json:"vod_stream_id"`
		IP          string          `json:"ip"`
		StartTime   json.RawMessage `json:"start_time"`
		EndTime     json.RawMessage `json:"end_time"`
		Lifetime    json.RawMessage `json:"lifetime"`
	}
	Now         int64
	Signed      string
	Expect      *string
	ExpectError string            `json:"expect_error"`
	URLParam    string            `json:"url_param"`
	ByLang      map[string]string `json:"by_lang"`
	Recommended string
}

func loadVectors(t testing.TB, name string) []vector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var out []vector
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatal("no vectors")
	}
	return out
}

// seconds reads a time of a vector as a caller of the byte-exact door does: a whole number, the same
// in digits, "now" in any case; empty text is absent.
func seconds(raw json.RawMessage, now int64) (*int64, error) {
	text := strings.Trim(string(raw), `"`)
	switch {
	case text == "" || text == "null":
		return nil, nil
	case strings.EqualFold(text, "now"):
		return &now, nil
	case strings.Trim(text, "0123456789") != "" && string(raw) != text:
		return nil, fmt.Errorf("%q is not digits alone", text)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return &n, err
}

func (v vector) params() (wowza.CompatParams, error) {
	out := wowza.CompatParams{StreamID: v.Fields.StreamID, VODStreamID: v.Fields.VODStreamID, IP: v.Fields.IP}
	var startErr, endErr, lifetimeErr error
	out.StartTime, startErr = seconds(v.Fields.StartTime, v.Now)
	out.EndTime, endErr = seconds(v.Fields.EndTime, v.Now)
	out.Lifetime, lifetimeErr = seconds(v.Fields.Lifetime, v.Now)
	return out, errors.Join(startErr, endErr, lifetimeErr)
}

// want returns the token that the vector asks for, or "" where it asks for an error.
func (v vector) want(t *testing.T) string {
	t.Helper()
	switch {
	case v.Expect != nil:
		return *v.Expect
	case v.ExpectError != "":
		return ""
	case v.Recommended == "error":
		return ""
	case strings.HasPrefix(v.Recommended, "majority"):
		count := map[string]int{}
		for _, token := range v.ByLang {
			count[token]++
			if count[token] >= 2 && !strings.HasPrefix(token, "ERROR") {
				return token
			}
		}
	case strings.Contains(v.Recommended, "js"):
		return v.ByLang["js"]
	case strings.Contains(v.Recommended, "ruby result"):
		return v.ByLang["ruby"]
	}
	t.Fatalf("%s: no reading for %q", v.Name, v.Recommended)
	return ""
}

func (v vector) compat() (string, error) {
	p, err := v.params()
	if err != nil {
		return "", err
	}
	return wowza.Compat(tokens.NewSecret([]byte(v.Secret)), p, time.Unix(v.Now, 0))
}

func forEachVector(t *testing.T, check func(t *testing.T, v vector, want string)) {
	t.Helper()
	for _, file := range []string{"hdnts_vectors_public.json", "hdnts_vectors_divergent.json"} {
		for _, v := range loadVectors(t, file) {
			t.Run(v.Name, func(t *testing.T) {
				t.Parallel()
				check(t, v, v.want(t))
			})
		}
	}
}

func TestCompatReproducesTheScripts(t *testing.T) {
	t.Parallel()
	forEachVector(t, func(t *testing.T, v vector, want string) {
		t.Helper()
		got, err := v.compat()
		if want == "" {
			if err == nil {
				t.Fatalf("got %s, want an error", got)
			}
			return
		}
		if err != nil || got != want {
			t.Fatalf("got %q, %v\nwant %q", got, err, want)
		}
	})
}

func TestStrictMakesTheSameBytesOrRefuses(t *testing.T) {
	t.Parallel()
	forEachVector(t, func(t *testing.T, v vector, want string) {
		t.Helper()
		compat, err := v.params()
		if err != nil {
			return
		}
		now := time.Unix(v.Now, 0)
		p, err := compat.Strict(now)
		if err != nil {
			return
		}
		p.MaxLifetime = 200 * 365 * 24 * time.Hour
		key, err := wowza.NewKey(tokens.Material{Secret: tokens.NewSecret([]byte(v.Secret)), AllowShort: true})
		if err != nil {
			return
		}
		if got, err := key.Token(p, now); err == nil && got != want {
			t.Fatalf("got %q\nwant %q or an error", got, want)
		}
	})
}

// TestStrictTakesOrdinaryInput keeps the strict door from passing the test above by refusing all.
func TestStrictTakesOrdinaryInput(t *testing.T) {
	t.Parallel()
	signed := 0
	for _, v := range loadVectors(t, "hdnts_vectors_public.json") {
		if !strings.HasPrefix(v.Name, "random_combo") && !strings.HasPrefix(v.Name, "lifetime") {
			continue
		}
		compat, err := v.params()
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(v.Now, 0)
		p, err := compat.Strict(now)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		p.MaxLifetime = 10 * 365 * 24 * time.Hour
		key, err := wowza.NewKey(tokens.Material{Secret: tokens.NewSecret([]byte(v.Secret)), AllowShort: true})
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		got, err := key.Token(p, now)
		if err != nil || got != *v.Expect {
			t.Errorf("%s: got %q, %v", v.Name, got, err)
		}
		signed++
	}
	if signed < 20 {
		t.Fatalf("only %d vectors went through", signed)
	}
}

func TestVerifyCompatAcceptsEachAndRefusesEachChange(t *testing.T) {
	t.Parallel()
	forEachVector(t, func(t *testing.T, v vector, want string) {
		t.Helper()
		if want == "" {
			return
		}
		secret := tokens.NewSecret([]byte(v.Secret))
		p := tokens.Presented{Token: want, Resource: v.Fields.StreamID, ClientIP: v.Fields.IP}
		_, rest, _ := strings.Cut(want, "exp=")
		digits, _, _ := strings.Cut(rest, "~")
		exp, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(exp, 0)
		err = wowza.VerifyCompat(secret, p, now)
		if strings.Count(want, "exp=") > 1 {
			if tokens.ReasonOf(err) != tokens.Malformed {
				t.Fatalf("a forged second exp: got %v, want MALFORMED", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range len(want) {
			changed := []byte(want)
			changed[i]++
			p.Token = string(changed)
			if err := wowza.VerifyCompat(secret, p, now); !errors.Is(err, tokens.ErrRefused) {
				t.Fatalf("byte %d changed (%s): got %v", i, p.Token, err)
			}
		}
	})
}
