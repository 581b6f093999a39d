package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// grantBatch is how many grants one call makes.
const grantBatch = 1000

// grant holds the sign of a playback that asks for a grant and opens a session against that of an open one, in
// the same service on a file with the settings of production. Each sign is the next viewer's, who holds a grant
// of his own, as when an event begins.
func (b *bench) grant(ctx context.Context, t *bed) error {
	return b.againstOpen(ctx, t, grantLine, task{Address: t.at.GRPC, Conns: busyConns})
}

// httpGrant is grant for web apps that ask over HTTP.
func (b *bench) httpGrant(ctx context.Context, t *bed) error {
	return b.againstOpen(ctx, t, httpGrantLine, task{Address: t.at.HTTP, HTTP: true})
}

func (b *bench) againstOpen(ctx context.Context, t *bed, name string, open task) error {
	if err := t.sell(ctx, b.effort.viewers); err != nil {
		return err
	}
	open.Call, open.Playback, open.Callers = callSign, hdntsPlayback, busyCallers
	counted := open
	counted.Playback, counted.Viewers = grantPlayback, b.effort.viewers
	rates, cpus, err := b.duel(t, counted, open)
	if err != nil {
		return err
	}
	return b.report(name, rates[0].over(rates[1]), atLeast(0.4), "%d viewers with a grant each: %.0f/s (%.1f us CPU of the service), open playback %.0f/s (%.1f us)",
		b.effort.viewers, rates[0].median(), cpus[0].median()/1e3, rates[1].median(), cpus[1].median()/1e3)
}

// sell makes a grant for each viewer, once.
func (t *bed) sell(ctx context.Context, viewers int) (err error) {
	if t.sold {
		return nil
	}
	t.sold = true
	conn, err := grpc.NewClient(t.at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	api := tokensvcv1.NewEntitlementServiceClient(conn)
	for from := 0; from < viewers; from += grantBatch {
		batch := &tokensvcv1.BatchCreateGrantsRequest{}
		for n := range grantBatch {
			batch.Requests = append(batch.Requests, &tokensvcv1.CreateGrantRequest{Grant: &tokensvcv1.Grant{
				Viewer: viewerName(from + n), Subject: &tokensvcv1.Grant_PlaybackId{PlaybackId: grantPlayback},
				Limits: &tokensvcv1.GrantLimits{MaxSessions: 3},
			}})
		}
		answer, err := api.BatchCreateGrants(ctx, batch)
		if err != nil {
			return err
		}
		for _, o := range answer.GetOutcomes() {
			if o.GetError() != nil {
				return errors.New(o.GetError().GetMessage())
			}
		}
	}
	return nil
}

// imported runs `tokensvc grants import` on files of purchases, as a shop keeps them: in the order of time.
func (b *bench) imported(ctx context.Context, t *bed) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var before, after served
	if err := t.server.ask(struct{}{}, &before); err != nil {
		return err
	}
	var rates, client figures
	for i := range b.effort.imports {
		name := filepath.Join(dir, "purchases.csv")
		if err := writePurchases(name, i*b.effort.importRows, b.effort.importRows); err != nil {
			return err
		}
		rate, cpu, err := b.importFile(ctx, t.at.GRPC, name)
		if err != nil {
			return err
		}
		rates, client = append(rates, rate), append(client, float64(cpu.Nanoseconds())/float64(b.effort.importRows))
	}
	if err := t.server.ask(struct{}{}, &after); err != nil {
		return err
	}
	rows := b.effort.imports * b.effort.importRows
	return b.report(importLine, rates.median(), atLeast(20_000), "rows a second, of %d; CPU a row: service %.1f us, tokensvc grants import %.1f us; peak memory of the service +%d MiB",
		rows, float64((after.CPU-before.CPU).Nanoseconds())/float64(rows)/1e3, client.median()/1e3, (after.Peak-before.Peak)>>20)
}

func (b *bench) importFile(ctx context.Context, address, name string) (rate float64, cpu time.Duration, err error) {
	cmd := exec.CommandContext(ctx, b.binary, "--server", address, "--output", "json", "grants", "import", name) //nolint:gosec // named by the user
	var said strings.Builder
	cmd.Stderr = &said
	began := time.Now()
	out, err := cmd.Output()
	took := time.Since(began)
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %s", err, said.String())
	}
	var report struct {
		Created int `json:"created"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return 0, 0, err
	}
	if report.Created != b.effort.importRows {
		return 0, 0, fmt.Errorf("%d of %d grants were made", report.Created, b.effort.importRows)
	}
	return float64(report.Created) / took.Seconds(), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// writePurchases writes CSV with a line for each viewer from a number on.
func writePurchases(name string, from, rows int) (err error) {
	file, err := os.Create(name) //nolint:gosec // in a folder of ours
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := bufio.NewWriter(file)
	ends := time.Now().Add(30 * 24 * time.Hour).UTC().Format(time.RFC3339)
	if _, err := fmt.Fprintln(w, "viewer,playback,end,max_sessions,order"); err != nil {
		return err
	}
	for n := from; n < from+rows; n++ {
		if _, err := fmt.Fprintf(w, "%s,%s,%s,3,order-%010d\n", viewerName(n), grantPlayback, ends, n); err != nil {
			return err
		}
	}
	return w.Flush()
}
