package qencode

import (
	"crypto/rsa"
	"fmt"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/refusal"
)

// Explain implements tokens.Scheme. Header and payload are shown without any key, as they stand in
// the token; nothing of them is proven until the check "signature" has passed. The key is the one
// among keys whose id is the token's kid. Without a Presented.Resource the uri is not checked.
func (Scheme) Explain(p tokens.Presented, now time.Time, keys ...tokens.Key) tokens.Explanation {
	out := tokens.Explanation{Scheme: Name}
	t, err := parse(p.Token)
	if err != nil {
		out.Fail("form", hintForm(err, p.Token))
		return out
	}
	out.Pass("form", "three parts of base64url with a JSON header")
	showMembers(&out, "header", t.header)
	members, _ := decodeObject("payload", t.payload)
	showMembers(&out, "payload", members)

	explainSignature(&out, t, members, keys)
	s, err := t.state()
	if err != nil {
		out.Fail("payload", hintPayload(err))
		return out
	}
	if err := s.checkHygiene(); err != nil {
		out.Fail("payload", err)
		return out
	}
	out.Pass("payload", "uri, exp and nbf are of the right types")
	explainStatement(&out, s, p, now)
	return out
}

// explainSignature checks algorithm, kid and signature, in this order, and stops at what fails.
func explainSignature(out *tokens.Explanation, t *jws, payload []member, keys []tokens.Key) {
	const needs = "needs a token of RS256 and the key that its kid names"
	if err := t.checkAlgorithm(); err != nil {
		out.Fail("algorithm", hintAlgorithm(err))
		out.Skip("signature", needs)
		return
	}
	out.Pass("algorithm", algorithm)
	id, err := t.keyID()
	if err != nil {
		if find(payload, "jti") != nil {
			err.Message += "; Qencode's Java sample puts the key id into jti by mistake"
		}
		out.Fail("key", err)
		out.Skip("signature", needs)
		return
	}
	if len(keys) == 0 {
		out.Skip("key", "no key was given")
		out.Skip("signature", needs)
		return
	}
	for _, key := range keys {
		half, ok := key.Public().(*rsa.PublicKey)
		if !ok || key.ID() != id {
			continue
		}
		out.Pass("key", "fingerprint "+key.Fingerprint())
		out.Record("signature", t.checkSignature(&public{key: half}), "made by this key")
		return
	}
	out.Fail("key", tokens.Refuse(tokens.UnknownKey, "kid is %.64q, which is none of the keys at hand", id))
	out.Skip("signature", needs)
}

func explainStatement(out *tokens.Explanation, s *statement, p tokens.Presented, now time.Time) {
	out.Record("expiry", s.checkExpiry(now, p.Leeway), fmt.Sprintf("%d s are left", s.exp-now.Unix()))
	if s.hasNBF {
		out.Record("start", s.checkStart(now, p.Leeway), "since "+refusal.Time(s.nbf))
	} else {
		out.Pass("start", "none; the token counts at once")
	}
	if p.MaxLifetime > 0 {
		out.Record("lifetime", s.checkLifetime(now, p.MaxLifetime), "within "+p.MaxLifetime.String())
	} else {
		out.Skip("lifetime", "no cap was given")
	}
	if p.Resource == "" {
		out.Skip("uri", "the playback id or object key was not given; "+scope(s.uri))
		return
	}
	out.Record("uri", s.checkResource(p.Resource), scope(s.uri))
}

// scope says in words what a uri opens.
func scope(uri string) string {
	switch {
	case uri == "":
		return "the token opens the whole bucket"
	case strings.HasSuffix(uri, "/"):
		return "the token opens all keys below this prefix"
	default:
		return "the token opens this playback id or object, and every object whose key begins with it"
	}
}

func showMembers(out *tokens.Explanation, part string, members []member) {
	for i := range members {
		m := &members[i]
		field := tokens.Field{Name: part + "." + m.name, Value: m.value}
		if text, ok := m.text(); ok {
			field.Value = text
		}
		if m.name == "exp" || m.name == "nbf" || m.name == "iat" {
			if unix, err := unixSeconds(m); err == nil && unix <= tokens.MaxUnixSeconds {
				field.Note = refusal.Time(unix)
			}
		}
		out.Fields = append(out.Fields, field)
	}
}

func hintForm(err *tokens.Error, token string) *tokens.Error {
	switch {
	case strings.Contains(token, "://"):
		err.Message += "; this is a whole URL, give the value of its parameter " + QueryName
	case strings.HasPrefix(token, QueryName+"="):
		err.Message += "; leave out " + QueryName + "="
	case strings.ContainsAny(token, "+/="):
		err.Message += "; this is plain base64, a token has the URL alphabet without padding"
	}
	return err
}

func hintAlgorithm(err *tokens.Error) *tokens.Error {
	switch {
	case err.Reason != tokens.WrongAlgorithm:
	case strings.Contains(err.Message, `"HS`):
		err.Message += "; Qencode's C# and Java samples sign with HMAC and the PEM text as the secret by mistake, and an edge that takes such a token can be fooled with a public key"
	case strings.Contains(strings.ToLower(err.Message), `"none"`):
		err.Message += "; the token is not signed at all"
	}
	return err
}

func hintPayload(err *tokens.Error) *tokens.Error {
	if err.Reason == tokens.Malformed && strings.Contains(err.Message, "is a string") {
		err.Message += "; Qencode's C# sample makes strings of times by mistake"
	}
	return err
}
