package main

import (
	"context"
	"time"
)

// Of the closed loops: enough callers to keep both sides busy.
const (
	busyCallers = 64
	busyConns   = 2
)

// duel loads the service with two tasks in turn and returns the answers a second and the service's CPU
// time a call, in nanoseconds, of each.
func (b *bench) duel(t *bed, first, second task) (rates, cpus [2]figures, err error) {
	tasks := [2]task{first, second}
	for round := range b.effort.serviceRounds + 1 {
		for i, what := range tasks {
			what.For = b.effort.serviceSlice
			o, cpu, err := t.load(t.client, what)
			if err != nil {
				return rates, cpus, err
			}
			if round == 0 { // warm up
				continue
			}
			rates[i] = append(rates[i], o.rate())
			cpus[i] = append(cpus[i], float64(cpu.Nanoseconds())/float64(o.Answered))
		}
	}
	return rates, cpus, nil
}

// grpc holds SignPlayback against an empty unary call of the same server.
func (b *bench) grpc(_ context.Context, t *bed) error {
	base := task{Address: t.at.GRPC, Call: callSign, Playback: hdntsPlayback, Callers: busyCallers, Conns: busyConns}
	return b.againstEmpty(t, grpcLine, base)
}

// http holds SignPlayback against an empty call through the same in-process gateway.
func (b *bench) http(_ context.Context, t *bed) error {
	base := task{Address: t.at.HTTP, HTTP: true, Call: callSign, Playback: hdntsPlayback, Callers: busyCallers}
	return b.againstEmpty(t, httpLine, base)
}

func (b *bench) againstEmpty(t *bed, name string, sign task) error {
	empty := sign
	empty.Call = callEmpty
	rates, cpus, err := b.duel(t, sign, empty)
	if err != nil {
		return err
	}
	return b.report(name, rates[0].over(rates[1]), atLeast(0.6), "sign %.0f/s (%.1f us CPU of the service), empty %.0f/s (%.1f us)",
		rates[0].median(), cpus[0].median()/1e3, rates[1].median(), cpus[1].median()/1e3)
}

// batch holds the service's CPU time for a token of a batch against that of a unary call.
func (b *bench) batch(_ context.Context, t *bed) error {
	unary := task{Address: t.at.GRPC, Call: callSign, Playback: hdntsPlayback, Callers: busyCallers, Conns: busyConns}
	batch := unary
	batch.Call, batch.Batch, batch.Callers = callBatch, batchSize, 4
	_, cpus, err := b.duel(t, unary, batch)
	if err != nil {
		return err
	}
	return b.report(batchLine, batchSize*cpus[0].over(cpus[1]), atLeast(8), "unary %.1f us CPU of the service, batch %.2f us a token",
		cpus[0].median()/1e3, cpus[1].median()/1e3/batchSize)
}

// rsa compares the p99 of hdnts signs with and without twice as much RSA-4096 work as the service can do.
func (b *bench) rsa(_ context.Context, t *bed) error {
	hdnts := task{Address: t.at.GRPC, Call: callSign, Playback: hdntsPlayback, Callers: 4, Conns: 4, For: b.effort.rsaSlice}
	costly := task{Address: t.at.GRPC, Call: callSign, Playback: rsaPlayback, Callers: 16, Conns: 4, For: b.effort.rsaSlice}
	full, _, err := t.load(t.second, costly)
	if err != nil {
		return err
	}
	costly.Rate = 2 * full.rate()
	const lead = 500 * time.Millisecond // until the queue has filled
	costly.For += 2 * lead
	var alone, under, served, refused figures
	for range b.effort.rsaRounds {
		quiet, _, err := t.load(t.client, hdnts)
		if err != nil {
			return err
		}
		flood := make(chan error, 1)
		var background outcome
		go func() {
			var err error
			background, err = send(t.second, costly)
			flood <- err
		}()
		time.Sleep(lead)
		loaded, _, err := t.load(t.client, hdnts)
		if err := <-flood; err != nil {
			return err
		}
		if err != nil {
			return err
		}
		alone, under = append(alone, float64(quiet.P99)), append(under, float64(loaded.P99))
		served, refused = append(served, background.rate()), append(refused, 100*float64(background.Refused)/float64(background.Refused+background.Answered))
	}
	return b.report(rsaLine, under.over(alone), atMost(3), "p99 %.2f ms, alone %.2f ms; RSA-4096: capacity %.0f/s, offered %.0f/s, served %.0f/s, refused %.0f %%",
		under.median()/1e6, alone.median()/1e6, full.rate(), costly.Rate, served.median(), refused.median())
}
