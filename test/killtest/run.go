package killtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"time"

	"github.com/tokensvc/tokensvc/keystore"
)

const (
	// closing is how long an operation may take with all that happens to it.
	closing   = 4 * time.Minute
	pollEvery = 250 * time.Millisecond
	lookEvery = 8 // polls
)

// run is one world from its start to its end.
type run struct {
	*Outcome

	world   *World
	options Options
	trouble *trouble
}

// one plays one run out.
func one(ctx context.Context, binary, dir string, seed uint64) *Outcome {
	rng := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a run has to come out of its seed again
	r := &run{Outcome: &Outcome{Seed: seed, Kind: []Kind{Minter, Setter, Pair}[seed%3], began: time.Now()}}
	r.options = Options{Binary: binary, Dir: dir, Kind: r.Kind, AtAgora: rng.IntN(2) == 0, SoleOwner: rng.IntN(2) == 0, Log: r.log}
	e := exhibitOf(r.Kind, r.options.AtAgora)
	r.Provider = e.provider
	r.trouble = drawTrouble(rng, &e)
	r.trouble.tell(r.log)
	if err := r.play(ctx); err != nil && ctx.Err() == nil {
		r.violation("%v", err)
	}
	r.Took = time.Since(r.began)
	return r.Outcome
}

func (r *run) play(ctx context.Context) (err error) {
	starting, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	if r.world, err = Start(starting, r.options); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	defer func() { err = errors.Join(err, r.world.Close()) }()

	watching, stopWatching := context.WithCancel(ctx)
	v := newViewer(r.world, r.violation)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		v.watch(watching)
	}()
	last, err := r.rotate(ctx)
	stopWatching()
	<-watched
	r.Signs, r.Asked, r.Refused = v.signs, v.asked, v.refused
	if err != nil {
		return err
	}
	if err := r.world.StopProcesses(); err != nil {
		r.violation("%v", err)
	}
	for _, a := range r.world.Accidents() {
		r.violation("%s", a)
	}
	return r.judge(ctx, last)
}

// rotate rotates the key through the trouble, and stays until the edges have learned all. It returns the key that
// signs then.
func (r *run) rotate(ctx context.Context) (last string, err error) {
	if _, err := r.signingKey(ctx); err != nil {
		return "", err
	}
	r.trouble.begin(ctx, r.world)
	defer func() { r.Kills = r.trouble.end(r.world) }()
	err = r.await(ctx, patience, "a rotation that is accepted", func() (bool, error) {
		err := r.world.Rotate(ctx, false)
		// One that was accepted may have been cut off from its answer.
		return err == nil || reasonOf(err) == "OPERATION_OPEN", nil
	})
	if err != nil {
		return "", err
	}
	r.log("run", "the rotation is accepted")
	if err := r.close(ctx); err != nil {
		return "", err
	}
	r.log("run", "the operation is closed")
	r.trouble.end(r.world)
	if err := sleep(ctx, propagation+snapshotAge); err != nil {
		return "", err
	}
	return r.signingKey(ctx)
}

// signingKey signs, as soon as that is possible, and returns the key.
func (r *run) signingKey(ctx context.Context) (key string, err error) {
	err = r.await(ctx, patience, "a sign", func() (bool, error) {
		c, err := r.world.Sign(ctx)
		key = c.GetKey()
		return err == nil, nil
	})
	return key, err
}

// close waits for the end of the operation, and does what a person has to do meanwhile.
func (r *run) close(ctx context.Context) error {
	polls := 0
	return r.await(ctx, closing, "the end of the operation", func() (bool, error) {
		polls++
		if polls%lookEvery == 0 {
			if err := r.look(ctx); err != nil {
				return false, err
			}
		}
		keys, err := r.world.Keys(ctx)
		if err != nil {
			return false, nil //nolint:nilerr // the service is down; what it says when it is up counts
		}
		active := 0
		for _, k := range keys {
			if k.GetState().String() == "KEY_STATE_ACTIVE" {
				active++
			}
		}
		if active != 1 {
			r.violation("%d keys are active", active)
		}
		op, err := r.world.Operation(ctx)
		return err == nil && op == nil, nil
	})
}

// look has a person decide on the quarantine where no more keys are made until somebody does.
func (r *run) look(ctx context.Context) error {
	record, err := r.world.Record(ctx)
	if err != nil {
		return fmt.Errorf("the store cannot be read: %w", err)
	}
	if len(record.Orphans) < keystore.MaxOrphans {
		return nil
	}
	kid := record.Orphans[0].KID
	cmd := exec.CommandContext(ctx, r.options.Binary, "keys", "orphans", Target, "--revoke", kid, "--config", r.world.config) //nolint:gosec // as in launch
	cmd.Env = append(plainEnvironment(), r.world.environ...)
	said, err := cmd.CombinedOutput()
	r.log("person", fmt.Sprintf("keys orphans --revoke %s: %v %s", kid, err, said)) // tried again when it fails: the job may hold the lease
	return nil
}

// await polls until ok, which may end it with an error.
func (r *run) await(ctx context.Context, limit time.Duration, what string, ok func() (bool, error)) error {
	for deadline := time.Now().Add(limit); ; {
		done, err := ok()
		switch {
		case done || err != nil:
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("waited %s in vain for %s", limit, what)
		}
		if err := sleep(ctx, pollEvery); err != nil {
			return err
		}
	}
}
