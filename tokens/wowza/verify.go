package wowza

import (
	"crypto/sha256"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/fieldtoken"
)

// Verify implements tokens.Key. p.Resource is the stream id. The checks, in their order: the form
// (MALFORMED), the signature (BAD_SIGNATURE, also for a token of another stream), exp (NO_EXPIRY,
// EXPIRED), st (NOT_YET_VALID), p.MaxLifetime (LIFETIME_TOO_LONG), vod against p.VODStreamID if that is
// known (PATH_NOT_COVERED), ip (IP_MISMATCH).
func (k *Key) Verify(p tokens.Presented, now time.Time) error {
	return verify(k.mac, p, now, fieldtoken.Strict)
}

// VerifyCompat verifies as Key.Verify does, with secrets and fields that only Compat takes. A
// repeated field, a missing expiry and everything that Key.Verify checks behind the form are refused
// all the same.
func VerifyCompat(secret tokens.Secret, p tokens.Presented, now time.Time) error {
	secret, err := compatSecret(secret)
	if err != nil {
		return err
	}
	return verify(fieldtoken.NewMAC(sha256.New, secret), p, now, fieldtoken.Compat)
}

func verify(mac *fieldtoken.MAC, p tokens.Presented, now time.Time, door fieldtoken.Door) error {
	token, err := fieldtoken.Parse(p.Token, delimiter, mac.HexLen(), door)
	if err != nil {
		return err
	}
	if door == fieldtoken.Strict {
		if err := checkForm(token); err != nil {
			return err
		}
	}
	if err := checkSignature(mac, token, p.Resource); err != nil {
		return err
	}
	times, err := token.Times(door)
	if err != nil {
		return err
	}
	if err := times.Check(p, now); err != nil {
		return err
	}
	if err := checkRecording(token, p.VODStreamID); err != nil {
		return err
	}
	if bound, ok := token.Value("ip"); ok {
		if err := fieldtoken.MatchIP(bound, p.ClientIP); err != nil {
			return err
		}
	}
	return nil
}

func checkSignature(mac *fieldtoken.MAC, token fieldtoken.Token, streamID string) *tokens.Error {
	if streamID == "" {
		return tokens.Refuse(tokens.BadSignature, "the stream id is not known, and without it no hdnts token can be checked")
	}
	if !mac.Match(token.MAC, token.Signed, hiddenField, streamID) {
		return tokens.Refuse(tokens.BadSignature, "the signature does not match: another secret, another stream id, or a changed token")
	}
	return nil
}

// checkRecording refuses a token that is bound to another recording than asked for. The signature
// covers vod; only who has the path can compare it.
func checkRecording(token fieldtoken.Token, asked string) *tokens.Error {
	bound, ok := token.Value("vod")
	if !ok || asked == "" || bound == asked {
		return nil
	}
	return tokens.Refuse(tokens.PathNotCovered, "the token is for the recording %q, not for %q", tokens.Clip(bound), tokens.Clip(asked))
}

// checkForm refuses what the strict signer never makes: unknown fields, another order than the
// edge's own (it puts the signed text together again), values that are not what the field holds.
func checkForm(token fieldtoken.Token) *tokens.Error {
	last := -1
	for _, f := range token.Fields {
		at := position(f.Name)
		if at < 0 {
			return tokens.Refuse(tokens.Malformed, "hdnts tokens have no field of this name; ip, st, vod and exp are all there are")
		}
		if at < last {
			return tokens.Refuse(tokens.Malformed, "the fields are not in the order ip, st, vod, exp")
		}
		last = at
		switch f.Name {
		case "ip":
			if _, err := fieldtoken.ParseIP(f.Value); err != nil {
				return tokens.Refuse(tokens.Malformed, "%s", err.Message)
			}
		case "vod":
			if !isID(f.Value) {
				return tokens.Refuse(tokens.Malformed, "vod may hold letters, digits, - and _ only, at most %d", MaxID)
			}
		}
	}
	return nil
}

// position returns where in a token the field stands, or -1 for an unknown one.
func position(name string) int {
	switch name {
	case "ip":
		return 0
	case "st":
		return 1
	case "vod":
		return 2
	case "exp":
		return 3
	default:
		return -1
	}
}
