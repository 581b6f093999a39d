package fieldtoken

import (
	"strconv"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Explainer decodes a token and makes every check on it. The functions carry what the formats do not
// share.
type Explainer struct {
	Scheme, Delimiter string
	// ParameterNames are the query parameters that tokens of this format are known to travel in.
	ParameterNames []string
	HexLen         int
	// Form checks what the strict signer would never make.
	Form func(Token) *tokens.Error
	// Signature records the outcome of the check of the MAC.
	Signature func(*tokens.Explanation, Token)
	// Resource records the outcome of the check of what is asked for.
	Resource func(*tokens.Explanation, Token)
	// Note reads the field for a person. It may return "".
	Note func(Field) string
	// Address returns the address that the token is bound to, or "".
	Address func(Token) string
}

// Explain makes the checks in the order in which Verify makes them, and does not stop at the first
// that fails.
func (x Explainer) Explain(p tokens.Presented, now time.Time) tokens.Explanation {
	out := tokens.Explanation{Scheme: x.Scheme}
	text, accidents := Repair(p.Token, x.Delimiter, x.ParameterNames...)
	out.Fields = x.fields(text, now)
	token, err := Parse(text, x.Delimiter, x.HexLen, Compat)
	if err != nil {
		out.Fail("format", err)
		return out
	}
	switch formErr := x.strictForm(text); {
	case len(accidents) > 0:
		out.Fail("format", tokens.Refuse(tokens.Malformed, "%s (the checks below read it as repaired)", strings.Join(accidents, "; ")))
	case formErr != nil:
		out.Fail("format", formErr)
	default:
		out.Pass("format", "well-formed")
	}
	x.Signature(&out, token)
	explainTimes(&out, token, p, now)
	x.Resource(&out, token)
	x.explainIP(&out, token, p)
	return out
}

func (x Explainer) strictForm(text string) *tokens.Error {
	token, err := Parse(text, x.Delimiter, x.HexLen, Strict)
	if err != nil {
		return err
	}
	if err := x.Form(token); err != nil {
		return err
	}
	if _, err := token.Times(Strict); err != nil && err.Reason != tokens.NoExpiry {
		return err
	}
	return nil
}

// fields decodes as far as it goes, also where the text is not a token.
func (x Explainer) fields(text string, now time.Time) []tokens.Field {
	var out []tokens.Field
	if len(text) > maxToken {
		return nil
	}
	for piece := range strings.SplitSeq(text, x.Delimiter) {
		name, value, found := strings.Cut(piece, "=")
		if !found || name == "" || len(out) == maxFields {
			continue
		}
		field := tokens.Field{Name: name, Value: value}
		switch name {
		case "st", "exp":
			field.Note = timeNote(value, now)
		case "ip":
			field.Note = "the only client address that is let in"
		case macName:
			field.Note = strconv.Itoa(len(value)) + " hex digits"
			if hash := hashOfHexLen(len(value)); hash != "" {
				field.Note += ", as " + hash + " makes"
			}
		default:
			field.Note = x.Note(Field{Name: name, Value: value})
		}
		out = append(out, field)
	}
	return out
}

func timeNote(text string, now time.Time) string {
	n, err := parseSeconds("time", text, Compat)
	if err != nil {
		return "not a whole number of Unix seconds"
	}
	if n > tokens.MaxUnixSeconds {
		return "milliseconds? as such it is " + time.UnixMilli(n).UTC().Format(time.RFC3339) + "; Unix seconds are wanted"
	}
	if ahead := n - now.Unix(); ahead >= 0 {
		return Clock(n) + ", in " + strconv.FormatInt(ahead, 10) + " s"
	}
	return Clock(n) + ", " + strconv.FormatInt(now.Unix()-n, 10) + " s ago"
}

func explainTimes(out *tokens.Explanation, token Token, p tokens.Presented, now time.Time) {
	times, err := token.Times(Compat)
	if err != nil {
		out.Fail("expiry", err)
		return
	}
	out.Record("expiry", times.CheckExpiry(now, p.Leeway), "good until "+Clock(times.Expire))
	if times.Start > 0 {
		out.Record("start", times.CheckStart(now, p.Leeway), "good since "+Clock(times.Start))
	}
	if p.MaxLifetime > 0 {
		out.Record("lifetime", times.CheckLifetime(now, p.MaxLifetime), "within the cap of "+p.MaxLifetime.String())
	}
}

func (x Explainer) explainIP(out *tokens.Explanation, token Token, p tokens.Presented) {
	bound := x.Address(token)
	switch {
	case bound == "":
		out.Pass("ip", "not bound to an address")
	case p.ClientIP == "":
		out.Skip("ip", "bound to "+tokens.Clip(bound)+"; give the client's address to check it")
	default:
		out.Record("ip", MatchIP(bound, p.ClientIP), "the client has the address that the token is bound to")
	}
}
