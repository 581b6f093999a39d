package server_test

import (
	"strings"
	"testing"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/tokens"
)

// A token that hides bytes which are not UTF-8 is explained and verified, not a fault of the service.
func TestHostileBytesAreExplained(t *testing.T) {
	e := start(t, settings{})
	e.seed(t)
	mac := strings.Repeat("0a", 32)
	for _, token := range []string{
		"exp%3D1%7Eip%3D%FF%7Ehmac%3D00",
		"ip=%FF~exp=1~hmac=" + mac,
		"ip=" + strings.Repeat("a", 63) + "é~exp=1~hmac=" + mac,
		"acl=/" + strings.Repeat("a", 62) + "é~exp=1~hmac=" + mac,
		"https://h/1/%ff/n/hls/live/a.m3u8?hdnts=exp=1~hmac=" + mac,
		"https://h/%ff.m3u8?auth=eyJhbGciOiJSUzI1NiJ9.eyJ1cmkiOiJhIn0.AAAA",
		"https://h/%ff/s.flv?ts=1&sign=" + mac[:32],
	} {
		for _, p := range providers() {
			explain := &pb.ExplainTokenRequest{TargetId: p.target.GetId(), Token: token}
			if got := e.both(t, explain); got.status != nil && got.reason(t) == tokens.Internal {
				t.Errorf("%s: explaining %q: %v", p.name, token, got.status)
			}
			verify := &pb.VerifyTokenRequest{TargetId: p.target.GetId(), Token: token}
			if got := e.both(t, verify); got.status != nil && got.reason(t) == tokens.Internal {
				t.Errorf("%s: verifying %q: %v", p.name, token, got.status)
			}
		}
		if got := e.both(t, &pb.ExplainTokenRequest{Token: token}); got.status != nil && got.reason(t) == tokens.Internal {
			t.Errorf("explaining %q without a target: %v", token, got.status)
		}
	}
}
