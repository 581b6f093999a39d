package qencode_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

func TestClaims(t *testing.T) {
	claims, err := qencode.NewClaims(
		qencode.Claim{Name: "z", Value: uint64(math.MaxUint64)},
		qencode.Claim{Name: "a", Value: "<é&\u2028\"\\\n\x01>"},
		qencode.Claim{Name: "m", Value: map[string]any{"k": []int{1, 2}}},
		qencode.Claim{Name: "n", Value: nil},
	)
	want := `{"z":18446744073709551615,"a":"<é&` + "\u2028" + `\"\\\n\u0001>","m":{"k":[1,2]},"n":null}`
	if err != nil || claims.String() != want {
		t.Errorf("%s, %v; want %s", claims, err, want)
	}
	parsed, err := qencode.ParseClaims([]byte(" {\"z\" :18446744073709551615,\n\"a\":\"\\u003c\\u00e9&\\u2028\\\"\\\\\\n\\u0001>\",\"m\":{\"k\":[1 , 2]},\"n\":null} "))
	if err != nil || parsed != claims {
		t.Errorf("parsed %s, %v; want %s", parsed, err, want)
	}
	// Numbers stand as they were written, beyond what a float holds.
	const exact = `{"i":9007199254740993,"f":0.10000000000000000001,"e":1e400}`
	if parsed, err := qencode.ParseClaims([]byte(exact)); err != nil || parsed.String() != exact {
		t.Errorf("parsed %s, %v; want %s", parsed, err, exact)
	}
	for _, none := range []string{"", "{}", " { } "} {
		if parsed, err := qencode.ParseClaims([]byte(none)); err != nil || parsed != (qencode.Claims{}) {
			t.Errorf("%q: %s, %v", none, parsed, err)
		}
	}
}

func TestClaimsRefused(t *testing.T) {
	for _, text := range []string{
		"null", "[]", `"x"`, "1", "{", `{"a":1}{"b":2}`, `{"a":1} x`, `{"a":1,"a":1}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":2}}`, `{"a":[{"b":1,"b":2}]}`,
		`{"uri":""}`, `{"exp":1}`, `{"nbf":1}`, `{"kid":1}`, `{"alg":1}`, `{"typ":1}`, `{"EXP":1}`, `{"Uri":1}`, `{"\u0065xp":1}`, `{"` + "\u212a" + `id":1}`,
		`{"":1}`, `{"a\u0000":1}`, `{"a` + "\u0085" + `":1}`, `{"` + strings.Repeat("a", 129) + `":1}`,
		`{"a":"\ud800"}`, "{\"a\":\"\xff\"}", "{\"\xff\":1}", `{"a":"\ufffd"}`,
		`{"a":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}`, `{"a":[` + strings.Repeat("1,", 64) + `1]}`, `{"a":"` + strings.Repeat("x", 2048) + `"}`,
	} {
		if claims, err := qencode.ParseClaims([]byte(text)); tokens.ReasonOf(err) != tokens.InvalidArgument || !errors.Is(err, tokens.ErrInvalidParams) || claims != (qencode.Claims{}) {
			t.Errorf("%.60q: %s, %v", text, claims, err)
		}
	}
	for name, value := range map[string]any{"f": func() {}, "nan": math.NaN(), "bad": "\xff", "deep": "\ufffd", "exp": 1, "\xff": 1} {
		if claims, err := qencode.NewClaims(qencode.Claim{Name: name, Value: value}); tokens.ReasonOf(err) != tokens.InvalidArgument || claims != (qencode.Claims{}) {
			t.Errorf("%q: %s, %v", name, claims, err)
		}
	}
	if _, err := qencode.NewClaims(qencode.Claim{Name: "a", Value: 1}, qencode.Claim{Name: "a", Value: 2}); err == nil {
		t.Error("a claim twice was taken")
	}
	for _, text := range []string{`{"uri":1}`, `{"exp":1}`, `{"nbf":1}`, `{"a":1,"a":1}`, "[]"} {
		if _, err := qencode.ParseCompatClaims([]byte(text)); !errors.Is(err, tokens.ErrInvalidParams) {
			t.Errorf("compat took %s: %v", text, err)
		}
	}
}
