package server_test

import (
	"strings"
	"testing"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

func TestAdministrationIsAuditedAlsoWhenRefused(t *testing.T) {
	e := start(t, settings{})
	extra := &pb.Target{Id: "extra", Provider: "wowza"}
	for _, c := range []struct {
		act  string
		call func() error
		says []string
	}{
		{"CreateTarget", func() error {
			_, err := e.keys.CreateTarget(t.Context(), &pb.CreateTargetRequest{Target: extra})
			return err
		}, []string{"target=extra", "code=OK"}},
		{"CreateTarget", func() error {
			_, err := e.keys.CreateTarget(t.Context(), &pb.CreateTargetRequest{Target: extra})
			return err
		}, []string{"target=extra", "code=AlreadyExists", "reason=ALREADY_EXISTS"}},
		{"ActivateKey", func() error {
			_, err := e.keys.ActivateKey(t.Context(), &pb.ActivateKeyRequest{TargetId: "extra", Version: 7})
			return err
		}, []string{"target=extra", "version=7", "reason=NOT_FOUND"}},
		{"DeletePlayback", func() error {
			_, err := e.playbacks.DeletePlayback(t.Context(), &pb.DeletePlaybackRequest{Id: "nothing"})
			return err
		}, []string{"id=nothing", "reason=NOT_FOUND"}},
		{"DeleteTarget", func() error {
			_, err := e.keys.DeleteTarget(t.Context(), &pb.DeleteTargetRequest{Id: "extra"})
			return err
		}, []string{"id=extra", "code=OK"}},
	} {
		before := len(e.log.String())
		err := c.call()
		line := auditLine(e.log.String()[before:])
		for _, want := range append(c.says, "act="+c.act, "request_id=") {
			if !strings.Contains(line, want) {
				t.Errorf("%s (%v): %q is not in the audit line %q", c.act, err, want, line)
			}
		}
	}
	before := len(e.log.String())
	if _, err := e.keys.ListTargets(t.Context(), &pb.ListTargetsRequest{}); err != nil {
		t.Fatal(err)
	}
	if line := auditLine(e.log.String()[before:]); line != "" {
		t.Errorf("reading is audited: %s", line)
	}
}

func TestEveryHTTPRequestHasAnIDAndRefusalsAreLogged(t *testing.T) {
	e := start(t, settings{})
	for _, r := range []answer{
		e.do(t, "GET", "/v1/nothing", nil),
		e.do(t, "GET", "/livez", nil, "Host", "evil.example"),
		e.do(t, "GET", "/v1/targets/nothing", nil),
	} {
		ids := r.header.Values("X-Request-Id")
		if len(ids) != 1 || ids[0] == "" {
			t.Fatalf("request ids %q", ids)
		}
		if r.code >= 400 && strings.Count(e.log.String(), ids[0]) != 1 {
			t.Errorf("request %s (%d) stands in %d log lines", ids[0], r.code, strings.Count(e.log.String(), ids[0]))
		}
	}
	if r := e.do(t, "GET", "/livez", nil, "X-Request-Id", "from-the-proxy"); r.header.Get("X-Request-Id") != "from-the-proxy" {
		t.Errorf("the caller's request id came back as %q", r.header.Get("X-Request-Id"))
	}
}

func auditLine(log string) string {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "audit=true") {
			return line
		}
	}
	return ""
}
