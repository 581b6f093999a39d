package app_test

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/app"
	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	qencodestandin "github.com/tokensvc/tokensvc/internal/sandbox/provider/qencode"
	"github.com/tokensvc/tokensvc/internal/sandbox/standins"
	"github.com/tokensvc/tokensvc/tokens"
)

const (
	liveStream = "5b1f0a52-6a53-4b8e-9d53-1f3f7a3b8f10"
	// foreignSecret stands in slots before we come.
	foreignSecret = "00112233445566778899aabbccddeeff"
)

// atVendors starts the stand-ins, and returns the config of a service with an account at each.
func atVendors(t *testing.T, plan *fault.Plan) (*standins.Standins, config.Config) {
	t.Helper()
	at, err := standins.Start(t.Context(), standins.Config{
		Now: time.Now, Propagation: 500 * time.Millisecond, PlaybackBase: "https://cdn.example", Streams: []string{liveStream}, Plan: plan,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := at.Close(); err != nil {
			t.Error(err)
		}
	})
	c := at.Credentials()
	cfg := configIn(t.TempDir())
	cfg.SnapshotMaxAge, cfg.ClockSkew, cfg.MaxCall, cfg.Propagation = time.Second, time.Second, 15*time.Second, time.Second
	cfg.Accounts = []config.Account{
		{ID: "wowza", Provider: "wowza", APIVersion: "v1.8", BaseURL: c.WowzaURL, Environment: map[string]tokens.Secret{
			config.AccessKey: c.WowzaAccessKey, config.APIKey: c.WowzaAPIKey,
		}},
		{ID: "qencode", Provider: "qencode", BaseURL: c.QencodeURL, LiveBaseURL: c.QencodeURL, Environment: map[string]tokens.Secret{config.APIKey: c.QencodeAPIKey}},
		{ID: "agora", Provider: "agora", BaseURL: c.AgoraURL, AppID: c.AgoraAppID, CustomerID: c.AgoraCustomerID, Environment: map[string]tokens.Secret{
			config.CustomerSecret: c.AgoraCustomerSecret,
		}},
	}
	return at, cfg
}

// withTarget adds a target with a playback to a config, and has its resources stand at their provider.
func withTarget(t *testing.T, at *standins.Standins, cfg *config.Config, provider string, resources ...string) {
	t.Helper()
	p := config.Playback{ID: "event", Target: "live", URL: "https://cdn.example/1/streamA/event/hls/live/playlist.m3u8", TTL: 3 * time.Second, IPBinding: "off"}
	pair := len(resources) == 2
	for i, resource := range resources {
		st := standins.Standing{Provider: provider, Resource: resource}
		if provider == "wowza" {
			st.StreamID, st.Name = "stream"+string(rune('A'+i)), "event"
		}
		if provider == "qencode" {
			continue // its stream is there
		}
		if err := at.Put(st); err != nil {
			t.Fatal(err)
		}
	}
	switch provider {
	case "wowza":
		p.Hdnts = &config.HdntsBinding{StreamID: "streamA"}
	case "qencode":
		p.URL, p.Qencode = "https://play.example/abc.m3u8", &config.QencodeBinding{URI: "abc"}
	case "agora":
		p.URL, p.Agora = "https://a.example/live/event/playlist.m3u8", &config.AgoraBinding{}
	}
	if pair {
		p.Alternate = config.Alternate{URL: strings.Replace(strings.Replace(p.URL, "streamA", "streamB", 1), "a.example", "b.example", 1)}
		if provider == "wowza" {
			p.Alternate.StreamID = "streamB"
		}
	}
	cfg.Targets = []config.Target{{ID: "live", Provider: provider, Account: provider, Resources: resources, MaxTokenLifetime: 4 * time.Second, Rotation: config.Rotation{Every: time.Hour}}}
	cfg.Playbacks = []config.Playback{p}
}

// shapes are a target at each provider, and each pair.
func shapes() map[string]struct {
	provider  string
	resources []string
} {
	type shape = struct {
		provider  string
		resources []string
	}
	return map[string]shape{
		"qencode":    {"qencode", []string{"stream:" + liveStream}},
		"agora":      {"agora", []string{"domain:a.example"}},
		"wowza pair": {"wowza", []string{"targetA", "targetB"}},
		"agora pair": {"agora", []string{"domain:a.example", "domain:b.example"}},
	}
}

// onceUntil runs the job until nothing is left to do. On a busy machine a call may fail, and is made again.
func onceUntil(t *testing.T, job *app.Sync) (steps []string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		reports, err := job.Once(t.Context(), time.Minute)
		if err != nil || len(reports) != 1 {
			t.Fatalf("%+v, %v", reports, err)
		}
		steps = append(steps, reports[0].Steps...)
		if !reports[0].Waits && reports[0].Error == "" {
			return steps
		}
		if time.Now().After(deadline) {
			t.Fatalf("still waits: %+v", reports[0])
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// signed signs the playback, once the service knows the key, and returns the version that did.
func signed(t *testing.T, r *running, want string) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		code, out := r.call(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`)
		if code == 200 && field(t, out, "credential", "key") == want {
			return out
		}
		if time.Now().After(deadline) {
			t.Fatalf("not signed with %s: %d %v", want, code, out)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// known tells which of the target's keys the edges know at a resource, by fingerprint.
func known(at *standins.Standins, provider, resource string) []string {
	var all []string
	for _, k := range at.Keys(provider, resource) {
		all = append(all, k.Fingerprint())
	}
	return all
}

func fingerprint(t *testing.T, r *running, version string) string {
	t.Helper()
	out := r.must(t, "GET", "/v1/targets/live/keys/"+version, "")
	f, _ := field(t, out, "key", "fingerprint").(string)
	return f
}

// TestSyncRotatesAtEachProvider: the first key, and the one after it, at what can overlap, at a single slot, and
// at pairs, whose second key signs for the other address.
func TestSyncRotatesAtEachProvider(t *testing.T) {
	t.Parallel()
	for name, shape := range shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, cfg := atVendors(t, nil)
			withTarget(t, at, &cfg, shape.provider, shape.resources...)
			r := serve(t, cfg)
			job := openSync(t, cfg, io.Discard)
			if steps := onceUntil(t, job); !slices.Contains(steps, "activate") {
				t.Fatalf("steps %v", steps)
			}
			signed(t, r, "live/1")
			first := fingerprint(t, r, "1")
			if edges := known(at, shape.provider, shape.resources[0]); !slices.Contains(edges, first) {
				t.Errorf("the edges know %v, not %s, which signs", edges, first)
			}
			r.must(t, "POST", "/v1/targets/live:rotate", `{}`)
			steps := onceUntil(t, job)
			out := signed(t, r, "live/2")
			second := fingerprint(t, r, "2")
			holder := shape.resources[len(shape.resources)-1] // a pair changes over
			if edges := known(at, shape.provider, holder); !slices.Contains(edges, second) {
				t.Errorf("the edges know %v, not %s, which signs", edges, second)
			}
			for deadline := time.Now().Add(30 * time.Second); slices.Contains(known(at, shape.provider, shape.resources[0]), first); {
				if time.Now().After(deadline) {
					t.Fatal("the edges still know the old key after the rotation has ended")
				}
				time.Sleep(50 * time.Millisecond)
			}
			url, _ := field(t, out, "credential", "url").(string)
			if pair := len(shape.resources) == 2; pair != (strings.Contains(url, "streamB") || strings.Contains(url, "b.example")) {
				t.Errorf("signed %s", url)
			}
			for _, want := range map[string][]string{"qencode": {"mint", "activate", "revoke"}, "wowza": {"set", "activate", "void"}, "agora": {"activate"}}[shape.provider] {
				if !slices.Contains(steps, want) {
					t.Errorf("steps %v; want %s among them", steps, want)
				}
			}
		})
	}
}

func TestProtectAtEachProvider(t *testing.T) {
	t.Parallel()
	for name, shape := range shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, cfg := atVendors(t, nil)
			withTarget(t, at, &cfg, shape.provider, shape.resources...)
			r := serve(t, cfg)
			job := openSync(t, cfg, io.Discard)
			onceUntil(t, job)
			found, err := job.Protection(t.Context(), "live")
			if err != nil || len(found) != len(shape.resources) {
				t.Fatalf("%+v, %v", found, err)
			}
			if shape.provider == "qencode" {
				protectsAStream(t, job, found[0])
				return
			}
			// The first key has switched it on. The idle slot of a pair is open until a rotation has used it.
			if p := found[0]; !p.On || p.Change != "" || p.Breaks != "" || p.Open != "" {
				t.Errorf("found %+v", p)
			}
			if len(found) == 2 && (found[1].On || !strings.Contains(found[1].Open, "keys rotate live")) {
				t.Errorf("the idle slot: %+v", found[1])
			}
			if shape.provider == "agora" {
				return // its authKey cannot be taken away
			}
			protectsASlot(t, at, r, job, shape.resources[0])
		})
	}
}

// TestAttachBothOfAPair: a pair carries a stream only where both of it are attached to every output.
func TestAttachBothOfAPair(t *testing.T) {
	t.Parallel()
	at, cfg := atVendors(t, nil)
	withTarget(t, at, &cfg, "wowza", "targetA1", "targetB1")
	serve(t, cfg)
	job := openSync(t, cfg, io.Discard)
	for _, fresh := range []bool{true, false} {
		all, err := job.Attach(t.Context(), "live", standins.Transcoder)
		if err != nil || len(all) != 4 {
			t.Fatalf("%+v, %v", all, err)
		}
		for _, a := range all {
			if a.New != fresh || a.Output == "" || !strings.HasPrefix(a.Resource, "target") {
				t.Errorf("%+v, want new: %t", a, fresh)
			}
		}
	}
	if _, err := job.Attach(t.Context(), "live", "nobody"); err == nil {
		t.Error("a transcoder that is not there took them")
	}
	if _, err := job.Attach(t.Context(), "none", standins.Transcoder); err == nil {
		t.Error("a target that is not there was attached")
	}
}

// protectsAStream: a live stream gets a playback id once.
func protectsAStream(t *testing.T, job *app.Sync, found app.Protected) {
	t.Helper()
	if found.On || found.Change == "" || !strings.Contains(found.Breaks, "a broadcast that runs may be stopped") || !strings.Contains(found.Open, "remove the public ones") {
		t.Errorf("found %+v", found)
	}
	done, err := job.Protect(t.Context(), "live")
	if err != nil || len(done) != 1 || done[0].On || done[0].PlaybackID == "" || done[0].Open == "" {
		t.Fatalf("%+v, %v", done, err)
	}
	again, err := job.Protect(t.Context(), "live")
	if err != nil || !again[0].On || again[0].Change != "" || again[0].PlaybackID != done[0].PlaybackID {
		t.Errorf("the second run did %+v, %v; the first made playback id %s", again, err, done[0].PlaybackID)
	}
}

// protectsASlot: what somebody has switched off is switched on again, and a stranger's secret stays.
func protectsASlot(t *testing.T, at *standins.Standins, r *running, job *app.Sync, resource string) {
	t.Helper()
	if err := at.Wowza.SetSecret(resource, tokens.Secret{}); err != nil {
		t.Fatal(err)
	}
	found, err := job.Protection(t.Context(), "live")
	if err != nil || found[0].On || found[0].Change == "" || found[0].Breaks == "" {
		t.Fatalf("found %+v, %v", found, err)
	}
	done, err := job.Protect(t.Context(), "live")
	if err != nil || done[0].Change != found[0].Change {
		t.Fatalf("%+v, %v", done, err)
	}
	first := fingerprint(t, r, "1")
	for deadline := time.Now().Add(30 * time.Second); !slices.Contains(known(at, "wowza", resource), first); {
		if time.Now().After(deadline) {
			t.Fatal("the edges do not ask for tokens of the active key")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if again, err := job.Protect(t.Context(), "live"); err != nil || !again[0].On || again[0].Change != "" {
		t.Errorf("the second run did %+v, %v", again, err)
	}
	foreign := tokens.NewSecret([]byte(foreignSecret))
	if err := at.Wowza.SetSecret(resource, foreign); err != nil {
		t.Fatal(err)
	}
	if done, err := job.Protect(t.Context(), "live"); err == nil || !strings.Contains(err.Error(), "--foreign-max-lifetime") {
		t.Errorf("a stranger's secret: %+v, %v", done, err)
	}
	if now, err := at.Wowza.Secret(resource); err != nil || !now.Equal(foreign) {
		t.Errorf("a stranger's secret was written over; %v", err)
	}
}

// TestOrphanIsRevoked: a key whose answer was lost stands in quarantine until a person has it deleted, and a
// person's own key stays.
func TestOrphanIsRevoked(t *testing.T) {
	t.Parallel()
	plan := fault.New(time.Now)
	at, cfg := atVendors(t, plan)
	resource := "stream:" + liveStream
	withTarget(t, at, &cfg, "qencode", resource)
	r := serve(t, cfg)
	job := openSync(t, cfg, io.Discard)
	persons, err := at.Qencode.PersonCreatesKey(resource, "by hand")
	if err != nil {
		t.Fatal(err)
	}
	plan.Add(fault.Rule{Call: qencodestandin.CallCreateKey, Fault: fault.LostAfter()})
	var orphans []app.SyncOrphan
	for deadline := time.Now().Add(90 * time.Second); ; {
		if _, err := job.Once(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		if orphans, err = job.Orphans(t.Context(), "live"); err != nil {
			t.Fatal(err)
		}
		code, _ := r.call(t, "POST", "/v1/playbacks/event:sign", `{"viewer":"a"}`)
		if code == 200 && len(orphans) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("signing answers %d, orphans %+v", code, orphans)
		}
		time.Sleep(50 * time.Millisecond)
	}
	lost := orphans[0].KID
	ids := func() []string {
		var all []string
		for _, k := range at.Qencode.Keys(resource) {
			all = append(all, k.ID)
		}
		return all
	}
	if len(orphans) != 1 || orphans[0].Target != "live" || !slices.Contains(ids(), lost) || lost == persons {
		t.Fatalf("orphans %+v of keys %v", orphans, ids())
	}
	if err := job.RevokeOrphan(t.Context(), "live", persons); err == nil {
		t.Error("a key that is not in quarantine was deleted")
	}
	if err := job.RevokeOrphan(t.Context(), "live", lost); err != nil {
		t.Fatal(err)
	}
	if left, err := job.Orphans(t.Context(), ""); err != nil || len(left) != 0 {
		t.Errorf("orphans %+v, %v", left, err)
	}
	if now := ids(); len(now) != 2 || slices.Contains(now, lost) || !slices.Contains(now, persons) {
		t.Errorf("keys %v; want the person's %s and ours", now, persons)
	}
}
