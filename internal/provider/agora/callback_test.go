package agora_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/provider/agora"
	"github.com/tokensvc/tokensvc/tokens"
)

type callbackVector struct {
	ID     string
	Body   string
	Secret string
	V1     string `json:"agora_signature"`
	V2     string `json:"agora_signature_v2"`
}

func TestCallbackVectors(t *testing.T) {
	for _, v := range readVectors[callbackVector](t, "agora_callback_public.json", 7) {
		t.Run(v.ID, func(t *testing.T) {
			secret := tokens.NewSecret([]byte(v.Secret))
			header := http.Header{"Agora-Signature": {v.V1}, "Agora-Signature-V2": {v.V2}}
			if err := agora.CheckCallback(secret, header, []byte(v.Body)); err != nil {
				t.Error(err)
			}
			for name, c := range map[string]struct {
				secret tokens.Secret
				header http.Header
				body   string
			}{
				"a byte more":          {secret, header, v.Body + " "},
				"another secret":       {tokens.NewSecret([]byte(v.Secret + "x")), header, v.Body},
				"no secret":            {tokens.Secret{}, header, v.Body},
				"no headers":           {secret, http.Header{}, v.Body},
				"V1 alone":             {secret, http.Header{"Agora-Signature": {v.V1}}, v.Body},
				"V1 in place of V2":    {secret, http.Header{"Agora-Signature-V2": {v.V1}}, v.Body},
				"upper case":           {secret, http.Header{"Agora-Signature-V2": {strings.ToUpper(v.V2)}}, v.Body},
				"a good one of two":    {secret, http.Header{"Agora-Signature-V2": {v.V2, strings.Repeat("0", 64)}}, v.Body},
				"the last digit off":   {secret, http.Header{"Agora-Signature-V2": {off(v.V2)}}, v.Body},
				"the start of the sum": {secret, http.Header{"Agora-Signature-V2": {v.V2[:62]}}, v.Body},
			} {
				err := agora.CheckCallback(c.secret, c.header, []byte(c.body))
				if !errors.Is(err, agora.ErrCallback) {
					t.Errorf("%s: %v, want ErrCallback", name, err)
				}
			}
		})
	}
}

// off returns digits with another last one.
func off(digits string) string {
	last := "0"
	if strings.HasSuffix(digits, last) {
		last = "1"
	}
	return digits[:len(digits)-1] + last
}
