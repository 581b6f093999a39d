package config_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/config"
)

// TestFaults holds each fault to its exact text: the key, where it was set, what would be right.
func TestFaults(t *testing.T) {
	t.Parallel()
	const playback = "playbacks: [{id: p, target: t, url: 'https://e/x', hdnts: {stream_id: s}"
	for _, c := range []struct {
		name string
		in   input
		want []string
	}{
		// The file
		{"unknown key", input{file: "listen:\n  grcp: 127.0.0.1:1"}, []string{`tokensvc.yaml:2: listen.grcp: unknown key; did you mean "grpc"?`}},
		{"unknown section", input{file: "log: {}\nlistn: {grpc: x}"}, []string{`tokensvc.yaml:2: listn: unknown key; did you mean "listen"?`}},
		{"a rotation window that is none", input{file: "targets:\n  - {id: a, provider: wowza, rotation: {window: dawn}}"}, []string{`tokensvc.yaml:2: targets[0]: the rotation window of target a: "dawn" is no time of day; write it as 02:00-04:00, in UTC`}},
		{"a pair at a provider without slots", input{file: "targets:\n  - {id: a, provider: qencode, resources: [x, y], rotation: {mode: pair}}"}, []string{`tokensvc.yaml:2: targets[0]: provider qencode accepts two keys of one target at once; use mode overlap`}},
		{"unknown and like nothing", input{file: "zzzzzzzz: true"}, []string{"tokensvc.yaml:1: zzzzzzzz: unknown key"}},
		{"key of another section", input{file: "otlp_endpoint: c:4317"}, []string{"tokensvc.yaml:1: otlp_endpoint: unknown key; there is tracing.otlp_endpoint, as a section and its key on lines of their own"}},
		{"dotted key", input{file: "listen.grpc: 127.0.0.1:1"}, []string{"tokensvc.yaml:1: listen.grpc: unknown key; there is listen.grpc, as a section and its key on lines of their own"}},
		{"unknown key in a list", input{file: "accounts:\n- id: a\n  provider: wowza\n  api_key: hunter2hunter2"}, []string{"tokensvc.yaml:4: accounts[0].api_key: unknown key"}},
		{"key in capitals", input{file: "Store: {path: a.db}"}, []string{`tokensvc.yaml:1: Store: unknown key; did you mean "store"?`}},
		{"key set twice", input{file: "log: {level: info}\nlog: {level: debug}"}, []string{"tokensvc.yaml:2: log: is set twice; the first stands on line 1"}},
		{"not YAML", input{file: "log: [unclosed"}, []string{"tokensvc.yaml: not YAML: line 1: did not find expected ',' or ']'"}},
		{"two documents", input{file: "log: {level: info}\n---\nlog: {level: debug}"}, []string{"tokensvc.yaml: more than one YAML document; only one is read"}},
		{"anchor", input{file: "log: &l {level: info}\nstore: *l"}, []string{"tokensvc.yaml:2: store: found an alias; it is a section: write its keys below it"}},
		{"merge key", input{file: "log: {<<: {level: info}}"}, []string{"tokensvc.yaml:1: log: found a value as a key; keys are plain words, and anchors are not read"}},
		{"list for a section", input{file: "log: [level]"}, []string{"tokensvc.yaml:1: log: found a list; it is a section: write its keys below it"}},
		{"top is a list", input{file: "- a"}, []string{"tokensvc.yaml:1: found a list; it is a section: write its keys below it"}},
		{"section for a value", input{file: "max_call: {a: b}"}, []string{"tokensvc.yaml:1: max_call: found a section; it takes one value"}},
		{"section for a list", input{file: "accounts: {id: a}"}, []string{"tokensvc.yaml:1: accounts: found a section; it is a list: begin each element with \"- \""}},
		{"no value", input{file: "store: {path: }"}, []string{"tokensvc.yaml:1: store.path: has no value; give one, or leave the key out"}},
		{"no binding value", input{file: "playbacks:\n- id: p\n  target: t\n  url: u\n  agora:"}, []string{
			"tokensvc.yaml:5: playbacks[0].agora: has no value; write {} where there is nothing to set",
			"tokensvc.yaml:2: playbacks[0]: needs exactly one of hdnts, edge_auth, qencode, agora; it has none",
		}},
		{"no element", input{file: "accounts:\n- "}, []string{"tokensvc.yaml:2: accounts[0]: has no value"}},
		{"acl as text", input{file: strings.Replace(playback, "hdnts: {stream_id: s}", "edge_auth: {acl: /a}", 1) + "}]"}, []string{`tokensvc.yaml:1: playbacks[0].edge_auth.acl: found a value; it is a list of texts: ["a", "b"]`}},
		{"claim as number", input{file: strings.Replace(playback, "hdnts: {stream_id: s}", "qencode: {claims: {tier: 1}}", 1) + "}]"}, []string{`tokensvc.yaml:1: playbacks[0].qencode.claims.tier: "1" is not text; put it in quotes`}},

		// Values
		{"duration without unit", input{file: "max_call: 30"}, []string{`tokensvc.yaml:1: max_call: "30" is not a duration; write a number with a unit, for example 30s, 15m or 6h`}},
		{"text for a number", input{file: "signing: {workers: '2'}"}, []string{`tokensvc.yaml:1: signing.workers: "2" is text; take the quotes away`}},
		{"number for text", input{file: "store: {path: 12}"}, []string{`tokensvc.yaml:1: store.path: "12" is not text; put it in quotes`}},
		{"yes for true", input{file: "api: {mint: yes}"}, []string{`tokensvc.yaml:1: api.mint: "yes" is neither true nor false`}},
		{"control characters", input{file: `store: {path: "a\0b"}`}, []string{"tokensvc.yaml:1: store.path: holds control characters or invalid UTF-8"}},
		{"size with another unit", input{file: "limits: {max_body: 4MB}"}, []string{`tokensvc.yaml:1: limits.max_body: "4MB" is not a size; write bytes or a unit of KiB, MiB or GiB, for example 4MiB`}},
		{"size out of bounds", input{file: "limits: {max_body: 100}"}, []string{"tokensvc.yaml:1: limits.max_body: 100 is not between 1KiB and 64MiB"}},
		{"duration out of bounds", input{file: "max_lifetime: 25h"}, []string{"tokensvc.yaml:1: max_lifetime: 25h is not between 1s and 24h"}},
		{"duration below zero", input{file: "shutdown_timeout: -1s"}, []string{"tokensvc.yaml:1: shutdown_timeout: -1s is not between 1s and 10m"}},
		{"broken seconds", input{file: "max_lifetime: 6h0m0.5s"}, []string{"tokensvc.yaml:1: max_lifetime: 6h0m0.5s is not a multiple of 1s"}},
		{"not a number", input{env: []string{"TOKENSVC_TRACING_SAMPLE_RATIO=NaN"}}, []string{"TOKENSVC_TRACING_SAMPLE_RATIO: tracing.sample_ratio: NaN is not between 0 and 1"}},
		{"not in the list", input{args: []string{"--log-level=verbose"}}, []string{`--log-level: log.level: "verbose" is none of debug, info, warn, error`}},
		{"bad variable", input{env: []string{"TOKENSVC_API_MINT=1"}}, []string{`TOKENSVC_API_MINT: api.mint: "1" is neither true nor false`}},
		{"unknown variable", input{env: []string{"TOKENSVC_LISTEN_GPRC=x"}}, []string{"TOKENSVC_LISTEN_GPRC: unknown variable; did you mean TOKENSVC_LISTEN_GRPC?"}},
		{"empty store path", input{args: []string{"--store-path="}}, []string{"--store-path: store.path: is empty"}},
		{"store as URL", input{args: []string{"--store-path=file:x.db?mode=memory"}}, []string{`--store-path: store.path: "file:x.db?mode=memory" is not the path of a file; URLs, options and :memory: are not taken`}},

		// Listeners
		{"all addresses", input{args: []string{"--listen-http=0.0.0.0:8080"}}, []string{`--listen-http: listen.http: "0.0.0.0:8080" is not a loopback address; callers cannot authenticate yet, so the service listens on loopback only: write 127.0.0.1, [::1] or localhost`}},
		{"no host", input{args: []string{"--listen-http=:8080"}}, []string{`--listen-http: listen.http: ":8080" is not a loopback address; callers cannot authenticate yet, so the service listens on loopback only: write 127.0.0.1, [::1] or localhost`}},
		{"no port", input{file: "listen: {grpc: localhost}"}, []string{`tokensvc.yaml:1: listen.grpc: "localhost" is not HOST:PORT`}},
		{"same port", input{file: "listen: {grpc: 'localhost:80', http: '127.0.0.1:80'}"}, []string{"tokensvc.yaml:1: listen.http: uses port 80, as listen.grpc does; give each its own"}},
		{"collector without port", input{file: "tracing: {otlp_endpoint: collector}"}, []string{`tokensvc.yaml:1: tracing.otlp_endpoint: "collector" is not HOST:PORT`}},
		{"collector as URL", input{file: "tracing: {otlp_endpoint: 'http://collector:4317'}"}, []string{`tokensvc.yaml:1: tracing.otlp_endpoint: "http://collector:4317" is not HOST:PORT`}},

		// Policies
		{"proxy without bits", input{file: "trusted_proxies: [10.0.0.1/8]"}, []string{`tokensvc.yaml:1: trusted_proxies[0]: "10.0.0.1/8" has bits beyond its length; write 10.0.0.0/8`}},
		{"everybody a proxy", input{file: "trusted_proxies: [10.0.0.0/8, '::/0']"}, []string{`tokensvc.yaml:1: trusted_proxies[1]: "::/0" trusts every address; name the networks of your proxies`}},
		{"no such policy", input{file: playback + ", access: everybody}]"}, []string{`tokensvc.yaml:1: playbacks[0].access: "everybody" is no policy; write open, grant, {expression: "..."}, {webhook: id}, {all_of: [...]} or {any_of: [...]}`}},
		{"no such rule", input{file: playback + ", access: {all_of: [grant, {hook: shop}]}}]"}, []string{`tokensvc.yaml:1: playbacks[0].access.all_of[1].hook: unknown rule; write open, grant, {expression: "..."}, {webhook: id}, {all_of: [...]} or {any_of: [...]}`}},
		{"two rules", input{file: playback + ", access: {webhook: a, expression: b}}]"}, []string{"tokensvc.yaml:1: playbacks[0].access: has 2 rules; one policy has one, and all_of or any_of join several"}},
		{"no policies", input{file: playback + ", access: {any_of: []}}]"}, []string{"tokensvc.yaml:1: playbacks[0].access.any_of: wants a list of policies"}},
		{"policy too deep", input{file: playback + ", access: {all_of: [{all_of: [{all_of: [{all_of: [grant]}]}]}]}}]"}, []string{"tokensvc.yaml:1: playbacks[0].access.all_of[0].all_of[0].all_of[0].all_of[0]: is more than 4 policies deep"}},
		{"sessions without a rule", input{file: playback + ", sessions: {max: 3}}]"}, []string{"tokensvc.yaml:1: playbacks[0].sessions.rule: is missing; write deny_new, evict_oldest or allow_same_device"}},
		{"hectic heartbeat", input{file: playback + ", sessions: {rule: deny_new, heartbeat_timeout: 4s}}]"}, []string{"tokensvc.yaml:1: playbacks[0].sessions.heartbeat_timeout: 4s is under 5s; write 0s for none"}},

		{"bad expression", input{file: playback + ", access: {expression: 'viewr.id == \"x\"'}}]"}, []string{`tokensvc.yaml:1: playbacks[0].access: expression: 1:1: undeclared reference to 'viewr'; the variables are viewer.id, playback.id, playback.target_id, request.client_ip, request.device, request.country, request.attributes, grants and now`}},
		{"no such web hook", input{file: playback + ", access: {webhook: shop}}]"}, []string{`tokensvc.yaml:1: playbacks[0].access: no web hook "shop" among webhooks`}},
		{"web hook in the open", input{file: "webhooks: [{id: shop, url: 'http://shop.example.com', secret_file: s}]"}, []string{"tokensvc.yaml:1: webhooks[0].url: want an absolute https URL without user, password or fragment; http is for loopback addresses alone"}},
		{"web hook without a secret", input{file: "webhooks: [{id: my-shop, url: 'https://e/x'}]"}, []string{"tokensvc.yaml:1: webhooks[0].secret_file: is missing; name a file, or set TOKENSVC_WEBHOOK_MY_SHOP_SECRET"}},
		{"web hook with two secrets", input{file: "webhooks: [{id: shop, url: 'https://e/x', secret_file: s}]", env: []string{"TOKENSVC_WEBHOOK_SHOP_SECRET=x"}}, []string{"TOKENSVC_WEBHOOK_SHOP_SECRET: webhooks[0].secret_file: the file and the variable are both set; keep one"}},
		{"secret of no web hook", input{env: []string{"TOKENSVC_WEBHOOK_SHOP_SECRET=x"}}, []string{"TOKENSVC_WEBHOOK_SHOP_SECRET: no web hook of the file has such a credential"}},
		{"last_known of any age", input{file: "webhooks: [{id: shop, url: 'https://e/x', secret_file: s, on_error: last_known}]"}, []string{"tokensvc.yaml:1: webhooks[0].max_age: is missing; on_error last_known needs to know how old an answer it may take"}},

		// Accounts, targets, playbacks
		{"account twice", input{file: "accounts:\n- {id: a, provider: wowza}\n- {id: a, provider: agora}"}, []string{`tokensvc.yaml:3: accounts[1].id: "a" is the id of accounts[0] already`}},
		{"unknown provider", input{file: "accounts: [{id: a, provider: wovza}]"}, []string{`tokensvc.yaml:1: accounts[0].provider: "wovza" is none of wowza, akamai, qencode, agora`}},
		{"nothing in a target", input{file: "targets:\n- {}"}, []string{"tokensvc.yaml:2: targets[0].id: is missing", "tokensvc.yaml:2: targets[0].provider: is missing"}},
		{"target id", input{file: "targets: [{id: Big_Stage, provider: wowza}]"}, []string{`tokensvc.yaml:1: targets[0].id: "Big_Stage" does not match ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`}},
		{"target lives too long", input{file: "max_lifetime: 1h\ntargets: [{id: t, provider: wowza, max_token_lifetime: 2h}]"}, []string{"tokensvc.yaml:2: targets[0].max_token_lifetime: 2h is over max_lifetime, which is 1h"}},
		{"no such account", input{file: "targets: [{id: t, provider: wowza, account: a}]"}, []string{`tokensvc.yaml:1: targets[0].account: no account "a" among accounts`}},
		{"account of another provider", input{file: "accounts: [{id: a, provider: agora}]\ntargets: [{id: t, provider: wowza, account: a}]"}, []string{`tokensvc.yaml:2: targets[0].account: account "a" belongs to provider agora, not "wowza"`}},
		{"unknown scheme", input{file: "targets: [{id: t, provider: wowza, scheme: hdnts}]"}, []string{`tokensvc.yaml:1: targets[0].scheme: "hdnts" is none of wowza-hdnts, akamai-edgeauth, qencode-jwt, agora-timestamp`}},
		{"two bindings", input{file: playback + ", agora: {}}]"}, []string{"tokensvc.yaml:1: playbacks[0]: needs exactly one of hdnts, edge_auth, qencode, agora; it has hdnts and agora"}},
		{"playback lives too long", input{file: "targets: [{id: t, provider: wowza}]\n" + playback + ", ttl: 6h, expiry_granularity: 1m}]"}, []string{`tokensvc.yaml:2: playbacks[0].ttl: 6h with an expiry_granularity of 1m is over the max_token_lifetime of target "t", which is 6h`}},
		{"playback of the store lives too long", input{file: "max_lifetime: 30m\n" + playback + "}]"}, []string{"tokensvc.yaml:2: playbacks[0].ttl: 1h with an expiry_granularity of 0s is over the max_lifetime, which is 30m"}},
		{"ttl of nothing", input{file: playback + ", ttl: 0s}]"}, []string{"tokensvc.yaml:1: playbacks[0].ttl: 0s is not between 1s and 24h"}},
		{"long description", input{file: playback + ", description: " + strings.Repeat("x", 257) + "}]"}, []string{"tokensvc.yaml:1: playbacks[0].description: has 257 bytes; at most 256 are allowed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.in.faults(t); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// TestAllFaultsAtOnce also holds that a value in the wrong place is not shown.
func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, _, err := input{
		file: "listn: {}\nmaster_key: {value: 'mk1:c2VjcmV0'}\nmax_call: soon\naccounts: [{id: a, provider: x}, {id: a, provider: wowza}]\n",
		env:  []string{"TOKENSVC_API_MINT=perhaps"},
		args: []string{"--listen-grpc=10.0.0.1:80"},
	}.load(t)
	if err == nil {
		t.Fatal("no faults")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 8 || lines[0] != "the configuration has 7 faults:" {
		t.Errorf("%d lines:\n%s", len(lines), err)
	}
	if strings.Contains(err.Error(), "c2VjcmV0") {
		t.Error("a value under an unknown key was shown")
	}
	var e *config.Error
	if !errors.As((config.Config{}).Validate(), &e) || len(e.Faults) < 10 {
		t.Error("the zero configuration has few faults")
	}
	one := &config.Error{Faults: []config.Fault{{Key: "log.level", Message: "is odd"}}}
	if one.Error() != "configuration: log.level: is odd" {
		t.Error(one)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	_, warnings, err := input{
		file: "rollback_window: 10s\ntargets:\n- {id: t, provider: akamai, max_token_lifetime: 20s, edge_auth: {algorithm: md5}}\n" +
			"playbacks:\n- {id: p, target: t, url: 'https://e/x', edge_auth: {acl: [/a]}, ttl: 10s}\n",
	}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]string, len(warnings))
	for i, w := range warnings {
		got[i] = w.String()
	}
	want := []string{
		"tokensvc.yaml:1: rollback_window: 10s is very short; less than 30s is spent on slow clocks and retries",
		"tokensvc.yaml:3: targets[0].max_token_lifetime: 20s is very short; less than 30s is spent on slow clocks and retries",
		"tokensvc.yaml:5: playbacks[0].ttl: 10s is very short; less than 30s is spent on slow clocks and retries",
		"tokensvc.yaml:3: targets[0].edge_auth.algorithm: md5 is weak; use sha256 where the property can",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestCheckLoopback(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"127.0.0.1:1": true, "127.8.9.1:0": true, "localhost:65535": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		"": false, "localhost": false, "localhost:http": false, "localhost:65536": false, "localhost:-1": false, "[::]:80": false, "0.0.0.0:80": false,
		"192.168.0.1:80": false, "localhost.example.com:80": false, "127.1:80": false, "127.0.0.1.nip.io:80": false, "[fe80::1%lo]:80": false, "::1:80": false,
	} {
		if err := config.CheckLoopback(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for _, b := range []config.Bytes{0, 1, 1023, config.KiB, 1025, 4 * config.MiB, 3*config.MiB + config.KiB, 2 * config.GiB} {
		if got, err := config.ParseBytes(b.String()); err != nil || got != b {
			t.Errorf("%s: %d, %v", b, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "4MB", "4mib", "4 TiB", "99999999999", "0x10", "1_000"} {
		if got, err := config.ParseBytes(text); err == nil {
			t.Errorf("%q reads %d", text, got)
		}
	}
}

// FuzzLoad holds that no file crashes the reader, and that what loads can be printed and loaded again.
func FuzzLoad(f *testing.F) {
	f.Add("listen: {grpc: 127.0.0.1:1}\nmax_call: 5s\n")
	f.Add("playbacks:\n- {id: p, target: t, url: u, agora: {}, ttl: 90m}\n")
	f.Add("targets: [{id: t, provider: qencode, description: 'a: #b'}]")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		load := func(text string) (config.Config, error) {
			c, _, err := config.Load(nil, []string{"TOKENSVC_CONFIG=f"}, func(string) ([]byte, error) { return []byte(text), nil })
			return c, err
		}
		c, err := load(text)
		if err != nil {
			if _, ok := errors.AsType[*config.Error](err); !ok {
				t.Fatalf("not a list of faults: %v", err)
			}
			return
		}
		var first, second bytes.Buffer
		if err := c.Print(&first, "yaml"); err != nil {
			t.Fatal(err)
		}
		again, err := load(first.String())
		if err != nil {
			t.Fatalf("printed: %v\n%s", err, first.String())
		}
		if err := again.Print(&second, "yaml"); err != nil {
			t.Fatal(err)
		}
		if first.String() != second.String() {
			t.Errorf("%s\nthen\n%s", first.String(), second.String())
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	var text strings.Builder
	text.WriteString("playbacks:\n")
	for i := range 10_000 {
		text.WriteString("- {id: p" + strconv.Itoa(i) + ", target: t, url: 'https://e/x', hdnts: {stream_id: s}}\n")
	}
	file := []byte(text.String())
	for b.Loop() {
		c, _, err := config.Load(nil, []string{"TOKENSVC_CONFIG=f"}, func(string) ([]byte, error) { return file, nil })
		if err != nil || len(c.Playbacks) != 10_000 {
			b.Fatal(err)
		}
		if err := c.Print(io.Discard, "json"); err != nil {
			b.Fatal(err)
		}
	}
}
