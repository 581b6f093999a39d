package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/app"
)

// TestProtectAsksBeforeItBreaksViewers: where nobody can be asked, nothing is done without --yes.
func TestProtectAsksBeforeItBreaksViewers(t *testing.T) {
	t.Parallel()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := null.Close(); err != nil {
			t.Error(err)
		}
	}()
	for name, c := range map[string]struct {
		planned []app.Protected
		warns   string
	}{
		"on already":         {[]app.Protected{{Resource: "s1", On: true}}, ""},
		"breaks nobody":      {[]app.Protected{{Resource: "s1", Change: "is said again", On: true}}, ""},
		"nothing to be done": {[]app.Protected{{Resource: "s1", Open: "all of it"}}, ""},
		"breaks viewers": {
			[]app.Protected{{Resource: "s1", On: true}, {Resource: "s2", Change: "it is switched on", Breaks: "who has no token is refused"}},
			"s2: it is switched on\nwarning: who has no token is refused\n",
		},
	} {
		for _, in := range []io.Reader{strings.NewReader("y\n"), null} {
			var errs bytes.Buffer
			err := (&common{sys: system{in: in, err: &errs}}).confirm(c.planned)
			if errors.Is(err, errNotConfirmed) != (c.warns != "") || errs.String() != c.warns {
				t.Errorf("%s: %v, %q; want %q", name, err, &errs, c.warns)
			}
		}
	}
}

func TestProtectedIsPrinted(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := (&common{sys: system{out: &out}}).printProtected([]app.Protected{
		{Resource: "s1", On: true},
		{Resource: "s2", Change: "a policy was set", PlaybackID: "p2", Open: "the rest"},
		{Resource: "s3", On: true, Change: "a policy was set"},
		{Resource: "s4", Open: "all of it"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `resource  s1
state     checks tokens already
resource     s2
state        checks tokens now
changed      a policy was set
playback id  p2
open still   the rest
resource    s3
state       checks tokens already
said again  a policy was set
resource    s4
state       checks no tokens
open still  all of it
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}
