//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// traces is an OTLP collector that keeps what it is sent.
type traces struct {
	collector.UnimplementedTraceServiceServer
	mu    sync.Mutex
	bytes []byte
	spans int
}

func (c *traces) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	b, err := proto.Marshal(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes = append(c.bytes, b...)
	for _, resource := range r.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans += len(scope.GetSpans())
		}
	}
	return &collector.ExportTraceServiceResponse{}, err
}

func startCollector(t *testing.T) (*traces, string) {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, server := &traces{}, grpc.NewServer()
	collector.RegisterTraceServiceServer(server, c)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c, l.Addr().String()
}

// haystack is a place that was searched, by name.
type haystack map[string][]byte

func TestNoSecretGetsOut(t *testing.T) {
	dir := t.TempDir()
	spans, endpoint := startCollector(t)
	s := startServe(t, dir, nil, "--tracing-otlp-endpoint", endpoint, "--api-mint")
	rsaKey := opensslKey(t)
	secrets := map[string]string{
		"wowza": freshSecret(), "akamai": freshSecret(), "agora": "Agora" + freshSecret(), "qencode": rsaKey,
	}
	found := haystack{}
	signed := s.exercise(t, secrets, found)
	s.stop(t)

	masterKey, err := os.ReadFile(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	secrets["master key"] = lastField(string(masterKey))
	found["log"] = []byte(s.printed())
	spans.mu.Lock()
	found["traces"] = bytes.Clone(spans.bytes)
	t.Logf("%d spans", spans.spans)
	if spans.spans == 0 {
		t.Error("no span arrived: nothing was searched")
	}
	spans.mu.Unlock()
	files, err := filepath.Glob(filepath.Join(dir, "tokensvc.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no store file: %v", err)
	}
	for _, name := range files {
		if found[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, secret := range secrets {
		for form, needle := range forms(t, secret) {
			found.mustNotHold(t, name+" secret, "+form, needle)
		}
	}
	for _, token := range signed {
		for _, place := range []string{"log", "traces", "tokensvc.db", "tokensvc.db-wal", "errors"} {
			if bytes.Contains(found[place], []byte(signaturePart(token))) {
				t.Errorf("%s holds a token", place)
			}
		}
	}
	if !bytes.Contains(found["answers"], []byte(signed[0])) {
		t.Error("the search itself does not work: a signed token is not in the answers")
	}
}

// exercise imports the secrets, signs, verifies, explains and provokes errors, and keeps every answer.
func (s *service) exercise(t *testing.T, secrets map[string]string, found haystack) (signed []string) {
	t.Helper()
	do := func(stdin string, args ...string) string {
		r := run(t, stdin, append([]string{"--server", s.grpc, "--output", "json"}, args...)...)
		found["answers"] = append(found["answers"], r.stdout...)
		found["errors"] = append(found["errors"], r.stderr...)
		return r.stdout
	}
	bindings := map[string][]string{
		"wowza": {"--stream-id", "abc"}, "akamai": {"--acl", "/vod/*"}, "agora": {"--agora", "--ttl", "5m"}, "qencode": {"--uri", "playback"},
	}
	urls := map[string]string{
		"wowza": "/1/abc/match/hls/live/playlist.m3u8", "akamai": "/vod/playlist.m3u8", "agora": "/live/match/playlist.m3u8", "qencode": "/playback.m3u8",
	}
	for provider, secret := range secrets {
		do("", "targets", "create", provider, "--provider", provider)
		do(secret, "keys", "import", provider, "-", "--activate", "--kid", kid(provider))
		do(secret, "keys", "import", provider, "-", "--kid", kid(provider))          // again
		do(secret[:len(secret)/2], "keys", "import", provider, "-", "--kid", "half") // broken
		do("\""+secret+"?", "keys", "import", provider, "-", "--encoding", "base64") // broken otherwise
		do("", append([]string{"playbacks", "create", provider, "--target", provider, "--url", "https://edge.example" + urls[provider]}, bindings[provider]...)...)
		var answer struct{ Credential credential }
		if err := json.Unmarshal([]byte(do("", "sign", provider, "--viewer", "alice")), &answer); err != nil {
			t.Fatalf("%s: %v\n%s", provider, err, found["errors"])
		}
		signed = append(signed, answer.Credential.Token)
		do("", "keys", "list", provider)
		do("", "keys", "get", provider, "1")
		do("", "targets", "get", provider)
		do("", "explain", answer.Credential.URL, "--target", provider)
		s.post(t, found, "/v1/tokens:verify", fmt.Sprintf(`{"target_id":%q,"token":%q}`, provider, answer.Credential.URL))
		s.post(t, found, "/v1/tokens:verify", fmt.Sprintf(`{"target_id":%q,"token":%q}`, provider, answer.Credential.Token+"x"))
		s.post(t, found, "/v1/playbacks/"+provider+":sign", fmt.Sprintf(`{"viewer":"bob","token":%q}`, secret))
		s.post(t, found, "/v1/targets/"+provider+"/keys:import", fmt.Sprintf(`{"material":%q}`, secret))
		s.post(t, found, "/v1/targets/"+provider+"/keys:import", fmt.Sprintf(`{"material":%q,"kid":"k"}`, base64.StdEncoding.EncodeToString([]byte("x"+secret))))
	}
	do("", "targets", "list")
	do("", "playbacks", "list")
	s.get(t, found, "/.well-known/jwks.json")
	s.get(t, found, "/v1/targets?page_token="+secrets["wowza"])
	return signed
}

func kid(provider string) string {
	if provider == "qencode" {
		return "ec25a6a6-b31e-4ac9-af01-711460421c6b"
	}
	return ""
}

func (s *service) post(t *testing.T, found haystack, path, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.http+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	s.keep(t, found, request)
}

func (s *service) get(t *testing.T, found haystack, path string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.http+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	s.keep(t, found, request)
}

func (s *service) keep(t *testing.T, found haystack, request *http.Request) {
	t.Helper()
	answer, err := new(http.Client).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	place := "answers"
	if answer.StatusCode >= 400 {
		place = "errors"
	}
	found[place] = append(found[place], b...)
}

// forms lists the ways in which a secret could stand somewhere.
func forms(t *testing.T, secret string) map[string][]byte {
	t.Helper()
	raw := []byte(secret)
	out := map[string][]byte{"raw": raw}
	if block, _ := pem.Decode(raw); block != nil {
		// Any part of the private half would do; DER and its first private-looking third are searched.
		out = map[string][]byte{"a line of PEM": []byte(strings.Split(secret, "\n")[8])}
		raw = block.Bytes[len(block.Bytes)/2 : len(block.Bytes)/2+64]
		out["DER"] = raw
	}
	if b, err := hex.DecodeString(secret); err == nil {
		out["hex-decoded"] = b
	}
	out["hex"] = []byte(hex.EncodeToString(raw))
	out["upper-case hex"] = bytes.ToUpper(out["hex"])
	for shift := range 3 { // base64 at each of the three alignments
		if len(raw) > shift+6 {
			encoded := base64.StdEncoding.EncodeToString(raw[shift : shift+(len(raw)-shift)/3*3])
			out[fmt.Sprintf("base64 at %d", shift)] = []byte(encoded)
			out[fmt.Sprintf("base64url at %d", shift)] = []byte(strings.NewReplacer("+", "-", "/", "_").Replace(encoded))
		}
	}
	return out
}

func (h haystack) mustNotHold(t *testing.T, what string, needle []byte) {
	t.Helper()
	for place, b := range h {
		if bytes.Contains(b, needle) {
			t.Errorf("%s holds %s", place, what)
		}
	}
}

// signaturePart is the part of a token that lets somebody in.
func signaturePart(token string) string { return token[len(token)-24:] }

func lastField(keyFile string) string {
	lines := strings.Split(strings.TrimSpace(keyFile), "\n")
	_, value, _ := strings.Cut(lines[len(lines)-1], ":")
	return value
}

func opensslKey(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "openssl", "genrsa", "2048").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
