package qencode_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

type vector struct {
	ID      string `json:"id"`
	KeyID   string `json:"signing_key_id"`
	Header  string `json:"header_json"`
	Payload string `json:"payload_json"`
	Token   string `json:"token"`
	URL     string `json:"url"`
	Checks  []struct {
		Now      int64  `json:"now"`
		Resource string `json:"resource"`
		Want     string `json:"want"`
	} `json:"checks"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	var out []vector
	readJSON(t, "testdata/qencode_token_public.json", &out)
	if len(out) < 12 {
		t.Fatalf("%d vectors, want 12", len(out))
	}
	return out
}

// compatParams takes a payload apart into the input of the sample code.
func compatParams(t testing.TB, v vector) qencode.CompatParams {
	t.Helper()
	var known struct {
		URI string `json:"uri"`
		Exp *int64 `json:"exp"`
		NBF *int64 `json:"nbf"`
	}
	if err := json.Unmarshal([]byte(v.Payload), &known); err != nil {
		t.Fatal(err)
	}
	base, _, _ := strings.Cut(v.URL, "?auth=")
	out := qencode.CompatParams{URI: known.URI, Expire: known.Exp, NotBefore: known.NBF, URL: base}
	decoder := json.NewDecoder(strings.NewReader(v.Payload))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	var own bytes.Buffer
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		if name == "uri" || name == "exp" || name == "nbf" {
			continue
		}
		if own.Len() > 0 {
			own.WriteString(" ,\n")
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		own.Write(quoted)
		own.WriteString(" : ")
		own.Write(value)
	}
	claims, err := qencode.ParseCompatClaims([]byte("{" + own.String() + "}"))
	if err != nil {
		t.Fatal(err)
	}
	out.Claims = claims
	return out
}

func reasonOf(t *testing.T, want string) tokens.Reason {
	t.Helper()
	switch want {
	case "ok":
		return ""
	case "expired":
		return tokens.Expired
	case "not_yet_valid":
		return tokens.NotYetValid
	case "wrong_resource":
		return tokens.PathNotCovered
	case "bad_signature":
		return tokens.BadSignature
	default:
		t.Fatalf("unknown outcome %q", want)
		return ""
	}
}

func TestVectors(t *testing.T) {
	keys := testKeys(t)
	for _, v := range vectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			key, ok := keys[v.KeyID]
			if !ok {
				t.Fatalf("no key %s", v.KeyID)
			}
			testVector(t, v, key)
		})
	}
}

func testVector(t *testing.T, v vector, key testKey) {
	compat, err := qencode.NewCompatKey(key.material())
	if err != nil {
		t.Fatal(err)
	}
	params := compatParams(t, v)
	c, err := compat.Compat(params)
	if err != nil {
		t.Fatalf("compat: %v", err)
	}
	header, payload := parts(t, c.Token)
	if header != v.Header || payload != v.Payload {
		t.Errorf("compat wrote %s %s, want %s %s", header, payload, v.Header, v.Payload)
	}
	// One vector is signed by another key than it names, on purpose.
	if forged := v.Checks[0].Want == "bad_signature"; !forged && (c.Token != v.Token || c.URL != v.URL) {
		t.Errorf("compat made %s, want %s", c.URL, v.URL)
	} else if forged && c.Token == v.Token {
		t.Error("the forged token came out of the key that it names")
	}
	if token, err := qencode.Split(v.URL); err != nil || token != v.Token {
		t.Errorf("the URL carries %s, %v", token, err)
	}

	testVectorStrict(t, v, key, params, c)
	testVectorChecks(t, v, key, params.Expire == nil)
}

// testVectorStrict wants the same bytes from the strict door, or a refusal that has a ground.
func testVectorStrict(t *testing.T, v vector, key testKey, params qencode.CompatParams, want tokens.Credential) {
	strict, err := qencode.Scheme{}.Prepare(key.material())
	if err != nil {
		t.Fatal(err)
	}
	own := qencode.Params{URI: params.URI, Claims: params.Claims, URL: params.URL}
	if params.Expire != nil {
		own.Expire = time.Unix(*params.Expire, 0)
	}
	if params.NotBefore != nil {
		own.NotBefore = time.Unix(*params.NotBefore, 0)
	}
	now := time.Unix(1735689600, 0)
	refused := map[string]tokens.Reason{"live-noexp": tokens.NoExpiry, "bucket-prefix-bare": tokens.InvalidArgument, "bucket-all": tokens.InvalidArgument}
	c, err := strict.Sign(own, now)
	if tokens.ReasonOf(err) != refused[v.ID] {
		t.Errorf("strict: %v, want reason %q", err, refused[v.ID])
	}
	if err == nil && c != want {
		t.Errorf("strict made %s, compat %s", c.URL, want.URL)
	}
	if v.ID != "bucket-all" {
		return
	}
	own.WholeBucket = true
	if c, err := strict.Sign(own, now); err != nil || c != want {
		t.Errorf("asked in words, strict made %s, %v; compat %s", c.URL, err, want.URL)
	}
}

func testVectorChecks(t *testing.T, v vector, key testKey, eternal bool) {
	strict, err := qencode.Scheme{}.Prepare(key.material())
	if err != nil {
		t.Fatal(err)
	}
	public, err := qencode.NewVerifyKey(key.ID, []byte(key.Public))
	if err != nil {
		t.Fatal(err)
	}
	compat, err := qencode.NewCompatVerifyKey(key.ID, []byte(key.Public))
	if err != nil {
		t.Fatal(err)
	}
	verifiers := map[string]interface {
		Verify(tokens.Presented, time.Time) error
	}{"strict": strict, "public": public, "compat": compat}
	for _, check := range v.Checks {
		want := reasonOf(t, check.Want)
		if eternal {
			want = tokens.NoExpiry // to Qencode it is good for ever; not to us
		}
		for name, verifier := range verifiers {
			err := verifier.Verify(tokens.Presented{Token: v.Token, Resource: check.Resource}, time.Unix(check.Now, 0))
			if got := tokens.ReasonOf(err); got != want || (err == nil) != (want == "") {
				t.Errorf("%s at %d for %s: %v, want %s", name, check.Now, check.Resource, err, want)
			}
		}
	}
}

// Every byte of a vector counts, the loose bits of the last base64 digit included.
func TestVectorsWithOneByteChanged(t *testing.T) {
	keys := testKeys(t)
	for _, v := range vectors(t) {
		if v.Checks[0].Want != "ok" || v.ID == "live-noexp" {
			continue
		}
		public, err := qencode.NewVerifyKey(v.KeyID, []byte(keys[v.KeyID].Public))
		if err != nil {
			t.Fatal(err)
		}
		check := v.Checks[0]
		p := tokens.Presented{Token: v.Token, Resource: check.Resource}
		for i := range len(v.Token) {
			p.Token = v.Token[:i] + string(v.Token[i]^1) + v.Token[i+1:]
			if err := public.Verify(p, time.Unix(check.Now, 0)); !errors.Is(err, tokens.ErrRefused) {
				t.Errorf("%s: byte %d changed: %v", v.ID, i, err)
			}
		}
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		last := len(v.Token) - 1
		for _, c := range []byte(alphabet) {
			if p.Token = v.Token[:last] + string(c); c == v.Token[last] {
				continue
			}
			if err := public.Verify(p, time.Unix(check.Now, 0)); !errors.Is(err, tokens.ErrRefused) {
				t.Errorf("%s: last byte %q: %v", v.ID, c, err)
			}
		}
	}
}

func parts(t testing.TB, token string) (header, payload string) {
	t.Helper()
	split := strings.Split(token, ".")
	if len(split) != 3 {
		t.Fatalf("%d parts", len(split))
	}
	var out [2]string
	for i := range out {
		text, err := base64.RawURLEncoding.DecodeString(split[i])
		if err != nil {
			t.Fatal(err)
		}
		out[i] = string(text)
	}
	return out[0], out[1]
}
