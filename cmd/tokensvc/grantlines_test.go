package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitCSV(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		"":                  {""},
		",":                 {"", ""},
		"a,b,c":             {"a", "b", "c"},
		`"a,b",c`:           {"a,b", "c"},
		`"a""b","",c`:       {`a"b`, "", "c"},
		`"a",`:              {"a", ""},
		`a,"b"`:             {"a", "b"},
		`""`:                {""},
		`""""`:              {`"`},
		"é, ü":              {"é", " ü"},
		`"a`:                nil,
		`a,"b`:              nil,
		`"a"b,c`:            nil,
		`a"b,c`:             nil,
		`"a""`:              nil,
		`a,b "quoted" word`: nil,
	} {
		got, err := splitCSV(line)
		if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (want != nil) {
			t.Errorf("%s: %v (-want +got):\n%s", line, err, diff)
		}
	}
}

// Whatever stands in a line, those around it are read as they are, under their own numbers.
func FuzzABrokenLineShiftsNoOther(f *testing.F) {
	for _, line := range []string{`"`, `a"b,c`, `"a,b`, "x", "a,b,c,d", strings.Repeat("y", 2*maxGrantLine), "\x00", `{"viewer":`, "a,b\r", "\ufeff"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, broken string) {
		broken = strings.NewReplacer("\n", "", "\r", "").Replace(broken)
		input := "viewer,playback\nann,final\n" + broken + "\nbob,final\r\n"
		lines := newGrantLines(strings.NewReader(input), true)
		read := map[int]string{}
		for {
			line, err := lines.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if (line.request == nil) == (line.fault == nil) {
				t.Errorf("line %d: %v and %v", line.number, line.request, line.fault)
			}
			read[line.number] = line.request.GetGrant().GetViewer()
		}
		if read[2] != "ann" || read[4] != "bob" || len(read) > 3 {
			t.Errorf("read %v around %q", read, broken)
		}
		if lines.read != int64(len(input)) {
			t.Errorf("%d bytes read of %d", lines.read, len(input))
		}
	})
}

func TestAGrantOfJSONIsReadStrictly(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"viewer":"ann","playback":"final","max_plays":3,"countries":["AT"]}`: "",
		` {} `:                                "",
		`{"viewer":"ann","viewer":"bob"}`:     `member "viewer" is there twice`,
		`{"Viewer":"ann"}`:                    `there is no member "Viewer"; there are viewer, playback, product, start, end, max_plays, max_sessions, max_devices, countries, networks, order, idempotency_key`,
		`{"max_plays":"3"}`:                   "max_plays: want a whole number without quotes",
		`{"max_plays":3000000000}`:            "max_plays: want a whole number without quotes",
		`{"viewer":3}`:                        "viewer: want a text",
		`{"end":1795353933}`:                  `end: want a text like "2026-12-24T20:00:00Z"`,
		`{"countries":"DE"}`:                  `countries: want an array of texts, like ["DE", "AT"]`,
		`{"networks":[1]}`:                    `networks: want an array of texts, like ["192.0.2.0/24"]`,
		`{"viewer":"ann"`:                     "the JSON object does not end on its line",
		`{"viewer":an}`:                       "viewer: not valid JSON",
		`{"viewer" "ann"}`:                    "viewer: not valid JSON",
		`{"viewer":"ann" "playback":"final"}`: "not valid JSON",
		`{viewer:"ann"}`:                      "not valid JSON",
		`[]`:                                  "not a JSON object",
		`null`:                                "not a JSON object",
		`viewer,playback`:                     "not a JSON object",
		`{"viewer":"ann"}{"viewer":"bob"}`:    "something stands behind the JSON object",
	} {
		got := ""
		if _, err := parseGrantJSON(text); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// A row without a key is named by all that stands in it.
func TestARowIsNamedByWhatStandsInIt(t *testing.T) {
	t.Parallel()
	row := grantRow{Viewer: "ada", Playback: "final"}
	seen := map[string]bool{row.key(): true}
	for _, change := range []func(*grantRow){
		func(r *grantRow) { r.Viewer = "bob" }, func(r *grantRow) { r.Playback, r.Product = "", "final" }, func(r *grantRow) { r.Start = "2030-01-01T00:00:00Z" },
		func(r *grantRow) { r.End = "2030-01-01T00:00:00Z" }, func(r *grantRow) { r.MaxPlays = 1 }, func(r *grantRow) { r.MaxSessions = 1 },
		func(r *grantRow) { r.MaxDevices = 1 }, func(r *grantRow) { r.Countries = []string{"AT"} }, func(r *grantRow) { r.Networks = []string{"::/0"} },
		func(r *grantRow) { r.Order = "o" }, func(r *grantRow) { r.Order = strings.Repeat("o", 65) },
	} {
		other := row
		change(&other)
		if seen[other.key()] || len(other.key()) > 128 {
			t.Errorf("%+v has the key %s", other, other.key())
		}
		seen[other.key()] = true
	}
	again := grantRow{Viewer: "ada", Playback: "final"}
	if !seen[again.key()] {
		t.Error("an equal row has another key")
	}
}
