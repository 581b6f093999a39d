package tokenstest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// changes are the bytes that stand in for each byte of a token, in turn.
const changes = "AaBbZz01789-_.~=&%/+ \n\x00\xff"

func (s *suite) changedByte(t *testing.T) {
	p := s.Presented(s.mustSign(t, s.Params(s.expire)))
	if err := s.key.Verify(p, s.Now); err != nil {
		t.Fatalf("the sound token is refused: %v", err)
	}
	sound := p.Token
	try := func(i int, b byte) {
		if b == sound[i] {
			return
		}
		p.Token = sound[:i] + string([]byte{b}) + sound[i+1:]
		if err := s.key.Verify(p, s.Now); err == nil {
			t.Errorf("accepted with byte %d changed from %q to %q", i, sound[i], b)
		} else {
			s.checkError(t, err, tokens.ErrRefused)
		}
	}
	for i := range len(sound) {
		// A neighbour in the alphabet differs in the lowest bits, which lax decoders drop.
		try(i, sound[i]^1)
		try(i, sound[i]^2)
		try(i, sound[i]^0x20)
		try(i, changes[i%len(changes)])
	}
	for _, b := range []byte(changes) {
		try(0, b)
		try(len(sound)-1, b)
	}
}

func (s *suite) damaged(t *testing.T) {
	p := s.Presented(s.mustSign(t, s.Params(s.expire)))
	sound := p.Token
	cases := []string{"", " ", sound + sound, sound + " ", " " + sound, sound + "\n", sound + "=", sound + "~", sound + "&", sound + ".", sound + "\x00", strings.ToUpper(sound), strings.Repeat("a", 1<<20)}
	for i := range len(sound) {
		cases = append(cases, sound[:i])
	}
	for i := 0; i < len(sound); i += 1 + len(sound)/40 {
		cases = append(cases, sound[i+1:], sound[:i]+sound[i+1:], sound[:i]+sound[i:i+1]+sound[i:], sound[:i]+"\n"+sound[i:], sound[:i]+"%"+sound[i:])
	}
	for _, text := range append(cases, Nasty()...) {
		if text == sound {
			continue
		}
		p.Token = text
		if err := s.key.Verify(p, s.Now); err == nil {
			t.Errorf("accepted %.120q", text)
		} else {
			s.checkError(t, err, tokens.ErrRefused)
		}
		explanation := s.Scheme.Explain(p, s.Now, s.key)
		if explanation.Err() == nil {
			t.Errorf("the explanation of %.120q has no failed check", text)
		}
		SoundText(t, p, explanation)
		s.checkText(t, "the explanation", fmt.Sprintf("%+v", explanation))
	}
}

func (s *suite) otherKey(t *testing.T) {
	other, err := s.Scheme.Prepare(s.OtherMaterial)
	if err != nil {
		t.Fatalf("prepare the other key: %v", err)
	}
	c, err := other.Sign(s.Params(s.expire), s.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Verify(s.Presented(c), s.Now); err != nil {
		t.Fatalf("the other key refuses its own token: %v", err)
	}
	s.checkReason(t, s.key.Verify(s.Presented(c), s.Now), tokens.ErrRefused, tokens.BadSignature)
}

func (s *suite) timeIsChecked(t *testing.T) {
	p := s.Presented(s.mustSign(t, s.Params(s.expire)))
	last := s.expire
	if s.ExpiryExclusive {
		last = last.Add(-time.Second)
	}
	dead := last.Add(time.Second)
	accept := func(what string, p tokens.Presented, now time.Time) {
		t.Helper()
		if err := s.key.Verify(p, now); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	refuse := func(what string, p tokens.Presented, now time.Time, want tokens.Reason) {
		t.Helper()
		err := s.key.Verify(p, now)
		if got := tokens.ReasonOf(err); got != want {
			t.Errorf("%s: reason %q (%v), want %s", what, got, err, want)
		}
	}
	accept("in the last second", p, last)
	refuse("after the last second", p, dead, tokens.Expired)
	refuse("a year later", p, s.expire.AddDate(1, 0, 0), tokens.Expired)

	late := p
	late.Leeway = 30 * time.Second
	accept("in the last second of the leeway", late, last.Add(late.Leeway))
	refuse("after the leeway", late, dead.Add(late.Leeway), tokens.Expired)

	capped := p
	capped.MaxLifetime = s.expire.Sub(s.Now)
	accept("with a lifetime at the cap", capped, s.Now)
	capped.MaxLifetime -= time.Second
	refuse("with a lifetime over the cap", capped, s.Now, tokens.LifetimeTooLong)

	if s.StartingParams == nil {
		return
	}
	start := s.Now.Add(10 * time.Minute)
	p = s.Presented(s.mustSign(t, s.StartingParams(start, s.expire)))
	refuse("before its start", p, start.Add(-time.Second), tokens.NotYetValid)
	accept("at its start", p, start)
	early := p
	early.Leeway = 30 * time.Second
	accept("within the leeway before its start", early, start.Add(-early.Leeway))
	refuse("before the leeway", early, start.Add(-early.Leeway-time.Second), tokens.NotYetValid)
}

func (s *suite) refused(t *testing.T) {
	if len(s.Refused) == 0 {
		t.Fatal("the format lists no presentation that it refuses")
	}
	sound := s.mustSign(t, s.Params(s.expire))
	for _, c := range s.Refused {
		t.Run(c.Name, func(t *testing.T) {
			p := c.Presented(sound)
			s.checkReason(t, s.key.Verify(p, s.Now), tokens.ErrRefused, c.Want)
			explanation := s.Scheme.Explain(p, s.Now, s.key)
			if got := tokens.ReasonOf(explanation.Err()); got != c.Want {
				t.Errorf("the explanation says %q, want %s: %+v", got, c.Want, explanation.Checks)
			}
			s.checkText(t, "the explanation", fmt.Sprintf("%+v", explanation))
		})
	}
}

// explained returns the reason of the first failed check.
func (s *suite) explained(p tokens.Presented, now time.Time, keys ...tokens.Key) tokens.Reason {
	explanation := s.Scheme.Explain(p, now, keys...)
	return tokens.ReasonOf(explanation.Err())
}

func (s *suite) explainAgrees(t *testing.T) {
	p := s.Presented(s.mustSign(t, s.Params(s.expire)))
	with := s.Scheme.Explain(p, s.Now, s.key)
	if err := with.Err(); err != nil {
		t.Errorf("a sound token fails: %v", err)
	}
	for _, c := range with.Checks {
		if c.Name == "" || c.Outcome == "" {
			t.Errorf("a check without name or outcome: %+v", c)
		}
	}
	if with.Scheme != s.Scheme.Name() {
		t.Errorf("the explanation names the format %q, want %q", with.Scheme, s.Scheme.Name())
	}
	without := s.Scheme.Explain(p, s.Now)
	if err := without.Err(); err != nil {
		t.Errorf("a sound token fails without a key: %v", err)
	}
	skipped := 0
	for _, c := range without.Checks {
		if c.Outcome == tokens.NotChecked {
			skipped++
		}
	}
	if skipped == 0 {
		t.Error("without a key no check is marked as not made")
	}
	if got := s.explained(p, s.expire.Add(time.Hour), s.key); got != tokens.Expired {
		t.Errorf("an expired token is explained as %q", got)
	}
	other, err := s.Scheme.Prepare(s.OtherMaterial)
	if err != nil {
		t.Fatal(err)
	}
	explained := s.Scheme.Explain(p, s.Now, other)
	if got := tokens.ReasonOf(explained.Err()); got != tokens.BadSignature {
		t.Errorf("with another key the token is explained as %q", got)
	}
	// A MAC that would be accepted must not be told to whoever presents a wrong one.
	c, err := other.Sign(s.Params(s.expire), s.Now)
	if err != nil {
		t.Fatal(err)
	}
	accepted := c.Token[len(c.Token)-minLeak:]
	if strings.Contains(fmt.Sprintf("%+v", explained), accepted) {
		t.Error("the explanation of a wrong token tells the end of the right one")
	}
}

// constantTime reads the source of the format: some comparison in constant time must be there, and no
// other of byte slices.
func (s *suite) constantTime(t *testing.T) {
	var names []string
	for _, folder := range s.Sources {
		found, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	files := token.NewFileSet()
	found := false
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch call := qualified(n); call {
			case "hmac.Equal", "subtle.ConstantTimeCompare", "rsa.VerifyPKCS1v15":
				found = true
			case "bytes.Equal", "bytes.Compare", "bytes.EqualFold", "reflect.DeepEqual":
				t.Errorf("%s: %s is not constant in time", files.Position(n.Pos()), call)
			}
			return true
		})
	}
	if !found {
		t.Error("no comparison in constant time")
	}
}

// qualified returns "package.Name" for a qualified identifier, else "".
func qualified(n ast.Node) string {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	from, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return from.Name + "." + sel.Sel.Name
}
