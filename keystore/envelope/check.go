package envelope

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/tokensvc/tokensvc/keystore"
)

// ErrWrongMasterKey means that a master key opens none of the secrets that were sealed under its name.
var ErrWrongMasterKey = errors.New("wrong master key")

const (
	checkPage  = 200 // records in memory at once
	maxExample = 5   // keys that an error names
)

// Lister is the part of a keystore.Store that Wanted and Check read.
type Lister interface {
	List(ctx context.Context, p keystore.Page) ([]keystore.Record, error)
}

// Wanted returns the ids of the master keys that the sealed secrets of a store name, in ascending
// order: none for a store without a sealed secret. Bytes that are not of the sealed format are an error
// that wraps keystore.ErrTampered.
func Wanted(ctx context.Context, store Lister) ([]string, error) {
	ids := map[string]struct{}{}
	for s, err := range sealedSecrets(ctx, store) {
		if err != nil {
			return nil, err
		}
		id, err := MasterKeyID(s.bytes)
		if err != nil {
			return nil, fmt.Errorf("%s/%d: %w", s.binding.Target, s.binding.Version, err)
		}
		ids[id] = struct{}{}
	}
	return slices.Sorted(maps.Keys(ids)), nil
}

// Check opens every sealed secret of a store once and says plainly what does not fit, so that a wrong
// master key is noticed at start. The error joins one for each master key at fault. It wraps
// keystore.ErrUnknownMasterKey where a key is not at hand, ErrWrongMasterKey where one opens nothing
// that bears its name, and keystore.ErrTampered where some secrets open and others do not.
func (e *Envelope) Check(ctx context.Context, store Lister) error {
	tallies := map[string]*tally{}
	for s, err := range sealedSecrets(ctx, store) {
		if err != nil {
			return err
		}
		id, err := MasterKeyID(s.bytes)
		if err == nil {
			_, err = e.Open(s.binding, s.bytes)
		}
		t := tallies[id]
		if t == nil {
			t = &tally{}
			tallies[id] = t
		}
		t.add(s.binding, err)
	}
	var faults []error
	for _, id := range slices.Sorted(maps.Keys(tallies)) {
		faults = append(faults, tallies[id].err(id, e.keys.Load().IDs()))
	}
	return errors.Join(faults...)
}

// tally counts how the secrets under one master key opened.
type tally struct {
	opened, unknown, failed int
	examples                []string
}

func (t *tally) add(b keystore.Binding, err error) {
	switch {
	case err == nil:
		t.opened++
		return
	case errors.Is(err, keystore.ErrUnknownMasterKey):
		t.unknown++
	default:
		t.failed++
	}
	if len(t.examples) < maxExample {
		t.examples = append(t.examples, fmt.Sprintf("%s/%d", b.Target, b.Version))
	}
}

func (t *tally) err(id string, atHand []string) error {
	examples := strings.Join(t.examples, ", ")
	switch {
	case t.unknown > 0:
		return fmt.Errorf("%w: %d secrets are sealed under master key %q (%s), which is not at hand; at hand are %s",
			keystore.ErrUnknownMasterKey, t.unknown, id, examples, strings.Join(atHand, ", "))
	case t.failed > 0 && t.opened == 0 && id != "":
		return fmt.Errorf("%w: %q opens none of the %d secrets sealed under that name (%s); give the value that sealed them",
			ErrWrongMasterKey, id, t.failed, examples)
	case t.failed > 0:
		return fmt.Errorf("%w: %d of %d secrets under master key %q were changed or moved (%s)",
			keystore.ErrTampered, t.failed, t.failed+t.opened, id, examples)
	default:
		return nil
	}
}

type sealedSecret struct {
	binding keystore.Binding
	bytes   []byte
}

// sealedSecrets walks all sealed secrets of a store. An error ends the walk.
func sealedSecrets(ctx context.Context, store Lister) iter.Seq2[sealedSecret, error] {
	return func(yield func(sealedSecret, error) bool) {
		page := keystore.Page{Limit: checkPage}
		for {
			records, err := store.List(ctx, page)
			if err != nil {
				yield(sealedSecret{}, fmt.Errorf("read sealed secrets: %w", err))
				return
			}
			for _, r := range records {
				for binding, bytes := range r.Secrets {
					if !yield(sealedSecret{binding: binding, bytes: *bytes}, nil) {
						return
					}
				}
			}
			if len(records) < page.Limit {
				return
			}
			page.After = records[len(records)-1].Target.ID
		}
	}
}
