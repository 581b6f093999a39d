package server_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

func (e *service) verify(t *testing.T, p provider, token string) *pb.VerifyTokenResponse {
	t.Helper()
	out, err := e.tokens.VerifyToken(t.Context(), &pb.VerifyTokenRequest{TargetId: p.target.GetId(), Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A second key takes over by being activated: where the provider accepts two keys the first one's
// tokens live on until it is retired, elsewhere they end at once.
func TestRotationByImportFollowsTheProvidersSlots(t *testing.T) {
	for _, p := range providers() {
		t.Run(p.name, func(t *testing.T) {
			e := start(t, settings{})
			e.seedOne(t, p)
			first := e.mustSign(t, p.name)
			if v := e.verify(t, p, first.GetUrl()); !v.GetValid() || v.GetKey() != p.target.GetId()+"/1" {
				t.Fatalf("a fresh token: %v", v)
			}
			second := e.importKey(t, p, 1, true)
			if second.GetVersion() != 2 || second.GetState() != pb.KeyState_KEY_STATE_ACTIVE {
				t.Fatalf("second key: %v", second)
			}
			fresh := e.mustSign(t, p.name)
			if want := p.target.GetId() + "/2"; fresh.GetKey() != want || !e.verify(t, p, fresh.GetUrl()).GetValid() {
				t.Errorf("signed with %s, want %s, and accepted", fresh.GetKey(), want)
			}
			old := e.verify(t, p, first.GetUrl())
			if p.overlap {
				if !old.GetValid() || old.GetKey() != p.target.GetId()+"/1" {
					t.Errorf("a token of the retiring key: %v", old)
				}
				_, err := e.keys.RetireKey(t.Context(), &pb.RetireKeyRequest{TargetId: p.target.GetId(), Version: 1})
				wantReason(t, err, tokens.IllegalMove) // its tokens may still live
				if _, err := e.keys.RetireKey(t.Context(), &pb.RetireKeyRequest{TargetId: p.target.GetId(), Version: 1, Force: true}); err != nil {
					t.Fatal(err)
				}
				old = e.verify(t, p, first.GetUrl())
			}
			if old.GetValid() || old.GetReason() != string(tokens.KeyRetired) {
				t.Errorf("a token of the retired key: %v, want %s", old, tokens.KeyRetired)
			}
			if _, err := e.keys.DestroyKey(t.Context(), &pb.DestroyKeyRequest{TargetId: p.target.GetId(), Version: 1, Force: true}); err != nil {
				t.Fatal(err)
			}
			if v := e.verify(t, p, first.GetUrl()); v.GetValid() || v.GetReason() == string(tokens.KeyRetired) {
				t.Errorf("a token of the destroyed key: %v", v)
			}
			if v := e.verify(t, p, fresh.GetUrl()); !v.GetValid() {
				t.Errorf("the active key's token: %v", v)
			}
		})
	}
}

func TestVerifyRefusesTamperedAndExpiredTokens(t *testing.T) {
	e := start(t, settings{})
	e.seed(t)
	for _, p := range providers() {
		c := e.mustSign(t, p.name)
		token := []byte(c.GetToken())
		token[len(token)-10] = map[bool]byte{true: '1', false: '0'}[token[len(token)-10] == '0']
		v, err := e.tokens.VerifyToken(t.Context(), &pb.VerifyTokenRequest{TargetId: p.target.GetId(), Token: strings.Replace(c.GetUrl(), c.GetToken(), string(token), 1)})
		if err != nil || v.GetValid() || v.GetReason() == "" || v.GetMessage() == "" {
			t.Errorf("%s: a changed token: %v, %v", p.name, v, err)
		}
		e.clock.advance(6 * time.Minute)
		check(t, e.keyring.Refresh(t.Context()))
		if v := e.verify(t, p, c.GetUrl()); v.GetReason() != string(tokens.Expired) {
			t.Errorf("%s: an old token: %v", p.name, v)
		}
	}
}

func TestHorizonClampsThenCutsThenReopens(t *testing.T) {
	e := start(t, settings{})
	p := providers()[0] // five minutes
	e.seedOne(t, p)
	refresh := func() { check(t, e.keyring.Refresh(t.Context())) }
	horizon := e.clock.now().Add(3 * time.Minute)
	retire := &pb.RetireKeyRequest{TargetId: p.target.GetId(), Version: 1, Horizon: timestamppb.New(horizon), Force: true}
	if out, err := e.keys.RetireKey(t.Context(), retire); err != nil || out.GetKey().GetState() != pb.KeyState_KEY_STATE_ACTIVE {
		t.Fatalf("%v, %v; a key with a horizon goes on signing", out, err)
	}
	c := e.mustSign(t, p.name)
	if !c.GetClamped() || !c.GetExpiresAt().AsTime().Equal(horizon) {
		t.Errorf("expires %s, clamped %t; want the horizon %s", c.GetExpiresAt().AsTime(), c.GetClamped(), horizon)
	}
	if !c.GetRefreshAfter().AsTime().After(horizon) {
		t.Errorf("refresh after %s: the edge's cookie carries the viewer over the cut at %s", c.GetRefreshAfter().AsTime(), horizon)
	}
	short, err := e.playbacks.SignPlayback(t.Context(), &pb.SignPlaybackRequest{Id: p.name, Viewer: "bob", Ttl: durationpb.New(time.Minute)})
	if err != nil || short.GetCredential().GetClamped() {
		t.Errorf("a token that ends before the cut: %v, %v", short, err)
	}
	for _, step := range []time.Duration{2*time.Minute + time.Second, 59 * time.Second, 10 * time.Second} { // near the cut, at it, behind it
		e.clock.advance(step)
		refresh()
		got := e.both(t, &pb.SignPlaybackRequest{Id: p.name, Viewer: "alice"})
		if got.status == nil || got.reason(t) != tokens.KeyCutover || codes.Code(got.status.GetCode()) != codes.Unavailable {
			t.Fatalf("%s before the cut: %v", horizon.Sub(e.clock.now()), got)
		}
		if retryDelay(t, got) <= 0 {
			t.Errorf("no RetryInfo in %v", got.status)
		}
	}
	takeBack := &pb.RetireKeyRequest{TargetId: p.target.GetId(), Version: 1, ClearHorizon: true}
	if out, err := e.keys.RetireKey(t.Context(), takeBack); err != nil || out.GetKey().GetHorizon() != nil {
		t.Errorf("the horizon taken back: %v, %v", out, err)
	}
	if c := e.mustSign(t, p.name); c.GetClamped() || c.GetKey() != "wowza-live/1" {
		t.Errorf("after the horizon was taken back: %v", c)
	}
	e.importKey(t, p, 1, true)
	if c := e.mustSign(t, p.name); c.GetClamped() || c.GetKey() != "wowza-live/2" {
		t.Errorf("after the successor is active: %v", c)
	}
}

// A horizon that is forced breaks tokens, and verification says so at once.
func TestForcedHorizonEndsTheTokensThatAreOut(t *testing.T) {
	e := start(t, settings{})
	for _, p := range providers() {
		e.seedOne(t, p)
		token := e.mustSign(t, p.name).GetUrl()
		retire := &pb.RetireKeyRequest{TargetId: p.target.GetId(), Version: 1, Horizon: timestamppb.New(e.clock.now().Add(2 * time.Second))}
		_, err := e.keys.RetireKey(t.Context(), retire)
		wantReason(t, err, tokens.IllegalMove)
		retire.Force = true
		_, err = e.keys.RetireKey(t.Context(), retire)
		check(t, err)
		if v := e.verify(t, p, token); !v.GetValid() {
			t.Errorf("%s before its horizon: %v", p.name, v)
		}
		e.clock.advance(3 * time.Second)
		check(t, e.keyring.Refresh(t.Context()))
		if v := e.verify(t, p, token); v.GetValid() || v.GetReason() != string(tokens.KeyRetired) {
			t.Errorf("%s behind its horizon: %v; want KEY_RETIRED", p.name, v)
		}
	}
}

func retryDelay(t *testing.T, o outcome) time.Duration {
	t.Helper()
	for _, d := range status.FromProto(o.status).Details() {
		if retry, ok := d.(*errdetails.RetryInfo); ok {
			return retry.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

func TestTargetWithoutActiveKeySignsNothing(t *testing.T) {
	e := start(t, settings{})
	p := providers()[0]
	if _, err := e.keys.CreateTarget(t.Context(), &pb.CreateTargetRequest{Target: p.target}); err != nil {
		t.Fatal(err)
	}
	p.playback.Id = "early"
	if _, err := e.playbacks.CreatePlayback(t.Context(), &pb.CreatePlaybackRequest{Playback: p.playback}); err != nil {
		t.Fatalf("a playback may come before the key: %v", err)
	}
	wanted := func() {
		t.Helper()
		if got := e.both(t, &pb.SignPlaybackRequest{Id: "early", Viewer: "alice"}); got.status == nil || got.reason(t) != tokens.NoActiveKey {
			t.Errorf("%v, want %s", got, tokens.NoActiveKey)
		}
	}
	wanted()
	e.importKey(t, p, 0, false)
	wanted() // pending
	if _, err := e.keys.ActivateKey(t.Context(), &pb.ActivateKeyRequest{TargetId: p.target.GetId(), Version: 1}); err != nil {
		t.Fatal(err)
	}
	e.mustSign(t, "early")
	if _, err := e.keys.RetireKey(t.Context(), &pb.RetireKeyRequest{TargetId: p.target.GetId(), Version: 1}); err != nil {
		t.Fatal(err)
	}
	wanted() // retired
}

// downStore fails on demand.
type downStore struct {
	keystore.Store
	down atomic.Bool
}

var errDown = errors.New("disk of host db-17.internal is on fire")

func (s *downStore) List(ctx context.Context, p keystore.Page) ([]keystore.Record, error) {
	if s.down.Load() {
		return nil, errDown
	}
	return s.Store.List(ctx, p)
}

func (s *downStore) Get(ctx context.Context, id string) (keystore.Record, error) {
	if s.down.Load() {
		return keystore.Record{}, errDown
	}
	return s.Store.Get(ctx, id)
}

func TestSnapshotOlderThanItsLimitSignsNothing(t *testing.T) {
	store := &downStore{}
	e := start(t, settings{store: func(s keystore.Store) keystore.Store { store.Store = s; return store }})
	e.seedOne(t, providers()[0])
	store.down.Store(true)
	limit := keystore.DefaultTiming().SnapshotMaxAge
	e.clock.advance(limit)
	if err := e.keyring.Refresh(t.Context()); !errors.Is(err, errDown) {
		t.Fatalf("refresh: %v", err)
	}
	e.mustSign(t, "wowza") // old, but not too old
	if a := e.do(t, "GET", "/readyz", nil); a.code != 200 {
		t.Errorf("readyz %d %s", a.code, a.body)
	}
	e.clock.advance(time.Second)
	got := e.both(t, &pb.SignPlaybackRequest{Id: "wowza", Viewer: "alice"})
	if got.status == nil || got.reason(t) != tokens.SnapshotStale || retryDelay(t, got) <= 0 {
		t.Errorf("%v, want %s with RetryInfo", got, tokens.SnapshotStale)
	}
	for _, path := range []string{"/readyz", "/.well-known/jwks.json"} {
		if a := e.do(t, "GET", path, nil); a.code != 503 {
			t.Errorf("%s answers %d %s, want 503", path, a.code, a.body)
		}
	}
	if a := e.do(t, "GET", "/livez", nil); a.code != 200 {
		t.Errorf("livez %d: a store that is down is no reason to restart", a.code)
	}
	// The driver's words stay inside.
	got = e.both(t, &pb.GetTargetRequest{Id: "wowza-live"})
	if got.status == nil || got.reason(t) != tokens.Internal || strings.Contains(got.status.String(), "fire") || !strings.Contains(e.log.String(), "fire") {
		t.Errorf("%v; want a fixed text outside and the cause in the log", got)
	}
	store.down.Store(false)
	check(t, e.keyring.Refresh(t.Context()))
	e.mustSign(t, "wowza")
}

func TestManagedObjectsAreReadOnly(t *testing.T) {
	e := start(t, settings{})
	p := providers()[0]
	e.seedOne(t, p)
	e.manage(t, p)
	before := e.dump(t)
	for _, request := range []proto.Message{
		&pb.UpdateTargetRequest{Target: &pb.Target{Id: p.target.GetId(), Description: "x"}},
		&pb.DeleteTargetRequest{Id: p.target.GetId()},
		&pb.UpdatePlaybackRequest{Playback: &pb.Playback{Id: p.name, Description: "x"}},
		&pb.DeletePlaybackRequest{Id: p.name},
	} {
		if got := e.both(t, request); got.status == nil || got.reason(t) != tokens.ReadOnly || !strings.Contains(got.status.GetMessage(), "config file") {
			t.Errorf("%T: %v, want %s", request, got, tokens.ReadOnly)
		}
	}
	if after := e.dump(t); after != before {
		t.Errorf("changed:\n%s\n%s", before, after)
	}
	if got, err := e.keys.GetTarget(t.Context(), &pb.GetTargetRequest{Id: p.target.GetId()}); err != nil || !got.GetTarget().GetManaged() {
		t.Errorf("%v, %v", got, err)
	}
	e.importKey(t, p, 1, true) // keys never stand in the config file
}

func TestParallelImportsGetVersionsOfTheirOwn(t *testing.T) {
	e := start(t, settings{})
	p := providers()[0]
	e.seedOne(t, p)
	const imports = 24
	var mu sync.Mutex
	seen := map[int32]bool{1: true}
	var all sync.WaitGroup
	for n := range imports {
		all.Go(func() {
			material, _ := p.material(n + 10)
			out, err := e.keys.ImportKey(t.Context(), &pb.ImportKeyRequest{TargetId: p.target.GetId(), Material: material, Activate: n%3 == 0})
			if err != nil {
				wantReason(t, err, tokens.Busy)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if seen[out.GetKey().GetVersion()] {
				t.Errorf("version %d twice", out.GetKey().GetVersion())
			}
			seen[out.GetKey().GetVersion()] = true
		})
	}
	all.Wait()
	out, err := e.keys.ListKeys(t.Context(), &pb.ListKeysRequest{TargetId: p.target.GetId()})
	if err != nil || len(out.GetKeys()) != len(seen) {
		t.Fatalf("%d keys, %d acknowledged; %v", len(out.GetKeys()), len(seen), err)
	}
	active := 0
	for i, k := range out.GetKeys() {
		if int(k.GetVersion()) != i+1 || !seen[k.GetVersion()] {
			t.Errorf("key %d has version %d", i, k.GetVersion())
		}
		if k.GetState() == pb.KeyState_KEY_STATE_ACTIVE {
			active++
		}
	}
	if active != 1 {
		t.Errorf("%d active keys", active)
	}
}

func TestNoAnswerHoldsASecret(t *testing.T) {
	e := start(t, settings{})
	var secrets [][]byte
	var texts strings.Builder
	keep := func(request proto.Message) {
		t.Helper()
		for _, o := range []outcome{e.overGRPC(t, request), e.overHTTP(t, request)} {
			for _, m := range []proto.Message{o.message, o.status} {
				if m != nil {
					text, err := protojson.Marshal(m)
					check(t, err)
					texts.Write(text)
					texts.WriteString(protoText(m))
				}
			}
		}
	}
	for _, p := range providers() {
		keep(&pb.CreateTargetRequest{Target: p.target})
		for n := range 2 {
			material, kid := p.material(n)
			secrets = append(secrets, material)
			keep(&pb.ImportKeyRequest{TargetId: p.target.GetId(), Material: material, Kid: kid, Encoding: encodingOf(p), Activate: true})
			keep(&pb.ImportKeyRequest{TargetId: p.target.GetId(), Material: material[:len(material)-9], Kid: kid})
		}
		p.playback.Id = p.name
		keep(&pb.CreatePlaybackRequest{Playback: p.playback})
		keep(&pb.SignPlaybackRequest{Id: p.name, Viewer: "alice"})
		keep(&pb.GetTargetRequest{Id: p.target.GetId()})
		keep(&pb.ListKeysRequest{TargetId: p.target.GetId()})
		keep(&pb.GetKeyRequest{TargetId: p.target.GetId(), Version: 1})
		url := e.mustSign(t, p.name).GetUrl()
		keep(&pb.ExplainTokenRequest{TargetId: p.target.GetId(), Token: url})
		keep(&pb.VerifyTokenRequest{TargetId: p.target.GetId(), Token: url + "x"})
		keep(&pb.RetireKeyRequest{TargetId: p.target.GetId(), Version: 2, Force: true})
		keep(&pb.DestroyKeyRequest{TargetId: p.target.GetId(), Version: 2, Force: true})
		// What people send by mistake: a secret where JSON or another field wants something else.
		for _, body := range []string{
			`{"material":"` + strings.ReplaceAll(string(material(p)), "\n", `\n`) + `"}`, string(material(p)), `"` + string(material(p)) + `"`,
			`{"encoding":"` + hexSecret(0) + `"}`, `{"kid":{"` + hexSecret(0) + `":1}}`, `{"activate":"` + hexSecret(0) + `"}`,
		} {
			a := e.do(t, "POST", "/v1/targets/"+p.target.GetId()+"/keys:import", []byte(body))
			if a.code/100 == 2 {
				t.Errorf("%s: %d", p.name, a.code)
			}
			texts.Write(a.body)
		}
	}
	if texts.Len() < 10_000 {
		t.Fatalf("only %d bytes of answers", texts.Len())
	}
	noSecret(t, "an answer", texts.String(), secrets...)
	noSecret(t, "the log", e.log.String(), secrets...)
	if !strings.Contains(e.log.String(), "audit=true") {
		t.Error("no audit line")
	}
}

func material(p provider) []byte {
	m, _ := p.material(0)
	return m
}
