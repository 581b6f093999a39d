package fieldtoken_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/fieldtoken"
)

func TestAppendSeconds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	cases := []int64{0, 1, 9, 999_999_999, 1_000_000_000, 1_578_422_041, 9_999_999_999, 10_000_000_000, 1_578_422_041_000, fieldtoken.MaxSeconds, -1}
	for range 10_000 {
		cases = append(cases, random.Int64N(tokens.MaxUnixSeconds))
	}
	for _, n := range cases {
		if got, want := string(fieldtoken.AppendSeconds([]byte("x"), n)), "x"+strconv.FormatInt(n, 10); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

// FuzzParse: what is parsed prints as it was, and the strict reading is a part of the other.
func FuzzParse(f *testing.F) {
	mac := strings.Repeat("0a", 32)
	f.Add("exp=1~hmac="+mac, "~")
	f.Add("ip=1.2.3.4~x~exp=1~hmac="+mac, "~")
	f.Add("a==b|exp=|hmac="+mac, "|")
	f.Fuzz(func(t *testing.T, text, delimiter string) {
		if delimiter == "" {
			return
		}
		strict, strictErr := fieldtoken.Parse(text, delimiter, 64, fieldtoken.Strict)
		compat, compatErr := fieldtoken.Parse(text, delimiter, 64, fieldtoken.Compat)
		if compatErr == nil && compat.String(delimiter) != text {
			t.Fatalf("%q prints as %q", text, compat.String(delimiter))
		}
		if strictErr == nil && (compatErr != nil || strict.String(delimiter) != text) {
			t.Fatalf("%q: strict %v, compat %v", text, strict, compatErr)
		}
		seen := map[string]bool{}
		for _, field := range compat.Fields {
			if seen[field.Name] || field.Name == "" {
				t.Fatalf("%q has the field %q twice, or without a name", text, field.Name)
			}
			seen[field.Name] = true
		}
	})
}
