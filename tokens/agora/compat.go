package agora

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// CompatParams is the input of Agora's sample code.
type CompatParams struct {
	// URL is the URL whose path is signed, whatever its form; its escapes stay as they are.
	URL string
	// TS is the expiry in Unix seconds, whatever it is.
	TS int64
	// Form is the form of the sign; empty means FormMD5.
	Form Form
}

// Compat makes the token that Agora's sample code makes: any key that is not empty, any path, any
// time. The token is put behind "&" where the URL has a query, though the sample repeats "?".
func Compat(secret tokens.Secret, p CompatParams) (tokens.Credential, error) {
	if err := checkCompat(secret, p.Form); err != nil {
		return tokens.Credential{}, err
	}
	path := tokens.RawPath(p.URL)
	if path == "" {
		return tokens.Credential{}, urlError("has no path to sign")
	}
	token := newSigner(secret).token(path, p.TS, p.Form)
	return tokens.Credential{
		Token:     token,
		URL:       tokens.AppendQuery(p.URL, token),
		ExpiresAt: time.Unix(p.TS, 0).UTC(),
	}, nil
}

// CompatVerify is Key.Verify without the rules on keys, paths and the size of ts. The sign, the time
// and the cap on the lifetime count as ever.
func CompatVerify(secret tokens.Secret, p tokens.Presented, now time.Time) error {
	if err := checkCompat(secret, FormMD5); err != nil {
		return err
	}
	t, refusal := parse(p.Token)
	if refusal != nil {
		return refusal
	}
	return newSigner(secret).verify(&t, p, now)
}

func checkCompat(secret tokens.Secret, form Form) error {
	if secret.Len() == 0 {
		return tokens.KeyError("the key is empty")
	}
	return form.check()
}
