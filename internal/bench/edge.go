package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

const (
	edgePath  = "/edge/auth"
	emptyPath = "/bench/empty"

	// shownTokens is how many different tokens edges ask about.
	shownTokens = 256
)

// edge holds the question of an nginx about an hdnts token against an empty handler of the same server.
func (b *bench) edge(ctx context.Context, t *bed) error {
	return b.asked(ctx, t, edgeLine, hdntsPlayback)
}

// edgeQencode is edge with tokens whose RSA-4096 signatures have been proved before.
func (b *bench) edgeQencode(ctx context.Context, t *bed) error {
	return b.asked(ctx, t, edgeQencodeLine, rsaPlayback)
}

// asked asks about playlists, each time the first time that a viewer has the token: the answer sets a cookie.
func (b *bench) asked(ctx context.Context, t *bed, name, playback string) error {
	targets, err := signedTargets(ctx, t.at.GRPC, playback)
	if err != nil {
		return err
	}
	empty := task{Address: t.at.HTTP, HTTP: true, Call: callEdge, Callers: busyCallers}
	auth := empty
	auth.Targets = targets
	rates, cpus, err := b.duel(t, auth, empty)
	if err != nil {
		return err
	}
	return b.report(name, rates[0].over(rates[1]), atLeast(0.7), "%d tokens, /edge/auth %.0f/s (%.1f us CPU of the service), empty handler %.0f/s (%.1f us)",
		len(targets), rates[0].median(), cpus[0].median()/1e3, rates[1].median(), cpus[1].median()/1e3)
}

// signedTargets signs for different viewers and lifetimes, and returns what the viewers' players request.
func signedTargets(ctx context.Context, address, playback string) (targets []string, err error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	api := tokensvcv1.NewPlaybackServiceClient(conn)
	for i := range shownTokens {
		ttl := time.Hour - time.Duration(i)*time.Second
		signed, err := api.SignPlayback(ctx, &tokensvcv1.SignPlaybackRequest{Id: playback, Viewer: viewerName(i), Ttl: durationpb.New(ttl)})
		if err != nil {
			return nil, err
		}
		_, rest, _ := strings.Cut(signed.GetCredential().GetUrl(), "://")
		targets = append(targets, rest[strings.IndexByte(rest, '/'):])
	}
	return targets, nil
}
