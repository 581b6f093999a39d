//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package streamapi

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile opens the file and locks it until it is closed or the process ends.
func lockFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // G304: the operator names the file.
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%s is locked: another process uses this API key; stop it, or give each its own key", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
