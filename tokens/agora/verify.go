package agora

import (
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Verify implements tokens.Key. Presented.Resource is the path of the URL, as Split returns it. Both
// forms of the sign are accepted, whichever the key signs in.
//
// A token counts up to and including its last second. Stream names that end in a digit are accepted,
// since no token whose digits were moved is: its ts is over tokens.MaxUnixSeconds or long past.
func (k *Key) Verify(p tokens.Presented, now time.Time) error {
	t, err := parse(p.Token)
	if err != nil {
		return err
	}
	if err := t.checkHygiene(p.Resource); err != nil {
		return err
	}
	return k.signer.verify(&t, p, now)
}

func (s signer) verify(t *parsed, p tokens.Presented, now time.Time) error {
	if err := t.checkSign(s, p.Resource); err != nil {
		return err
	}
	if err := t.checkExpiry(now, p.Leeway); err != nil {
		return err
	}
	if err := t.checkLifetime(now, p.MaxLifetime); err != nil {
		return err
	}
	return nil
}
