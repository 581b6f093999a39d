//go:build unix

package recipe_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/test/recipe"
)

// doc writes a document with one console block.
func doc(lines ...string) *recipe.Document {
	return recipe.Parse("docs/x.md", "# X\n\n```console\n"+strings.Join(lines, "\n")+"\n```\n")
}

func run(t *testing.T, d *recipe.Document, o recipe.Options) []recipe.Fault {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Env = append(os.Environ(), "NAME=world")
	faults, err := recipe.Run(t.Context(), d, o)
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

func TestParse(t *testing.T) {
	t.Parallel()
	d := recipe.Parse("x.md", "$ not this\n```console\n$ cat <<END\n> one\n>\n>  two\n> END\none\n> not typed\n$ true\n```\n```sh\n$ nor this\n```\n```console\n$ echo $?\n0\n```")
	type step struct {
		Line           int
		Command, Shown string
	}
	var got []step
	for _, s := range d.Steps {
		got = append(got, step{s.Line, s.Command, s.Shown})
	}
	want := []step{{3, "cat <<END\none\n\n two\nEND", "one\n> not typed\n"}, {10, "true", ""}, {16, "echo $?", "0\n"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	const a, b = "2031-01-02T03:04:05Z", "2032-11-12T13:14:15.678Z"
	for _, c := range []struct {
		shown, printed string
		want           bool
	}{
		{"", "", true},
		{"", "x", false},
		{"x", "", false},
		{"at " + a + " (in 45s)", "at " + b + "   (in 1m3.5s)\n", true},
		{"at " + a + ", 45s", "at " + b + ", 46s", false},
		{"key 0123456789ab", "key ba9876543210ffff", true},
		{"key 0123", "key 0124", false},
		{"auth=eyJh.eyJ1.c2ln", "auth=eyJx.eyJ5-_.AAAA", true},
		{"http://127.0.0.1:8080/x", "http://127.0.0.1:41234/x", true},
		{"http://127.0.0.1:8080/x", "http://127.0.0.1:8080/y", false},
		{"live/1  active  ····████▒▒--", "live/1 active ··█▒▒▒▒▒-----", true},
		{"live/1  active  ····████▒▒", "live/1 active ··████", false},
		{"a\n...\nz", "a\nz", true},
		{"a\n...\nz", "a\nb\nc\nz", true},
		{"a\n...\nz", "a\nb\nc", false},
		{"...", "a\nb", true},
		{"a …, c", "a b b b, c", true},
		{"a …, c", "a b\n, c", false},
		{"a.c", "abc", false},
	} {
		if got := recipe.Matches(c.shown, c.printed); got != c.want {
			t.Errorf("%q shown, %q printed: %t", c.shown, c.printed, got)
		}
	}
}

func TestOneShellForAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	faults := run(t, doc(
		"$ cat > file <<END", "> $NAME 'quoted'", "> END",
		"$ X=$(cat file); cd /", "$ echo $X", "world 'quoted'",
		"$ (echo out; echo err >&2; exit 3)", "out", "err", "$ echo $?", "3",
		"$ syntax (", "...", "$ echo $?", "2",
		"$ pwd", "/",
	), recipe.Options{Dir: dir})
	if len(faults) != 0 {
		t.Errorf("%v", faults)
	}
	if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
		t.Error(err)
	}
}

func TestFaultsSayWhere(t *testing.T) {
	t.Parallel()
	faults := run(t, doc("$ echo a", "b", "$ echo unshown", "$ false", "$ echo never"), recipe.Options{})
	var lines []int
	for _, f := range faults {
		lines = append(lines, f.Line)
	}
	if diff := cmp.Diff([]int{4, 6, 7}, lines); diff != "" {
		t.Fatalf("%v\n%s", faults, diff)
	}
	for i, want := range []string{"docs/x.md:4: $ echo a\n", "docs/x.md:6: $ echo unshown\n", "docs/x.md:7: $ false\nexit 1"} {
		if !strings.HasPrefix(faults[i].String(), want) {
			t.Errorf("%q; want %q", faults[i].String(), want)
		}
	}
	if text := faults[0].Text; !strings.Contains(text, `"b"`) || !strings.Contains(text, `"a"`) {
		t.Errorf("the diff shows not both: %s", text)
	}
	if faults := run(t, doc("$ exit 7", "$ echo never"), recipe.Options{}); len(faults) != 1 || !strings.Contains(faults[0].Text, "ended the shell") {
		t.Errorf("%v", faults)
	}
	if faults := run(t, doc("$ sleep 60"), recipe.Options{Timeout: 50 * time.Millisecond}); len(faults) != 1 {
		t.Errorf("%v", faults)
	}
}

func TestUpdateRewritesWhatIsWrong(t *testing.T) {
	t.Parallel()
	d := doc("$ echo a; echo b", "old", "$ echo 0123456789ab", "fedcba987654", "$ echo later", "x", "y", "$ true", "gone", "$ echo new")
	if faults := run(t, d, recipe.Options{Update: true}); len(faults) != 0 {
		t.Fatalf("%v", faults)
	}
	want := doc("$ echo a; echo b", "a", "b", "$ echo 0123456789ab", "fedcba987654", "$ echo later", "later", "$ true", "$ echo new", "new")
	if diff := cmp.Diff(want.Text(), d.Text()); diff != "" {
		t.Error(diff)
	}
	if faults := run(t, recipe.Parse("x.md", d.Text()), recipe.Options{}); len(faults) != 0 {
		t.Errorf("the updated document: %v", faults)
	}
}

func TestInstead(t *testing.T) {
	t.Parallel()
	faults := run(t, doc("$ make dev", "$ make test", "anything", "$ cat made", "it"), recipe.Options{
		Unshown: true,
		Instead: func(command string) string {
			return map[string]string{"make dev": "echo it | tee made", "cat made": "cat made"}[command]
		},
	})
	if len(faults) != 0 {
		t.Errorf("%v", faults)
	}
}

// TestServicesEndWithTheDocument: what is put into the background is waited for, and gone in the end.
func TestServicesEndWithTheDocument(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	waited := 0
	faults := run(t, doc(
		"$ (trap 'touch ended; exit' TERM; touch up; while :; do sleep 0.05; done) >log 2>&1 &",
		"$ ls", "log", "up",
	), recipe.Options{Dir: dir, Ready: func(ctx context.Context) error {
		for waited++; !at("up"); {
			select {
			case <-ctx.Done():
				return errors.New("not up")
			case <-time.After(10 * time.Millisecond):
			}
		}
		return nil
	}})
	if len(faults) != 0 || waited != 1 || !at("ended") {
		t.Errorf("%v; waited %d times, ended %t", faults, waited, at("ended"))
	}
}
