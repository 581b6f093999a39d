package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

const sample = "../../docs/tokensvc.example.yaml"

// secrets compares tokens.Secret, which has no exported fields.
func secrets() cmp.Option {
	return cmp.Comparer(func(a, b tokens.Secret) bool { return a.Equal(b) })
}

// input is what a process is started with.
type input struct {
	file string // the content of tokensvc.yaml; none when empty
	env  []string
	args []string
}

func (in input) load(t *testing.T) (config.Config, []config.Warning, error) {
	t.Helper()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	if err := config.BindFlags(flags); err != nil {
		t.Fatal(err)
	}
	args := in.args
	if in.file != "" {
		args = append([]string{"--config", "tokensvc.yaml"}, args...)
	}
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return config.Load(flags, in.env, func(path string) ([]byte, error) {
		if path == "tokensvc.yaml" && in.file != "" {
			return []byte(in.file), nil
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	})
}

func (in input) mustLoad(t *testing.T) config.Config {
	t.Helper()
	c, _, err := in.load(t)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// faults returns the faults as text.
func (in input) faults(t *testing.T) []string {
	t.Helper()
	_, _, err := in.load(t)
	var e *config.Error
	if !errors.As(err, &e) {
		t.Fatalf("want faults, got %v", err)
	}
	out := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		out[i] = f.String()
	}
	return out
}

// asLoaded is Defaults with the key file that is then in effect.
func asLoaded() config.Config {
	c := config.Defaults()
	c.MasterKey.File = "master.key"
	return c
}

func TestNothingGivenIsDefaults(t *testing.T) {
	t.Parallel()
	c, warnings, err := config.Load(nil, nil, os.ReadFile)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if diff := cmp.Diff(asLoaded(), c, secrets()); diff != "" {
		t.Error(diff)
	}
	if err := config.Defaults().Validate(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(asLoaded(), input{file: "# nothing\n"}.mustLoad(t), secrets()); diff != "" {
		t.Errorf("an empty file: %s", diff)
	}
}

func TestDefaultsEqualFlags(t *testing.T) {
	t.Parallel()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	if err := config.BindFlags(flags); err != nil {
		t.Fatal(err)
	}
	var args []string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != config.ConfigFlag {
			args = append(args, "--"+f.Name+"="+f.DefValue)
		}
		if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
			t.Errorf("usage of --%s: %q", f.Name, f.Usage)
		}
	})
	want := []string{
		"--api-mint=false", "--listen-grpc=127.0.0.1:9090", "--listen-http=127.0.0.1:8080", "--log-format=json", "--log-level=info",
		"--master-key-file=", "--master-key-stdin=false", "--store-path=tokensvc.db",
		"--tracing-insecure=false", "--tracing-otlp-endpoint=", "--tracing-sample-ratio=1",
	}
	if diff := cmp.Diff(want, args); diff != "" {
		t.Errorf("flags: %s", diff)
	}
	if diff := cmp.Diff(asLoaded(), input{args: args}.mustLoad(t), secrets()); diff != "" {
		t.Error(diff)
	}
}

func TestDefaultsEqualSample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	c, warnings, err := input{file: string(text)}.load(t)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if len(c.Accounts) == 0 || len(c.Targets) == 0 || len(c.Playbacks) == 0 {
		t.Error("the sample shows no accounts, targets or playbacks")
	}
	c.Accounts, c.Webhooks, c.Targets, c.Playbacks = nil, nil, nil, nil
	if diff := cmp.Diff(asLoaded(), c, secrets()); diff != "" {
		t.Error(diff)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	inSample := make(map[string]bool)
	keysOf("", tree, inSample)
	for _, key := range schemaKeys(t) {
		if !inSample[key] {
			t.Errorf("the sample lacks %s", key)
		}
	}
}

// keysOf collects the paths of a tree; elements of lists count as "list[]".
func keysOf(path string, tree any, out map[string]bool) {
	switch tree := tree.(type) {
	case map[string]any:
		for key, value := range tree {
			p := strings.TrimPrefix(path+"."+key, ".")
			out[p] = true
			keysOf(p, value, out)
		}
	case []any:
		for _, element := range tree {
			keysOf(path+"[]", element, out)
		}
	}
}

// schemaKeys returns the paths of all keys that the schema allows, and checks that each is described.
func schemaKeys(t *testing.T) []string {
	t.Helper()
	var out []string
	var walk func(path string, s map[string]any)
	walk = func(path string, s map[string]any) {
		if items, ok := s["items"].(map[string]any); ok {
			walk(path+"[]", items)
		}
		properties, _ := s["properties"].(map[string]any)
		for key, value := range properties {
			p := strings.TrimPrefix(path+"."+key, ".")
			out = append(out, p)
			inner, ok := value.(map[string]any)
			if !ok || inner["description"] == "" || inner["description"] == nil {
				t.Errorf("%s has no description", p)
			}
			walk(p, inner)
		}
	}
	walk("", schema(t))
	slices.Sort(out)
	return out
}

func schema(t *testing.T) map[string]any {
	t.Helper()
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDefaultsEqualSchema(t *testing.T) {
	t.Parallel()
	tree := make(map[string]any)
	var collect func(s, into map[string]any)
	collect = func(s, into map[string]any) {
		properties, _ := s["properties"].(map[string]any)
		for key, value := range properties {
			p, ok := value.(map[string]any)
			if !ok {
				t.Fatalf("%s is no schema", key)
			}
			if d, ok := p["default"]; ok {
				into[key] = d
			} else if p["properties"] != nil {
				inner := make(map[string]any)
				into[key] = inner
				collect(p, inner)
			}
		}
	}
	collect(schema(t), tree)
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asLoaded(), input{file: string(text)}.mustLoad(t), secrets()); diff != "" {
		t.Error(diff)
	}
	for _, key := range []string{"store", "signing"} {
		if tree[key] == nil {
			t.Errorf("the schema gives no defaults for %s", key)
		}
	}
}

// TestVariables holds that every setting outside lists has a variable of its own, and that the rule
// from variable to key leaves no doubt.
func TestVariables(t *testing.T) {
	t.Parallel()
	owner := map[string]string{config.ConfigVariable: "--config", config.ServerVariable: "--server", config.MasterKeyVariable: "the master keys"}
	count := 0
	for _, key := range schemaKeys(t) {
		if strings.Contains(key, "[]") {
			continue
		}
		name := "TOKENSVC_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
		if other, taken := owner[name]; taken && key != "master_key" {
			t.Errorf("%s means %s and %s", name, other, key)
		}
		owner[name] = key
		count++
	}
	if count < 30 {
		t.Errorf("only %d settings", count)
	}
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	in := input{
		file: "listen: {grpc: '127.0.0.1:1', http: '127.0.0.1:2'}\nlog: {level: debug, format: text}\nsnapshot_max_age: 40s\nlimits: {max_body: 1MiB}\n",
		env: []string{
			"TOKENSVC_LISTEN_GRPC=127.0.0.1:11", "TOKENSVC_LOG_LEVEL=warn", "TOKENSVC_SNAPSHOT_MAX_AGE=50s", "TOKENSVC_LIMITS_MAX_BODY=2MiB",
			"TOKENSVC_TRACING_SAMPLE_RATIO=0.25", "TOKENSVC_SIGNING_WORKERS=3", "TOKENSVC_API_MINT=true", "PATH=/bin", "TOKENSVC_SERVER=127.0.0.1:9090",
			"TOKENSVC_SERVICE_HOST=10.0.0.1", "TOKENSVC_PORT_9090_TCP_ADDR=10.0.0.1", "TOKENSVC_API_PORT=tcp://10.0.0.1:9090",
		},
		args: []string{"--listen-grpc", "127.0.0.1:111", "--api-mint=false"},
	}
	want := asLoaded()
	want.Listen = config.Listen{GRPC: "127.0.0.1:111", HTTP: "127.0.0.1:2"}
	want.Log = config.Log{Level: "warn", Format: "text"}
	want.SnapshotMaxAge = 50 * time.Second
	want.Limits.MaxBody = 2 * config.MiB
	want.Tracing.SampleRatio = 0.25
	want.Signing.Workers = 3
	if diff := cmp.Diff(want, in.mustLoad(t), secrets()); diff != "" {
		t.Error(diff)
	}
	in = input{file: "log: {level: debug}", args: []string{"--config", ""}}
	if got := in.faults(t); !slices.Equal(got, []string{"--config: is empty; name a file, or leave it out"}) {
		t.Errorf("%q", got)
	}
}

func TestConfigByVariable(t *testing.T) {
	t.Parallel()
	read := func(path string) ([]byte, error) {
		if path != "from-env.yaml" {
			return nil, fs.ErrNotExist
		}
		return []byte("store: {path: /var/lib/tokensvc/store.db}"), nil
	}
	c, _, err := config.Load(nil, []string{"TOKENSVC_CONFIG=from-env.yaml"}, read)
	if err != nil {
		t.Fatal(err)
	}
	if c.MasterKey.File != "/var/lib/tokensvc/master.key" {
		t.Errorf("the key file is %q, not beside the store", c.MasterKey.File)
	}
	_, _, err = config.Load(nil, []string{"TOKENSVC_CONFIG=missing.yaml"}, read)
	if err == nil || !strings.Contains(err.Error(), "TOKENSVC_CONFIG: file does not exist") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestMasterKeySources(t *testing.T) {
	t.Parallel()
	const secret = "mk1:c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAxMjM="
	variable := "TOKENSVC_MASTER_KEY=" + secret
	for _, c := range []struct {
		name   string
		in     input
		source config.Source
		file   string
		fault  string
	}{
		{name: "nothing", source: config.FromFile, file: "master.key"},
		{name: "file", in: input{file: "master_key: {file: /run/secrets/mk}"}, source: config.FromFile, file: "/run/secrets/mk"},
		{name: "stdin", in: input{args: []string{"--master-key-stdin"}}, source: config.FromStdin},
		{name: "variable", in: input{env: []string{variable}}, source: config.FromEnvironment},
		{name: "variable and file", in: input{env: []string{variable}, args: []string{"--master-key-file=mk"}}, fault: "master_key: TOKENSVC_MASTER_KEY and master_key.file are both set; keep exactly one source of master keys"},
		{name: "stdin and file", in: input{file: "master_key:\n  file: mk\n  stdin: true"}, fault: "tokensvc.yaml:1: master_key: master_key.stdin and master_key.file are both set; keep exactly one source of master keys"},
		{name: "variable and stdin", in: input{env: []string{variable, "TOKENSVC_MASTER_KEY_STDIN=true"}}, fault: "master_key: TOKENSVC_MASTER_KEY and master_key.stdin are both set; keep exactly one source of master keys"},
		{name: "empty variable", in: input{env: []string{"TOKENSVC_MASTER_KEY="}}, fault: "TOKENSVC_MASTER_KEY: is set but empty; give it ID:BASE64, or unset it"},
		{name: "mistyped variable", in: input{env: []string{"TOKENSVC_MASTERKEY=" + secret}}, fault: "TOKENSVC_MASTERKEY: unknown variable; did you mean TOKENSVC_MASTER_KEY?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.fault != "" {
				if got := c.in.faults(t); !slices.Equal(got, []string{c.fault}) {
					t.Errorf("got %q\nwant %q", got, c.fault)
				}
				return
			}
			got := c.in.mustLoad(t)
			if got.MasterKey.Source() != c.source || got.MasterKey.File != c.file {
				t.Errorf("source %d, file %q", got.MasterKey.Source(), got.MasterKey.File)
			}
			if c.source == config.FromEnvironment && string(got.MasterKey.Environment.Reveal()) != secret {
				t.Error("the variable's value is lost")
			}
			var yamlOut, jsonOut bytes.Buffer
			if err := errors.Join(got.Print(&yamlOut, "yaml"), got.Print(&jsonOut, "json")); err != nil {
				t.Fatal(err)
			}
			all := yamlOut.String() + jsonOut.String() + fmt.Sprintf("%v %+v %#v %x", got, got, got, got.MasterKey.Environment)
			if strings.Contains(all, "c2VjcmV0") || strings.Contains(all, fmt.Sprintf("%x", "secret-secret")) {
				t.Error("the master key was printed")
			}
			if c.source == config.FromEnvironment && !strings.HasPrefix(yamlOut.String(), "# TOKENSVC_MASTER_KEY=[REDACTED]\n") {
				t.Errorf("the variable does not show as redacted: %.60s", yamlOut.String())
			}
		})
	}
}

func TestPrintLoadsAgain(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	want := input{file: string(text), args: []string{"--log-level=debug"}}.mustLoad(t)
	for _, format := range []string{"yaml", "json"} {
		var out bytes.Buffer
		if err := want.Print(&out, format); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, input{file: out.String()}.mustLoad(t), secrets()); diff != "" {
			t.Errorf("%s: %s\n%s", format, diff, out.String())
		}
	}
	if err := want.Print(&bytes.Buffer{}, "toml"); err == nil {
		t.Error("an unknown format is no error")
	}
	var out bytes.Buffer
	if err := config.Defaults().Print(&out, "yaml"); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"listen:\n  grpc: 127.0.0.1:9090\n", "max_lifetime: 24h\n", "propagation: 1m\n", "  max_body: 4MiB\n", "playbacks: []\n"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in\n%s", line, out.String())
		}
	}
}

func TestConversion(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	c := input{file: string(text)}.mustLoad(t)
	var targets []keystore.Target
	for _, target := range c.Targets {
		targets = append(targets, target.ToKeystore())
	}
	if diff := cmp.Diff([]keystore.Target{
		{
			ID: "big-stage", Provider: "wowza", Scheme: "wowza-hdnts", Account: "wowza-main", Description: "Main stage, Wowza CDN", MaxTokenLifetime: 6 * time.Hour, Managed: true,
			Resources: []string{"aBcDeFgH"}, Policy: keystore.Policy{Every: 720 * time.Hour, Window: "02:00-04:00", OnDrift: keystore.DriftAlert},
		},
		{ID: "archive", Provider: "akamai", Scheme: "akamai-edgeauth", Options: keystore.SchemeOptions{EdgeAuthTokenName: "hdnts", EdgeAuthAlgorithm: "sha256"}, MaxTokenLifetime: 6 * time.Hour, Managed: true},
		{ID: "courses", Provider: "qencode", Scheme: "qencode-jwt", MaxTokenLifetime: 6 * time.Hour, Managed: true},
		{ID: "rooms", Provider: "agora", Scheme: "agora-timestamp", Options: keystore.SchemeOptions{AgoraForm: "md5"}, MaxTokenLifetime: 6 * time.Hour, Managed: true},
	}, targets); diff != "" {
		t.Error(diff)
	}
	var playbacks []playback.Playback
	for _, p := range c.Playbacks {
		playbacks = append(playbacks, p.ToPlayback())
	}
	if diff := cmp.Diff([]playback.Playback{
		{
			ID: "big-event", TargetID: "big-stage", URL: "https://example.wowza.com/1/aBcDeFgH/big-event/hls/live/playlist.m3u8", Description: "Opening night",
			Hdnts: &playback.Hdnts{StreamID: "aBcDeFgH"}, TTL: time.Hour, Managed: true,
			Access:   &playback.Access{AnyOf: []playback.Access{{Grant: true}, {Expression: `request.attributes["staff"] == "true"`}}},
			Sessions: &playback.Sessions{Max: 3, Rule: playback.EvictOldest, HeartbeatTimeout: 30 * time.Second},
		},
		{ID: "highlights", TargetID: "archive", URL: "https://media.example.com/vod/highlights/master.m3u8", EdgeAuth: &playback.EdgeAuth{ACL: []string{"/vod/highlights/*"}}, TTL: time.Hour, Managed: true},
		{ID: "trailer", TargetID: "archive", URL: "https://media.example.com/vod/trailer.m3u8", EdgeAuth: &playback.EdgeAuth{URLPath: "/vod/trailer.m3u8"}, TTL: time.Hour, Managed: true},
		{
			ID: "lesson-1", TargetID: "courses", URL: "https://play.example.com/courses/lesson-1/playlist.m3u8",
			Qencode: &playback.Qencode{URI: "courses/lesson-1/playlist.m3u8", Claims: map[string]string{"tenant": "acme"}},
			TTL:     time.Hour, ExpiryGranularity: 5 * time.Minute, Managed: true,
		},
		{ID: "room-7", TargetID: "rooms", URL: "https://pull.example.com/live/room-7.m3u8", Agora: &playback.Agora{}, TTL: time.Hour, Managed: true},
	}, playbacks); diff != "" {
		t.Error(diff)
	}
	if exact := (config.Playback{IPBinding: "exact"}).ToPlayback(); !exact.BindIP {
		t.Error("ip_binding exact is lost")
	}
	if diff := cmp.Diff(keystore.DefaultTiming(), c.Timing()); diff != "" {
		t.Errorf("defaults differ from those of the keystore: %s", diff)
	}
	if got := c.Signing.Resolve(4); got.Workers != 4 || got.Queue != 1024 {
		t.Errorf("%+v", got)
	}
}

// TestProviders holds the list in the tags to that of the keystore.
func TestProviders(t *testing.T) {
	t.Parallel()
	for _, p := range keystore.Providers() {
		if (config.Target{Provider: p}).ToKeystore().Scheme == "" {
			t.Errorf("provider %s has no scheme", p)
		}
		in := input{file: "accounts: [{id: a, provider: " + p + "}]"}
		if _, _, err := in.load(t); err != nil {
			t.Error(err)
		}
	}
}
