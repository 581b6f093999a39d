package offline_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tokensvc/tokensvc/internal/offline"
	"github.com/tokensvc/tokensvc/internal/schemes"
)

// FuzzLines feeds any bytes to both doors of every scheme and holds the answers to what callers build on:
// one JSON object for each line that is not blank, with its name and either outcome, and never a
// secret.
func FuzzLines(f *testing.F) {
	for scheme, line := range base(f) {
		if scheme != schemes.QencodeJWT {
			f.Add([]byte(line))
		}
	}
	for _, samples := range [][]sample{hdntsSamples(f), edgeAuthSamples(f), agoraSamples(f)} {
		for _, s := range samples[:min(len(samples), 20)] {
			f.Add(jsonLines(f, with(s.line, with(s.edge, entry{"token": s.token}))).Bytes())
		}
	}
	f.Add([]byte(goodLine + "\n\n" + verifyLine + "\n[]\n{\"name\":7}\nnull\n" + goodLine))
	f.Add([]byte(`{"name":"a","key_id":"k","private_key":"-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----","fields":{"uri":"x","exp":1735693200,"claims":{"a":[1e400]}}}`))
	f.Add([]byte("{\"name\":\"\xff\"}\n{\"name\":\"\\ud800\"}\n{\"now\":1e9}\r\n\x00"))
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > 64<<10 {
			return
		}
		lines := 0
		for line := range bytes.SplitSeq(input, []byte{'\n'}) {
			if len(bytes.Trim(line, " \t\r")) > 0 {
				lines++
			}
		}
		for _, scheme := range schemes.Names() {
			strict := checkTokens(t, open(t, scheme, false), input, lines)
			compat := checkTokens(t, open(t, scheme, true), input, lines)
			for i := range strict {
				if strict[i].Error == nil && (compat[i].Token != strict[i].Token || compat[i].URL != strict[i].URL) {
					t.Fatalf("%s: the strict door made %+v, the other %+v", scheme, strict[i], compat[i])
				}
			}
			checkVerifications(t, open(t, scheme, false), input, lines)
			checkVerifications(t, open(t, scheme, true), input, lines)
		}
	})
}

func checkTokens(t *testing.T, door *offline.Door, input []byte, lines int) []tokenAnswer {
	t.Helper()
	var out bytes.Buffer
	tally, err := door.Tokens(bytes.NewReader(input), &out)
	if err != nil || tally.Lines != lines {
		t.Fatalf("%+v, %v for %d lines", tally, err, lines)
	}
	checkForm(t, out.Bytes(), lines)
	got := answers[tokenAnswer](t, &out)
	for _, a := range got {
		if (a.Error == nil) == (a.Token == "") || a.Error != nil && (a.Error.Reason == "" || a.Error.Message == "" || a.URL != "") {
			t.Fatalf("%+v", a)
		}
	}
	checkSecrets(t, input, out.Bytes(), lines)
	return got
}

func checkVerifications(t *testing.T, door *offline.Door, input []byte, lines int) {
	t.Helper()
	var out bytes.Buffer
	tally, err := door.Verifications(bytes.NewReader(input), &out)
	if err != nil || tally.Lines != lines {
		t.Fatalf("%+v, %v for %d lines", tally, err, lines)
	}
	checkForm(t, out.Bytes(), lines)
	for _, a := range answers[verifyAnswer](t, &out) {
		if a.OK != (a.Reason == "") || a.OK != (a.Message == "") {
			t.Fatalf("%+v", a)
		}
	}
	checkSecrets(t, input, out.Bytes(), lines)
}

func checkForm(t *testing.T, out []byte, lines int) {
	t.Helper()
	if bytes.Count(out, []byte{'\n'}) != lines || !utf8.Valid(out) {
		t.Fatalf("not %d lines of UTF-8: %q", lines, out)
	}
	for line := range bytes.Lines(out) {
		if !bytes.HasPrefix(line, []byte(`{"name":`)) || !json.Valid(line) {
			t.Fatalf("not an answer: %q", line)
		}
	}
}

// checkSecrets looks for a secret that stands in a single line, in no other member, in its answer.
func checkSecrets(t *testing.T, input, out []byte, lines int) {
	t.Helper()
	var line map[string]any
	if lines != 1 || json.Unmarshal(input, &line) != nil {
		return
	}
	for _, member := range []string{"secret", "secret_hex", "private_key"} {
		secret, _ := line[member].(string)
		if len(secret) < 12 || !strings.ContainsAny(secret, "0123456789") || strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || bytes.Count(input, []byte(secret)) != 1 {
			continue
		}
		if bytes.Contains(out, []byte(secret)) {
			t.Fatalf("the secret is in %s", out)
		}
	}
}
