package wowza_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/tokenstest"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	const client = "2001:db8::1"
	base := func(expire time.Time) wowza.Params {
		return wowza.Params{StreamID: streamID, VODStreamID: "rqcbmfjl", IP: netip.MustParseAddr(client), Expire: expire, URL: "https://a.example/2/x"}
	}
	present := func(token, stream, ip string) tokens.Presented {
		return tokens.Presented{Token: token, Resource: stream, ClientIP: ip}
	}
	raw := func(format string) func(tokens.Credential) tokens.Presented {
		return func(c tokens.Credential) tokens.Presented {
			return present(signRaw(secretText, fmt.Sprintf(format, c.ExpiresAt.Unix()), streamID), streamID, client)
		}
	}
	bad := func(name, secret string, short bool) tokenstest.BadMaterial {
		return tokenstest.BadMaterial{Name: name, Material: tokens.Material{Secret: tokens.NewSecret([]byte(secret)), AllowShort: short}}
	}
	tokenstest.Run(t, tokenstest.Config{
		Scheme:        wowza.Scheme{},
		Material:      tokens.Material{Secret: tokens.NewSecret([]byte(secretText))},
		OtherMaterial: tokens.Material{Secret: tokens.NewSecret([]byte(strings.ToUpper(secretText)))},
		Params:        func(expire time.Time) tokens.Params { return base(expire) },
		CappedParams: func(expire time.Time, most time.Duration) tokens.Params {
			p := base(expire)
			p.MaxLifetime = most
			return p
		},
		StartingParams: func(start, expire time.Time) tokens.Params {
			p := base(expire)
			p.Start = start
			return p
		},
		Presented:   func(c tokens.Credential) tokens.Presented { return present(c.Token, streamID, client) },
		ExpiryField: "exp",
		Sources:     []string{".", "../internal/fieldtoken"},
		Fields: []tokenstest.Field{
			{
				Name: "stream id",
				Params: func(value string, expire time.Time) tokens.Params {
					p := base(expire)
					p.StreamID = value
					return p
				},
				Presented: func(c tokens.Credential, value string) tokens.Presented { return present(c.Token, value, client) },
			},
			{
				Name: "VOD stream id",
				Params: func(value string, expire time.Time) tokens.Params {
					p := base(expire)
					p.VODStreamID = value
					return p
				},
				Explained: "vod",
			},
			{
				Name: "URL",
				Params: func(value string, expire time.Time) tokens.Params {
					p := base(expire)
					p.URL = value
					return p
				},
			},
		},
		BadMaterials: []tokenstest.BadMaterial{
			bad("short", "12345678abcdef", false), bad("odd", secretText[:31], true),
			bad("not hex", "demosecret123abc", true), bad("blank", secretText[:31]+" ", true),
		},
		Refused: []tokenstest.Refused{
			{Name: "another stream", Presented: func(c tokens.Credential) tokens.Presented { return present(c.Token, "other", client) }, Want: tokens.BadSignature},
			{Name: "another address", Presented: func(c tokens.Credential) tokens.Presented { return present(c.Token, streamID, "2001:db8::2") }, Want: tokens.IPMismatch},
			{Name: "no expiry", Presented: raw("vod=x%.0d"), Want: tokens.NoExpiry},
			{Name: "milliseconds", Presented: raw("exp=%d000"), Want: tokens.Malformed},
			{Name: "two expiries", Presented: raw("vod=x~exp=9999999999~exp=%d"), Want: tokens.Malformed},
			{Name: "another order", Presented: raw("exp=%d~vod=x"), Want: tokens.Malformed},
			{Name: "unknown field", Presented: raw("exp=%d~acl=/*"), Want: tokens.Malformed},
			{Name: "parameter name", Presented: func(c tokens.Credential) tokens.Presented { return present("hdnts="+c.Token, streamID, client) }, Want: tokens.Malformed},
			{Name: "SHA-1", Presented: func(c tokens.Credential) tokens.Presented {
				return present(c.Token[:len(c.Token)-24], streamID, client)
			}, Want: tokens.WrongAlgorithm},
		},
	})
}
