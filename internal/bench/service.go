package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

const (
	grpcLine  = "grpc-sign-vs-empty"
	httpLine  = "http-sign-vs-empty"
	batchLine = "batch-of-100-vs-unary"
	rsaLine   = "hdnts-p99-under-rsa"

	grantLine       = "sign-grant-session-vs-sign"
	httpGrantLine   = "http-sign-grant-session-vs-sign"
	edgeLine        = "edge-auth-vs-empty"
	edgeQencodeLine = "edge-auth-qencode-vs-empty"
	importLine      = "grants-import"
)

const (
	hdntsPlayback = "big-event"
	rsaPlayback   = "rental"
	grantPlayback = "final"
	batchSize     = 100
)

// bed is the service with the clients that load it, each a process.
type bed struct {
	server, client, second *child
	at                     served
	sold                   bool // each viewer has a grant
}

// service measures what needs the whole service.
func (b *bench) service(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	args := []string{"-part", "server", "-dir", dir}
	if b.profile != "" {
		args = append(args, "-profile", b.profile)
	}
	var t bed
	defer func() { err = errors.Join(err, t.stop()) }()
	if err := t.start(ctx, args); err != nil {
		return err
	}
	for _, line := range []struct {
		name    string
		measure func(context.Context, *bed) error
	}{
		{grpcLine, b.grpc},
		{httpLine, b.http},
		{batchLine, b.batch},
		{rsaLine, b.rsa},
		{edgeLine, b.edge},
		{edgeQencodeLine, b.edgeQencode},
		{grantLine, b.grant},
		{httpGrantLine, b.httpGrant},
		{importLine, b.imported},
	} {
		if !b.wanted(line.name) {
			continue
		}
		if err := line.measure(ctx, &t); err != nil {
			return fmt.Errorf("%s: %w", line.name, err)
		}
	}
	return nil
}

func (t *bed) start(ctx context.Context, serverArgs []string) (err error) {
	if t.server, err = start(ctx, serverArgs...); err != nil {
		return err
	}
	if err := t.server.ask(nil, &t.at); err != nil {
		return err
	}
	if t.client, err = start(ctx, "-part", "client"); err != nil {
		return err
	}
	if t.second, err = start(ctx, "-part", "client"); err != nil {
		return err
	}
	return furnish(ctx, t.at.GRPC)
}

func (t *bed) stop() error {
	var errs []error
	for _, c := range []*child{t.client, t.second, t.server} {
		if c != nil {
			errs = append(errs, c.stop())
		}
	}
	return errors.Join(errs...)
}

// load has a client do a task and returns what became of it, and the CPU time that it cost the service.
func (t *bed) load(c *child, what task) (outcome, time.Duration, error) {
	var before, after served
	if err := t.server.ask(struct{}{}, &before); err != nil {
		return outcome{}, 0, err
	}
	o, err := send(c, what)
	if err != nil {
		return o, 0, err
	}
	if o.Answered == 0 {
		return o, 0, errors.New("no call was answered")
	}
	err = t.server.ask(struct{}{}, &after)
	return o, after.CPU - before.CPU, err
}

func send(c *child, what task) (outcome, error) {
	var o outcome
	if err := c.ask(what, &o); err != nil {
		return o, err
	}
	if o.Error != "" {
		return o, errors.New(o.Error)
	}
	return o, nil
}

// furnish makes a playback that is signed by HMAC, one that asks for grants and counts sessions besides, and one
// whose tokens name the viewer and cost an RSA-4096 signature each.
func furnish(ctx context.Context, address string) (err error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	private, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	wowza := &tokensvcv1.Playback{
		Id: hdntsPlayback, TargetId: "wowza", Url: "https://edge.example/1/" + streamID + "/big-event/hls/live/playlist.m3u8",
		Binding: &tokensvcv1.Playback_Hdnts{Hdnts: &tokensvcv1.Hdnts{StreamId: streamID}}, Ttl: durationpb.New(time.Hour),
	}
	qencode := &tokensvcv1.Playback{
		Id: rsaPlayback, TargetId: "qencode", Url: "https://edge.example/" + playbackID + ".m3u8", Ttl: durationpb.New(time.Hour),
		Binding: &tokensvcv1.Playback_Qencode{Qencode: &tokensvcv1.Qencode{Uri: playbackID, ViewerClaim: "viewer"}},
	}
	paid := proto.CloneOf(wowza)
	paid.Url = "https://edge.example/1/" + streamID + "/final/hls/live/playlist.m3u8"
	paid.Id, paid.Access = grantPlayback, &tokensvcv1.AccessPolicy{Rule: &tokensvcv1.AccessPolicy_Grant{Grant: &tokensvcv1.GrantRule{}}}
	paid.Sessions = &tokensvcv1.SessionPolicy{MaxSessions: 3, Rule: tokensvcv1.SessionRule_SESSION_RULE_EVICT_OLDEST}
	err = errors.Join(
		makeTarget(ctx, conn, "wowza", &tokensvcv1.ImportKeyRequest{Material: []byte(throwaway()), Encoding: tokensvcv1.KeyEncoding_KEY_ENCODING_TEXT}),
		makeTarget(ctx, conn, "qencode", &tokensvcv1.ImportKeyRequest{Material: der, Encoding: tokensvcv1.KeyEncoding_KEY_ENCODING_DER, Kid: keyID}),
	)
	for _, p := range []*tokensvcv1.Playback{wowza, paid, qencode} {
		_, made := tokensvcv1.NewPlaybackServiceClient(conn).CreatePlayback(ctx, &tokensvcv1.CreatePlaybackRequest{Playback: p})
		err = errors.Join(err, made)
	}
	return err
}

// makeTarget makes a target that is named after its provider, with an active key.
func makeTarget(ctx context.Context, conn grpc.ClientConnInterface, provider string, key *tokensvcv1.ImportKeyRequest) error {
	keys := tokensvcv1.NewKeyServiceClient(conn)
	key.TargetId, key.Activate = provider, true
	if _, err := keys.CreateTarget(ctx, &tokensvcv1.CreateTargetRequest{Target: &tokensvcv1.Target{Id: provider, Provider: provider}}); err != nil {
		return err
	}
	_, err := keys.ImportKey(ctx, key)
	return err
}
