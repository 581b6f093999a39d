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
	_, ok := errors.AsType[*sqlite.Error](err)
	return ok
}

// hasCode compares the primary result code.
func hasCode(err error, code int) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == code
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

// isExactly compares the extended result code.
func isExactly(err error, code int) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code() == code
}
