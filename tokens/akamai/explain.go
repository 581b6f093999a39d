package akamai

import (
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/fieldtoken"
)

func explain(c Config, p tokens.Presented, now time.Time, keys []*Key) tokens.Explanation {
	return fieldtoken.Explainer{
		Scheme:         Name,
		Delimiter:      c.FieldDelimiter,
		ParameterNames: []string{c.TokenName, "hdnts", "hdntl", "hdnea", "__token__", "__hdnea__"},
		HexLen:         c.hexLen(),
		Form:           c.checkForm,
		Signature: func(out *tokens.Explanation, token fieldtoken.Token) {
			explainSignature(out, token, p.Resource, keys)
		},
		Resource: func(out *tokens.Explanation, token fieldtoken.Token) {
			c.explainResource(out, token, p.Resource)
		},
		Note:    c.note,
		Address: c.address,
	}.Explain(p, now)
}

// hexLen returns the length of a MAC under c in hex digits.
func (c Config) hexLen() int {
	newHash, err := c.Algorithm.hash()
	if err != nil {
		return 0
	}
	return 2 * newHash().Size()
}

func (c Config) note(f fieldtoken.Field) string {
	switch f.Name {
	case "acl":
		return c.aclNote(f.Value)
	case "id":
		return "the session, by which it can be revoked"
	case "data":
		return "payload"
	case "vod", "stream_id":
		return "a field of Wowza's hdnts; EdgeAuth tokens have none such"
	default:
		return "unknown to this format"
	}
}

func (c Config) aclNote(acl string) string {
	if strings.Contains(strings.ToLower(acl), "%2f") {
		return "percent-encoded, as Akamai's Java library alone does with EscapeEarly; verifiers compare it as it stands"
	}
	for entry := range strings.SplitSeq(acl, c.ACLDelimiter) {
		prefix, wildcard := strings.CutSuffix(entry, "*")
		switch {
		case strings.ContainsAny(prefix, "*?"):
			return "verifiers read ? and an inner * in different ways; here they match nothing"
		case wildcard && !strings.HasSuffix(prefix, "/"):
			return "opens siblings too: /dir* covers /dir-other; write /dir/*"
		}
	}
	return "what the token opens"
}

func (c Config) explainResource(out *tokens.Explanation, token fieldtoken.Token, path string) {
	const name = "resource"
	_, hasACL := token.Value("acl")
	switch {
	case !hasACL:
		out.Skip(name, "a token without acl hashes its path and does not show it; the signature decides")
	case path == "":
		out.Skip(name, "give the path of the request to check the acl")
	default:
		out.Record(name, c.checkResource(token, path), "the acl covers the path")
	}
}

func explainSignature(out *tokens.Explanation, token fieldtoken.Token, path string, keys []*Key) {
	const name = "signature"
	if len(keys) == 0 {
		out.Skip(name, "no key of this format at hand")
		return
	}
	if _, hasACL := token.Value("acl"); !hasACL && path == "" {
		out.Skip(name, "give the path of the request: a token without acl hashes it")
		return
	}
	var err *tokens.Error
	for _, key := range keys {
		if err = key.engine.checkSignature(token, path); err == nil {
			out.Pass(name, "signed with key "+key.fingerprint)
			return
		}
	}
	for _, key := range keys {
		if hint := key.wrongReading(token, path); hint != "" {
			out.Fail(name, tokens.Refuse(err.Reason, "%s", hint))
			return
		}
	}
	out.Fail(name, err)
}

// wrongReading finds out whether the token was signed with the right key under another configuration,
// or for a literal wildcard.
func (k *Key) wrongReading(token fieldtoken.Token, path string) string {
	newHash, err := k.engine.config.Algorithm.hash()
	if err != nil {
		return ""
	}
	undecoded := *k.engine
	undecoded.mac = fieldtoken.NewMAC(newHash, k.secret)
	if undecoded.matches(token, path) {
		return "signed with the key's text, as Wowza's hdnts does; EdgeAuth decodes the key from hex"
	}
	unsalted := *k.engine
	unsalted.appendSalt = func(b []byte) []byte { return b }
	if unsalted.matches(token, path) {
		return "signed without the salt that is configured here"
	}
	escaped := *k.engine
	escaped.config.EscapeEarly = !escaped.config.EscapeEarly
	if escaped.matches(token, path) {
		return "signed under the other setting of EscapeEarly than is configured here"
	}
	if i := strings.LastIndexByte(path, '/'); i >= 0 && k.engine.matches(token, path[:i+1]+"*") {
		return "signed as a URL token for a literal " + path[:i+1] + "*; wildcards need an ACL token"
	}
	return ""
}
