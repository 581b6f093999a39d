package akamai_test

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
	"github.com/tokensvc/tokensvc/tokens/akamai"
)

// vector is one entry of the vector files, which were made by running Akamai's four libraries.
type vector struct {
	Name      string
	SecretHex string `json:"secret_hex"`
	Fields    struct {
		Mode           string
		Path           json.RawMessage
		IP             string
		StartTime      json.RawMessage `json:"start_time"`
		EndTime        json.RawMessage `json:"end_time"`
		WindowSeconds  json.RawMessage `json:"window_seconds"`
		SessionID      string          `json:"session_id"`
		Payload        string
		Salt           string
		Algorithm      string
		FieldDelimiter string `json:"field_delimiter"`
		ACLDelimiter   string `json:"acl_delimiter"`
		EscapeEarly    bool   `json:"escape_early"`
	}
	Now         int64
	Expect      *string
	ExpectError string            `json:"expect_error"`
	ByLang      map[string]string `json:"by_lang"`
	Recommended string
}

func load[T any](t testing.TB, name string) []T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var out []T
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

func (v vector) config() akamai.Config {
	return akamai.Config{
		Algorithm: akamai.Algorithm(v.Fields.Algorithm), Salt: tokens.NewSecret([]byte(v.Fields.Salt)), EscapeEarly: v.Fields.EscapeEarly,
		FieldDelimiter: v.Fields.FieldDelimiter, ACLDelimiter: v.Fields.ACLDelimiter,
	}
}

func (v vector) params() (akamai.CompatParams, error) {
	out := akamai.CompatParams{IP: v.Fields.IP, SessionID: v.Fields.SessionID, Payload: v.Fields.Payload}
	var startErr, endErr, windowErr error
	out.StartTime, startErr = seconds(v.Fields.StartTime, v.Now)
	out.EndTime, endErr = seconds(v.Fields.EndTime, v.Now)
	out.WindowSeconds, windowErr = seconds(v.Fields.WindowSeconds, v.Now)
	var one string
	pathErr := json.Unmarshal(v.Fields.Path, &one)
	switch {
	case v.Fields.Mode == "url":
		out.URLPath = one
	case pathErr == nil:
		out.ACL = []string{one}
	default:
		pathErr = json.Unmarshal(v.Fields.Path, &out.ACL)
	}
	return out, errors.Join(startErr, endErr, windowErr, pathErr)
}

// want returns the token that the vector asks for, or "" where it asks for an error.
func (v vector) want(t *testing.T) string {
	t.Helper()
	switch r := v.Recommended; {
	case v.Expect != nil:
		return *v.Expect
	case v.ExpectError != "", strings.HasPrefix(r, "error"):
		return ""
	case strings.HasPrefix(r, "avoid"), strings.HasPrefix(r, "omit (python"), strings.HasPrefix(r, "accept case-insensitively"):
		return v.ByLang["python"]
	case strings.HasPrefix(r, "escape as %7e (node"):
		return v.ByLang["node"]
	case strings.HasPrefix(r, "n/a with typed ints"):
		return v.ByLang["java"]
	}
	t.Fatalf("%s: no reading for %q", v.Name, v.Recommended)
	return ""
}

func forEachVector(t *testing.T, check func(t *testing.T, v vector, want string)) {
	t.Helper()
	for _, file := range []string{"edgeauth_vectors_public.json", "edgeauth_vectors_divergent.json"} {
		for _, v := range load[vector](t, file) {
			t.Run(v.Name, func(t *testing.T) {
				t.Parallel()
				check(t, v, v.want(t))
			})
		}
	}
}

func TestCompatReproducesTheLibraries(t *testing.T) {
	t.Parallel()
	forEachVector(t, func(t *testing.T, v vector, want string) {
		t.Helper()
		p, err := v.params()
		got := ""
		if err == nil {
			got, err = akamai.Compat(tokens.NewSecret([]byte(v.SecretHex)), v.config(), p, time.Unix(v.Now, 0))
		}
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

// strict signs a vector through the strict door, with a cap that lets its dates pass.
func (v vector) strict() (string, error) {
	compat, err := v.params()
	if err != nil {
		return "", err
	}
	now := time.Unix(v.Now, 0)
	p, err := compat.Strict(now)
	if err != nil {
		return "", err
	}
	p.MaxLifetime = 200 * 365 * 24 * time.Hour
	scheme, err := akamai.New(v.config())
	if err != nil {
		return "", err
	}
	key, err := scheme.NewKey(tokens.Material{Secret: tokens.NewSecret([]byte(v.SecretHex)), AllowShort: true})
	if err != nil {
		return "", err
	}
	return key.Token(p, now)
}

func TestStrictMakesTheSameBytesOrRefuses(t *testing.T) {
	t.Parallel()
	forEachVector(t, func(t *testing.T, v vector, want string) {
		t.Helper()
		if got, err := v.strict(); err == nil && got != want {
			t.Fatalf("got %q\nwant %q or an error", got, want)
		}
	})
}

// TestStrictTakesOrdinaryInput keeps the strict door from passing the test above by refusing all.
func TestStrictTakesOrdinaryInput(t *testing.T) {
	t.Parallel()
	for _, v := range load[vector](t, "edgeauth_vectors_public.json") {
		_, err := v.strict()
		ordinary := strings.HasPrefix(v.Name, "acl_all_fields") || strings.HasPrefix(v.Name, "url_all_fields") ||
			strings.HasPrefix(v.Name, "random_combo") && !strings.Contains(string(v.Fields.Path), "?")
		if ordinary && err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}

// covered returns a path that the vector's scope opens, or "" where its acl has only wildcards that
// verifiers do not agree on.
func (v vector) covered(p akamai.CompatParams) string {
	if p.URLPath != "" {
		return p.URLPath
	}
	for _, acl := range p.ACL {
		if prefix, wildcard := strings.CutSuffix(acl, "*"); !strings.ContainsAny(prefix, "?*") {
			if wildcard {
				return prefix + "x/y.ts"
			}
			return acl
		}
	}
	return ""
}

func TestVerifyCompatAcceptsEachAndRefusesEachChange(t *testing.T) {
	t.Parallel()
	forEachVector(t, func(t *testing.T, v vector, want string) {
		t.Helper()
		if want == "" {
			return
		}
		params, err := v.params()
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(want, "exp=")
		exp, err := strconv.ParseInt(rest[:strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		secret, now := tokens.NewSecret([]byte(v.SecretHex)), time.Unix(exp, 0)
		p := tokens.Presented{Token: want, Resource: v.covered(params), ClientIP: v.Fields.IP}
		err = akamai.VerifyCompat(secret, v.config(), p, now)
		var reason tokens.Reason
		switch {
		case v.Name == "payload_tilde_raw_injects":
			reason = tokens.Malformed
		case p.Resource == "":
			reason = tokens.PathNotCovered
		}
		if tokens.ReasonOf(err) != reason {
			t.Fatalf("got %v, want reason %q", err, reason)
		}
		for i := range len(want) {
			changed := []byte(want)
			changed[i]++
			p.Token = string(changed)
			if err := akamai.VerifyCompat(secret, v.config(), p, now); !errors.Is(err, tokens.ErrRefused) {
				t.Fatalf("byte %d changed (%s): got %v", i, p.Token, err)
			}
		}
	})
}
