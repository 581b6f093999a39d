//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package streamapi

import (
	"fmt"
	"os"
	"runtime"
)

// lockFile refuses: without a lock two processes could use one id.
func lockFile(name string) (*os.File, error) {
	return nil, fmt.Errorf("%s: no file locks on %s; keep request ids on a Unix system", name, runtime.GOOS)
}
