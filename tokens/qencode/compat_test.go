package qencode_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

func TestCompatIsByteExact(t *testing.T) {
	key, err := qencode.NewCompatKey(testKeys(t)[smallKeyID].material())
	if err != nil {
		t.Fatal(err)
	}
	number := func(n int64) *int64 { return &n }
	claims, err := qencode.ParseCompatClaims([]byte(`{"kid":"k", "iat":1735689600}`))
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		params qencode.CompatParams
		want   string
	}{
		{qencode.CompatParams{}, `{"uri":""}`},
		{qencode.CompatParams{URI: "/видео/\"x\"\t\\.mp4?a=<b>&c", Expire: number(0)}, `{"uri":"/видео/\"x\"\t\\.mp4?a=<b>&c","exp":0}`},
		{qencode.CompatParams{URI: "a", Expire: number(1735693200000), NotBefore: number(-1)}, `{"uri":"a","exp":1735693200000,"nbf":-1}`},
		{qencode.CompatParams{URI: "a", NotBefore: number(0), Claims: claims}, `{"uri":"a","nbf":0,"kid":"k","iat":1735689600}`},
	}
	for _, c := range cases {
		credential, err := key.Compat(c.params)
		if err != nil {
			t.Errorf("%s: %v", c.want, err)
			continue
		}
		if _, payload := parts(t, credential.Token); payload != c.want {
			t.Errorf("wrote %s, want %s", payload, c.want)
		}
	}
	if _, err := key.Compat(qencode.CompatParams{URI: "\xff"}); !errors.Is(err, tokens.ErrInvalidParams) {
		t.Errorf("text that is not UTF-8: %v", err)
	}

	milliseconds, err := key.Compat(cases[2].params)
	if err != nil {
		t.Fatal(err)
	}
	p := tokens.Presented{Token: milliseconds.Token, Resource: "a"}
	if err := key.Verify(p, now()); err != nil {
		t.Errorf("compat refuses milliseconds: %v", err)
	}
	p.MaxLifetime = time.Hour
	if got := tokens.ReasonOf(key.Verify(p, now())); got != tokens.LifetimeTooLong {
		t.Errorf("milliseconds under a cap: %q", got)
	}
}

func TestCompatKeys(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	m := material(`an id "of" our own`, x509.MarshalPKCS1PrivateKey(small))
	key, err := qencode.NewCompatKey(m)
	if err != nil {
		t.Fatal(err)
	}
	expire := now().Unix() + 60
	c, err := key.Compat(qencode.CompatParams{URI: "a", Expire: &expire})
	if err != nil {
		t.Fatal(err)
	}
	public, err := qencode.NewCompatVerifyKey(m.ID, x509.MarshalPKCS1PublicKey(&small.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	if err := public.Verify(tokens.Presented{Token: c.Token, Resource: "a"}, now()); err != nil {
		t.Errorf("refused: %v", err)
	}
	if _, err := public.Compat(qencode.CompatParams{}); !errors.Is(err, tokens.ErrInvalidKey) {
		t.Errorf("the public half signed: %v", err)
	}
	for name, m := range map[string]tokens.Material{"no id": material("", m.Secret.Reveal()), "not UTF-8": material("\xff", m.Secret.Reveal()), "no key": material("k", nil)} {
		if key, err := qencode.NewCompatKey(m); !errors.Is(err, tokens.ErrInvalidKey) || key != nil {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
}

// TestCompatKeysOfASizeThatCannotSign uses a throw-away key of 512 bits, which crypto/rsa reads and
// does not sign with.
func TestCompatKeysOfASizeThatCannotSign(t *testing.T) {
	der, err := base64.StdEncoding.DecodeString(
		"MIIBOwIBAAJBAMx2uNRUsFSxJNGBa08bbAs34kzOzelj6GsTgIL7Cau8PuLoI4SKSYsVZcXzLVR3tUzkwC1Wzpf/P0f3bhhyvdMCAwEAAQJATxsv" +
			"75bEkj/nSteTuQuXBdAdUjJBIKdy6NqmwgZ2e2asrrRIHf9ejANnhP55I2MOdLD/l/59vknoBYykrCy0wQIhAOiny2/UqIUJCkzvSqURNfn9ivgH" +
			"HTSDF7AhdsluA7UbAiEA4PrE6r/CJAZIxP7SOnZsKFoO58K8ZB6ZttBa0gzWfakCIQDDUCofRd37YS1+jNyTWrF/nvRNaFuCPBNkz5MTYwJFxQIg" +
			"K/taO7o5Lem8mCZo2t0Dz++rMkuzoK8Kxd59osq3s+ECIQC4EMkjMdeCSAIOnNjsWvvlMLlGoLqBMYEYeQrF78I2pg==")
	if err != nil {
		t.Fatal(err)
	}
	if key, err := qencode.NewCompatKey(material("k", der)); !errors.Is(err, tokens.ErrInvalidKey) || key != nil {
		t.Errorf("private: %v, %v", key, err)
	}
	tiny, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	if key, err := qencode.NewCompatVerifyKey("k", x509.MarshalPKCS1PublicKey(&tiny.PublicKey)); !errors.Is(err, tokens.ErrInvalidKey) || key != nil {
		t.Errorf("public: %v, %v", key, err)
	}
}
