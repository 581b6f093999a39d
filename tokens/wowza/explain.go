package wowza

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/fieldtoken"
)

func explain(p tokens.Presented, now time.Time, keys []*Key) tokens.Explanation {
	return fieldtoken.Explainer{
		Scheme:         Name,
		Delimiter:      delimiter,
		ParameterNames: []string{QueryName, "hdntl"},
		HexLen:         hex.EncodedLen(sha256.Size),
		Form:           checkForm,
		Signature: func(out *tokens.Explanation, token fieldtoken.Token) {
			explainSignature(out, token, p.Resource, keys)
		},
		Resource: func(out *tokens.Explanation, token fieldtoken.Token) {
			explainResource(out, token, p.VODStreamID)
		},
		Note: note,
		Address: func(token fieldtoken.Token) string {
			ip, _ := token.Value("ip")
			return ip
		},
	}.Explain(p, now)
}

func note(f fieldtoken.Field) string {
	switch f.Name {
	case "vod":
		return "the only recording that is let in"
	case "acl", "id", "data":
		return "a field of Akamai EdgeAuth; hdnts tokens of Wowza have none such"
	default:
		return "unknown to this format"
	}
}

func explainResource(out *tokens.Explanation, token fieldtoken.Token, asked string) {
	const name = "resource"
	switch _, bound := token.Value("vod"); {
	case !bound:
		out.Skip(name, "hdnts tokens hash the stream id and do not show it; the signature decides")
	case asked == "":
		out.Skip(name, "give the whole URL to compare its recording with vod")
	default:
		out.Record(name, checkRecording(token, asked), "the token is for this recording")
	}
}

func explainSignature(out *tokens.Explanation, token fieldtoken.Token, streamID string, keys []*Key) {
	const name = "signature"
	switch {
	case len(keys) == 0:
		out.Skip(name, "no key of this format at hand")
		return
	case streamID == "":
		out.Skip(name, "give the stream id: it is hashed with the token")
		return
	}
	var err *tokens.Error
	for _, key := range keys {
		if err = checkSignature(key.mac, token, streamID); err == nil {
			out.Pass(name, "signed with key "+key.fingerprint)
			return
		}
	}
	for _, key := range keys {
		if hint := key.wrongReading(token, streamID); hint != "" {
			out.Fail(name, tokens.Refuse(err.Reason, "%s", hint))
			return
		}
	}
	out.Fail(name, err)
}

// wrongReading finds out whether the token was signed with the right secret read in a wrong way.
func (k *Key) wrongReading(token fieldtoken.Token, streamID string) string {
	secret := k.secret.Reveal()
	defer clear(secret)
	matches := func(key []byte) bool {
		return fieldtoken.NewMAC(sha256.New, tokens.NewSecret(key)).Match(token.MAC, token.Signed, hiddenField, streamID)
	}
	if decoded, err := hex.DecodeString(string(secret)); err == nil && matches(decoded) {
		return "signed with the secret decoded from hex, as EdgeAuth does; hdnts uses the text of the secret"
	}
	if matches(bytes.ToLower(secret)) || matches(bytes.ToUpper(secret)) {
		return "signed with the secret in other case; upper and lower case are different secrets"
	}
	if matches(append(bytes.Clone(secret), '\n')) {
		return "signed with a line end behind the secret; remove it where the secret is read"
	}
	return ""
}
