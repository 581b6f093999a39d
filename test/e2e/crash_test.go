//go:build e2e

package e2e

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// service is a running `tokensvc serve`.
type service struct {
	*process
	grpc, http, dir string
}

// startServe runs `tokensvc serve` on a store in dir and waits until it is ready.
func startServe(t *testing.T, dir string, env []string, args ...string) *service {
	t.Helper()
	s := &service{grpc: freePort(t), http: freePort(t), dir: dir}
	args = append([]string{
		"serve", "--listen-grpc", s.grpc, "--listen-http", s.http, "--store-path", filepath.Join(dir, "tokensvc.db"), "--log-level", "debug",
	}, args...)
	s.process = start(t, env, args...)
	await(t, func() bool { return strings.Contains(s.printed(), `"msg":"serving"`) })
	return s
}

func freshSecret() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

func TestNothingAcknowledgedIsLostToAKill(t *testing.T) {
	dir := t.TempDir()
	s := startServe(t, dir, nil)
	must(t, "", "--server", s.grpc, "targets", "create", "live", "--provider", "wowza")
	s.kill()
	acknowledged := map[int]string{} // version -> fingerprint
	const rounds = 12
	for round := range rounds {
		s := startServe(t, dir, nil)
		for imports := 1; ; imports++ {
			if imports == 1+round%3 { // at a different moment of the import each time
				time.AfterFunc(time.Duration(round)*4*time.Millisecond, func() { _ = s.cmd.Process.Kill() })
			}
			r := run(t, freshSecret(), "--server", s.grpc, "--output", "json", "keys", "import", "live")
			if r.code != 0 {
				if !strings.Contains(r.stderr, "no tokensvc answers at") && !strings.Contains(r.stderr, "UNAVAILABLE") {
					t.Fatalf("import failed, and not for the kill: %s", r.stderr)
				}
				break
			}
			var answer struct {
				Key struct {
					Version     int
					Fingerprint string
				}
			}
			if err := json.Unmarshal([]byte(r.stdout), &answer); err != nil {
				t.Fatal(err)
			}
			acknowledged[answer.Key.Version] = answer.Key.Fingerprint
		}
		err := <-s.exited
		s.exited <- err
	}
	s = startServe(t, dir, nil)
	var list struct {
		Keys []struct {
			Version     int
			Fingerprint string
		}
	}
	if err := json.Unmarshal([]byte(must(t, "", "--server", s.grpc, "--output", "json", "keys", "list", "live")), &list); err != nil {
		t.Fatal(err)
	}
	stored := map[int]string{}
	for _, k := range list.Keys {
		stored[k.Version] = k.Fingerprint
	}
	for version, fingerprint := range acknowledged {
		if stored[version] != fingerprint {
			t.Errorf("version %d was acknowledged with fingerprint %s; the store has %q", version, fingerprint, stored[version])
		}
	}
	if len(acknowledged) < rounds/2 {
		t.Errorf("only %d imports were acknowledged in %d rounds: the test shows little", len(acknowledged), rounds)
	}
	t.Logf("%d kills, %d acknowledged imports, %d versions in the store", rounds, len(acknowledged), len(stored))
}
