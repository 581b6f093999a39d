//go:build !unix

package envelope

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// withDirLock refuses: without a lock that falls with its process, two writers could lose a key.
func withDirLock(dir string, _ func() error) error {
	return fmt.Errorf("write to %s: key files are made and changed on Unix only; elsewhere write them by hand: %w", dir, errors.ErrUnsupported)
}

func syncDir(string) error { return nil }

func keepOwner(*os.File, fs.FileInfo) error { return nil }
