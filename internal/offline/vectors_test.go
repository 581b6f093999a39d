package offline_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/offline"
	"github.com/tokensvc/tokensvc/internal/schemes"
)

// clock is the time of lines that bring none.
func clock() time.Time { return time.Unix(1735689600, 0) }

func open(t testing.TB, scheme string, compat bool) *offline.Door {
	t.Helper()
	d, err := offline.Open(scheme, offline.Options{Compat: compat, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// entry is one entry of a vector file, as it stands.
type entry = map[string]any

// load reads a vector file of a token package. Numbers keep their digits.
func load(t testing.TB, scheme, file string) []entry {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "tokens", scheme, "testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var out []entry
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatal("no vectors")
	}
	return out
}

// sample is a line for `token`, what it should make, and what else an edge needs to know to verify it.
type sample struct {
	name string
	line entry
	// token and url are what the byte-exact door makes; no token means an error.
	token, url string
	edge       entry
	// odd marks tokens that verifying refuses though the scripts make them, with the reason.
	odd string
}

// tokenAnswer and verifyAnswer are answers as a caller in another language reads them.
type tokenAnswer struct {
	Name  any
	Token string
	URL   string
	Error *struct{ Reason, Message string }
}

type verifyAnswer struct {
	Name            any
	OK              bool
	Reason, Message string
}

func text(e entry, member string) string {
	s, _ := e[member].(string)
	return s
}

func inner(e entry, member string) entry {
	out, _ := e[member].(map[string]any)
	return out
}

// with returns e with other members.
func with(e, more entry) entry {
	out := maps.Clone(e)
	if out == nil {
		out = entry{}
	}
	maps.Copy(out, more)
	return out
}

// expected returns the token that an entry of the hdnts and EdgeAuth files asks for, or "" where it asks
// for an error: what all scripts make, else the recommended reading.
func expected(t testing.TB, e entry) string {
	t.Helper()
	if expect, ok := e["expect"].(string); ok {
		return expect
	}
	scripts, recommended := inner(e, "by_lang"), text(e, "recommended")
	for prefix, script := range map[string]string{
		"omit-field (js": "js", "treat end as absent (js)": "js", "trim whitespace before storing (ruby": "ruby",
		"avoid": "python", "omit (python": "python", "accept case-insensitively": "python",
		"escape as %7e (node": "node", "n/a with typed ints": "java",
	} {
		if strings.HasPrefix(recommended, prefix) {
			return text(scripts, script)
		}
	}
	switch {
	case text(e, "expect_error") != "", strings.HasPrefix(recommended, "error"):
		return ""
	case strings.HasPrefix(recommended, "majority"):
		count := map[string]int{}
		for script := range scripts {
			token := text(scripts, script)
			count[token]++
			if count[token] >= 2 && !strings.HasPrefix(token, "ERROR") {
				return token
			}
		}
	}
	t.Fatalf("%s: no reading for %q", e["name"], recommended)
	return ""
}

func hdntsSamples(t testing.TB) []sample {
	t.Helper()
	var out []sample
	for _, file := range []string{"hdnts_vectors_public.json", "hdnts_vectors_divergent.json"} {
		for _, e := range load(t, "wowza", file) {
			fields := inner(e, "fields")
			s := sample{name: text(e, "name"), line: e, token: expected(t, e), edge: entry{
				"secret": e["secret"], "stream_id": fields["stream_id"], "client_ip": text(fields, "ip"), "now": expiry(t, expected(t, e)),
			}}
			if strings.Count(s.token, "exp=") > 1 {
				s.odd = "MALFORMED"
			}
			out = append(out, s)
		}
	}
	return out
}

// expiry returns the last second of a token with an exp field. Of two it takes the last.
func expiry(t testing.TB, token string) json.Number {
	t.Helper()
	i := strings.LastIndex(token, "exp=")
	if i < 0 {
		return "0"
	}
	digits := token[i+len("exp="):]
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	return json.Number(digits)
}

func edgeAuthSamples(t testing.TB) []sample {
	t.Helper()
	var out []sample
	for _, file := range []string{"edgeauth_vectors_public.json", "edgeauth_vectors_divergent.json"} {
		for _, e := range load(t, "akamai", file) {
			fields := inner(e, "fields")
			s := sample{name: text(e, "name"), line: e, token: expected(t, e), edge: entry{
				"secret_hex": e["secret_hex"], "path": openedPath(fields), "client_ip": text(fields, "ip"), "now": expiry(t, expected(t, e)),
			}}
			for _, member := range []string{"salt", "algorithm", "field_delimiter", "acl_delimiter", "escape_early"} {
				if value, ok := fields[member]; ok {
					s.edge[member] = value
				}
			}
			switch {
			case s.name == "payload_tilde_raw_injects":
				s.odd = "MALFORMED"
			case s.edge["path"] == "":
				s.odd = "PATH_NOT_COVERED"
			}
			out = append(out, s)
		}
	}
	return out
}

// openedPath returns a path that the scope opens, or "" where its acl has only wildcards that verifiers
// read in different ways.
func openedPath(fields entry) string {
	paths, isList := fields["path"].([]any)
	if !isList {
		paths = []any{fields["path"]}
	}
	for _, p := range paths {
		acl, _ := p.(string)
		if fields["mode"] == "url" {
			return acl
		}
		if prefix, wildcard := strings.CutSuffix(acl, "*"); !strings.ContainsAny(prefix, "?*") {
			if wildcard {
				return prefix + "x/y.ts"
			}
			return acl
		}
	}
	return ""
}

func agoraSamples(t testing.TB) []sample {
	t.Helper()
	var out []sample
	for _, e := range load(t, "agora", "agora_url_public.json") {
		for form, member := range map[string]string{"md5": "signed_url_md5", "mid16": "signed_url_mid16"} {
			_, token, _ := strings.Cut(text(e, member), "?")
			out = append(out, sample{
				name:  text(e, "id") + "/" + form,
				line:  with(e, entry{"secret": e["key"], "fields": entry{"url": e["url"], "ts": e["ts"], "form": form}, "now": 0}),
				token: token, url: text(e, member),
				edge: entry{"secret": e["key"], "url": e["url"], "now": e["ts"]},
			})
		}
	}
	slices.SortFunc(out, func(a, b sample) int { return strings.Compare(a.name, b.name) })
	return out
}

// qencodeKeys returns the test keys by id.
func qencodeKeys(t testing.TB) map[string]entry {
	t.Helper()
	out := map[string]entry{}
	for _, e := range load(t, "qencode", "qencode_test_keys.json") {
		out[text(e, "id")] = e
	}
	return out
}

func qencodeSamples(t testing.TB) []sample {
	t.Helper()
	keys := qencodeKeys(t)
	var out []sample
	for _, e := range load(t, "qencode", "qencode_token_public.json") {
		if verifyOnly(e) {
			continue
		}
		id := text(e, "signing_key_id")
		base, _, _ := strings.Cut(text(e, "url"), "?auth=")
		var accepted entry
		for _, check := range checksOf(e) {
			if check["want"] == "ok" {
				accepted = check
				break
			}
		}
		s := sample{
			name: text(e, "id"), token: text(e, "token"), url: text(e, "url"),
			line: entry{
				"id": e["id"], "now": json.Number("1735689600"), "key_id": id, "private_key": keys[id]["private_key"],
				"fields": payloadFields(t, text(e, "payload_json"), base),
			},
			edge: entry{"key_id": id, "public_key": keys[id]["public_key"], "resource": accepted["resource"], "now": accepted["now"]},
		}
		if !strings.Contains(text(e, "payload_json"), `"exp"`) {
			s.odd = "NO_EXPIRY"
		}
		out = append(out, s)
	}
	return out
}

// verifyOnly tells the entries that no honest signer makes.
func verifyOnly(e entry) bool {
	for _, check := range checksOf(e) {
		switch check["want"] {
		case "bad_signature", "bad_alg", "no_kid", "bad_claim":
			return true
		}
	}
	return false
}

// checksOf returns what an entry of the Qencode file says of its token.
func checksOf(e entry) []entry {
	var out []entry
	list, _ := e["checks"].([]any)
	for _, c := range list {
		check, _ := c.(map[string]any)
		out = append(out, check)
	}
	return out
}

// payloadFields splits a payload into the members of fields. The rest becomes claims, in its order.
func payloadFields(t testing.TB, payload, url string) entry {
	t.Helper()
	fields := entry{"url": url}
	claims := bytes.NewBufferString("{")
	d := json.NewDecoder(strings.NewReader(payload))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			t.Fatalf("%v, %v", token, err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		switch name {
		case "uri", "exp", "nbf":
			fields[name] = value
		default:
			if claims.Len() > 1 {
				claims.WriteByte(',')
			}
			claims.WriteString(`"` + name + `":` + string(value))
		}
	}
	if claims.Len() > 1 {
		fields["claims"] = json.RawMessage(claims.String() + "}")
	}
	return fields
}

func allSamples(t testing.TB) map[string][]sample {
	t.Helper()
	return map[string][]sample{
		schemes.WowzaHdnts:     hdntsSamples(t),
		schemes.AkamaiEdgeAuth: edgeAuthSamples(t),
		schemes.AgoraTimestamp: agoraSamples(t),
		schemes.QencodeJWT:     qencodeSamples(t),
	}
}

// jsonLines writes one object a line.
func jsonLines(t testing.TB, lines ...entry) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	for _, line := range lines {
		if err := e.Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	return &out
}

// answers reads one answer a line.
func answers[A any](t testing.TB, out *bytes.Buffer) []A {
	t.Helper()
	var all []A
	for line := range strings.Lines(out.String()) {
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		d.UseNumber()
		var a A
		if err := d.Decode(&a); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, a)
	}
	return all
}

// sign feeds lines to the stream of a door and returns its answers.
func sign(t testing.TB, d *offline.Door, lines ...entry) []tokenAnswer {
	t.Helper()
	var out bytes.Buffer
	tally, err := d.Tokens(jsonLines(t, lines...), &out)
	if err != nil || tally.Lines != len(lines) || tally.NotObjects != 0 {
		t.Fatalf("%+v, %v", tally, err)
	}
	got := answers[tokenAnswer](t, &out)
	if len(got) != len(lines) {
		t.Fatalf("%d answers to %d lines", len(got), len(lines))
	}
	return got
}

// verify is sign for verifying.
func verify(t testing.TB, d *offline.Door, lines ...entry) []verifyAnswer {
	t.Helper()
	var out bytes.Buffer
	tally, err := d.Verifications(jsonLines(t, lines...), &out)
	if err != nil || tally.Lines != len(lines) || tally.NotObjects != 0 {
		t.Fatalf("%+v, %v", tally, err)
	}
	got := answers[verifyAnswer](t, &out)
	if len(got) != len(lines) {
		t.Fatalf("%d answers to %d lines", len(got), len(lines))
	}
	return got
}

func linesOf(samples []sample) []entry {
	var lines []entry
	for _, s := range samples {
		lines = append(lines, s.line)
	}
	return lines
}

func TestCompatReproducesEveryVector(t *testing.T) {
	t.Parallel()
	for scheme, samples := range allSamples(t) {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			for i, got := range sign(t, open(t, scheme, true), linesOf(samples)...) {
				s := samples[i]
				want := s.line["name"]
				if want == nil {
					want = s.line["id"]
				}
				if got.Name != want || want == nil {
					t.Errorf("%s: named %v, want %v", s.name, got.Name, want)
				}
				if got.Token != s.token || got.URL != s.url || (got.Error == nil) != (s.token != "") {
					t.Errorf("%s: got %+v\nwant %q %q", s.name, got, s.token, s.url)
				}
				if got.Error != nil && (got.Error.Reason == "" || got.Error.Reason == "INTERNAL" || got.Error.Message == "") {
					t.Errorf("%s: error without words: %+v", s.name, got.Error)
				}
			}
		})
	}
}

func TestStrictMakesTheSameBytesOrRefuses(t *testing.T) {
	t.Parallel()
	const century = 100 * 365 * 24 * 3600
	for scheme, samples := range allSamples(t) {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			var lines []entry
			for _, s := range samples {
				lines = append(lines, s.line, with(s.line, entry{"max_lifetime_seconds": century}))
			}
			signed := 0
			for i, got := range sign(t, open(t, scheme, false), lines...) {
				s := samples[i/2]
				if got.Error == nil && (got.Token != s.token || got.URL != s.url) {
					t.Errorf("%s: got %q %q\nwant %q %q or an error", s.name, got.Token, got.URL, s.token, s.url)
				}
				if got.Error == nil {
					signed++
				}
			}
			if signed < len(samples)/4 {
				t.Errorf("signed %d of %d lines; refusing all proves nothing", signed, len(lines))
			}
		})
	}
}
