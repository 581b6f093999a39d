//go:build unix

package envelope

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// withDirLock runs fn while no other process runs one for the same directory. The lock falls with the
// process, so that a crash leaves none behind.
func withDirLock(dir string, fn func() error) (err error) {
	d, err := os.Open(dir) //nolint:gosec // the operator names the directory
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for {
		err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	return fn()
}

func syncDir(dir string) (err error) {
	d, err := os.Open(dir) //nolint:gosec // the operator names the directory
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}

// keepOwner gives f the owner of before, so that an administrator's change does not lock a service out
// of its own file.
func keepOwner(f *os.File, before fs.FileInfo) error {
	owner, ok := before.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}
