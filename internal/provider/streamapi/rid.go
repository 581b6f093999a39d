package streamapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// RIDs hands out request ids. The vendor refuses an id that is not greater than the last it has seen of
// the API key, so ids grow, also across restarts, and one request is under way at a time.
type RIDs interface {
	// Do waits for its turn and calls fn with an id above all that were ever handed out. The next turn comes
	// when fn has returned. It returns fn's error; when it does not call fn, its own, which wraps ErrNoRID.
	Do(ctx context.Context, fn func(rid int64) error) error
	// Raise waits for its turn and sees to it that later ids are above floor. Errors wrap ErrNoRID.
	Raise(ctx context.Context, floor int64) error
}

// ErrNoRID says that no request id could be had, so nothing was sent.
var ErrNoRID = errors.New("no request id")

// FileRIDs keeps the last request id of one API key in a file. An id is on the disk before anyone uses it,
// so a process that dies, at whatever moment, leaves no id that could be used again. An open FileRIDs holds
// a lock on a file beside it (FILE.lock): one process for each API key.
type FileRIDs struct {
	name string
	now  func() time.Time
	lock *os.File
	turn chan struct{} // holds one token; who has it may touch last and the file; closed by Close
	last int64
}

// ridHeader stands in front of the id. It tells the file from others that a wrong path might name.
const ridHeader = "tokensvc-streamapi-rid 1 "

// OpenFileRIDs opens the keeper of request ids in file name, and starts anew when it does not exist. now is
// the clock: an id is its milliseconds since 1970, or the last id and one, whichever is more. A file that
// holds anything else, and one that another process has open, are errors.
func OpenFileRIDs(name string, now func() time.Time) (*FileRIDs, error) {
	lock, err := lockFile(name + ".lock")
	if err != nil {
		return nil, fmt.Errorf("streamapi: request ids: %w", err)
	}
	last, err := readRID(name)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("streamapi: request ids: %w", err), lock.Close())
	}
	k := &FileRIDs{name: name, now: now, lock: lock, turn: make(chan struct{}, 1), last: last}
	k.turn <- struct{}{}
	return k, nil
}

// Close waits for the turn that is under way and gives the lock up. The keeper hands out no more ids.
func (k *FileRIDs) Close() error {
	if _, open := <-k.turn; !open {
		return nil
	}
	close(k.turn)
	return k.lock.Close()
}

// Do implements RIDs. The id is kept before fn is called.
func (k *FileRIDs) Do(ctx context.Context, fn func(rid int64) error) error {
	if err := k.take(ctx); err != nil {
		return err
	}
	defer k.giveBack()
	if k.last == math.MaxInt64 {
		return fmt.Errorf("%w: the last one was the largest that there is", ErrNoRID)
	}
	if err := k.keep(max(k.now().UnixMilli(), k.last+1)); err != nil {
		return err
	}
	return fn(k.last)
}

// Raise implements RIDs.
func (k *FileRIDs) Raise(ctx context.Context, floor int64) error {
	if err := k.take(ctx); err != nil {
		return err
	}
	defer k.giveBack()
	if floor <= k.last {
		return nil
	}
	return k.keep(floor)
}

func (k *FileRIDs) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrNoRID, err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrNoRID, ctx.Err())
	case _, open := <-k.turn:
		if !open {
			return fmt.Errorf("%w: the keeper is closed", ErrNoRID)
		}
		return nil
	}
}

func (k *FileRIDs) giveBack() { k.turn <- struct{}{} }

// keep puts rid on the disk, and only then into memory.
func (k *FileRIDs) keep(rid int64) error {
	if err := writeRID(k.name, rid); err != nil {
		return fmt.Errorf("%w: %w", ErrNoRID, err)
	}
	k.last = rid
	return nil
}

func readRID(name string) (int64, error) {
	text, err := os.ReadFile(name) //nolint:gosec // G304: the operator names the file.
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	digits, isOurs := strings.CutPrefix(strings.TrimSuffix(string(text), "\n"), ridHeader)
	rid, err := strconv.ParseInt(digits, 10, 64)
	if !isOurs || err != nil || rid < 0 || formatRID(rid) != string(text) {
		return 0, fmt.Errorf("%s holds no request id; name another file, or restore this one: starting anew could use ids again", name)
	}
	return rid, nil
}

func formatRID(rid int64) string { return ridHeader + strconv.FormatInt(rid, 10) + "\n" }

// writeRID replaces the file by one that is complete and synced, so that a crash leaves the old or the new.
func writeRID(name string, rid int64) error {
	temp := name + ".tmp"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // G304: the operator names the file.
	if err != nil {
		return err
	}
	_, err = f.WriteString(formatRID(rid))
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// syncDir makes a rename in the folder durable.
func syncDir(dir string) (err error) {
	d, err := os.Open(dir) //nolint:gosec // G304: the operator names the file in it.
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}
