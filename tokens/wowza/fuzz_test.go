package wowza_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/tokenstest"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// FuzzToken: whatever the strict door signs has the fields that were asked for and no others, and
// is accepted for just that stream and client.
func FuzzToken(f *testing.F) {
	f.Add("NUtjdHdsc3g4Z21L", "", "", int64(0), int64(60))
	f.Add("a", "b", "192.0.2.1", int64(-5), int64(86400))
	f.Add("a~exp=1", "x~exp=9999999999", "2001:DB8::1", int64(70), int64(60))
	key := testKey(f)
	f.Fuzz(func(t *testing.T, stream, vod, ip string, start, lifetime int64) {
		p := wowza.Params{StreamID: stream, VODStreamID: vod, Expire: time.Unix(nowSeconds+lifetime, 0)}
		want := []string{}
		if ip != "" {
			addr, err := netip.ParseAddr(ip)
			if err != nil {
				return
			}
			p.IP = addr
			want = append(want, "ip="+addr.Unmap().String())
		}
		if start != 0 {
			p.Start = time.Unix(nowSeconds+start, 0)
			want = append(want, "st="+strconv.FormatInt(nowSeconds+start, 10))
		}
		if vod != "" {
			want = append(want, "vod="+vod)
		}
		want = append(want, "exp="+strconv.FormatInt(nowSeconds+lifetime, 10))
		token, err := key.Token(p, clock())
		if err != nil {
			if tokens.ReasonOf(err) == "" {
				t.Fatalf("an error without a reason: %v", err)
			}
			return
		}
		pieces := strings.Split(token, "~")
		if got := strings.Join(pieces[:len(pieces)-1], "~"); got != strings.Join(want, "~") {
			t.Fatalf("fields %s, want %s", got, want)
		}
		if lifetime <= 0 || lifetime > 86400 {
			t.Fatalf("signed a lifetime of %d s", lifetime)
		}
		presented := tokens.Presented{Token: token, Resource: stream, ClientIP: ip}
		if err := key.Verify(presented, time.Unix(nowSeconds+lifetime, 0)); err != nil {
			t.Fatalf("%s: %v", token, err)
		}
		presented.Resource += "x"
		if err := key.Verify(presented, time.Unix(nowSeconds+lifetime, 0)); tokens.ReasonOf(err) != tokens.BadSignature {
			t.Fatalf("another stream: %v", err)
		}
	})
}

// FuzzVerify: no text but the signed one is accepted, and explaining any text ends.
func FuzzVerify(f *testing.F) {
	key := testKey(f)
	good, err := key.Token(wowza.Params{StreamID: streamID, VODStreamID: "v", Expire: after(time.Hour)}, clock())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("hdnts=" + good)
	f.Add(good + "~hmac=")
	f.Add("exp=%3D~hmac=00?&?a=b~")
	f.Add("exp%3D1%7Eip%3D%FF%7Ehmac%3D00")
	f.Add("ip=" + strings.Repeat("a", 63) + "é~exp=1~hmac=" + strings.Repeat("0a", 32))
	f.Fuzz(func(t *testing.T, token string) {
		p := tokens.Presented{Token: token, Resource: streamID}
		if err := key.Verify(p, clock()); (err == nil) != (token == good) {
			t.Fatalf("%q: %v", token, err)
		}
		if err := wowza.VerifyCompat(tokens.NewSecret([]byte(secretText)), p, clock()); (err == nil) != (token == good) {
			t.Fatalf("compat %q: %v", token, err)
		}
		got := (wowza.Scheme{}).Explain(p, clock(), key)
		if len(got.Checks) == 0 {
			t.Fatal("nothing was checked")
		}
		tokenstest.SoundText(t, p, got)
	})
}
