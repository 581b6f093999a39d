package sqlite

import (
	"context"
	"errors"
	"time"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

const busyPause = 10 * time.Millisecond

// isBusy reports whether another process held a lock for longer than SQLite waits for it.
func isBusy(err error) bool {
	return hasCode(err, sqlitelib.SQLITE_BUSY)
}

// isDriver reports whether the database itself failed.
func isDriver(err error) bool {
	_, ok := codeOf(err)
	return ok
}

// hasCode compares the primary result code.
func hasCode(err error, code int) bool {
	is, ok := codeOf(err)
	return ok && is&0xff == code
}

// isExactly compares the extended result code.
func isExactly(err error, code int) bool {
	is, ok := codeOf(err)
	return ok && is == code
}

// codeOf returns the extended result code of an error of the database.
func codeOf(err error) (code int, ok bool) {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code(), true
	}
	if e, ok := errors.AsType[*connError](err); ok {
		return e.code, true
	}
	return 0, false
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
