package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/tokensvc/tokensvc/keystore"
)

const fileHead = `# Master keys of tokensvc, one ID:BASE64 on a line. The first seals, all open.
# Keep a copy in a safe place: without it no sealed secret can be opened again.
`

// othersMask are the permissions that nobody but the owner may have on a key file.
const othersMask fs.FileMode = 0o077

// KeyFile is a file of master keys that may change while it is used. It is safe for concurrent use.
type KeyFile struct {
	path string
	mu   sync.Mutex
	seen fs.FileInfo
	keys MasterKeys
}

// OpenKeyFile reads the master keys of a file in the form of ReadMasterKeys. A file that the group or
// others can read is refused.
//
// Wanted names the master keys under which secrets are sealed already (see Wanted). Only when it is
// empty is a missing file made, with one new key, mode 0600, whole or not at all; created then says so.
// Otherwise a missing file is an error that wraps keystore.ErrUnknownMasterKey and names them.
func OpenKeyFile(path string, wanted []string) (f *KeyFile, created bool, err error) {
	f = &KeyFile{path: path}
	_, err = f.Load()
	if !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return nil, false, err
		}
		return f, false, nil
	}
	if len(wanted) > 0 {
		return nil, false, fmt.Errorf("%w: the store holds secrets under %s, and the master key file %s does not exist; bring it back from a copy",
			keystore.ErrUnknownMasterKey, strings.Join(wanted, ", "), path)
	}
	err = withDirLock(filepath.Dir(path), func() error {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return err // another process was first, unless Stat failed
		}
		created = true
		return writeFile(path, generate().appendLine([]byte(fileHead)), nil)
	})
	if err != nil {
		return nil, false, fmt.Errorf("make master key file: %w", err)
	}
	if _, err := f.Load(); err != nil {
		return nil, false, err
	}
	return f, created, nil
}

// Load returns the keys, reading the file again if it has changed.
func (f *KeyFile) Load() (MasterKeys, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		return MasterKeys{}, fmt.Errorf("master key file: %w", err)
	}
	if f.seen != nil && sameVersion(f.seen, info) {
		return f.keys, nil
	}
	text, info, err := readFile(f.path)
	if err != nil {
		return MasterKeys{}, err
	}
	defer clear(text)
	keys, err := parseMasterKeys(text)
	if err != nil {
		return MasterKeys{}, fmt.Errorf("master key file %s: %w", f.path, err)
	}
	f.seen, f.keys = info, keys
	return keys, nil
}

func sameVersion(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}

// AddKey puts a new random master key in front of the others of a key file and returns its id. The file
// changes at once or not at all; readers see the old one or the new one. Two processes that add at once
// both succeed.
func AddKey(path string) (id string, err error) {
	path, err = filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("master key file: %w", err)
	}
	err = withDirLock(filepath.Dir(path), func() error {
		text, info, err := readFile(path)
		if err != nil {
			return err
		}
		defer clear(text)
		if _, err := parseMasterKeys(text); err != nil {
			return fmt.Errorf("master key file %s: %w", path, err)
		}
		key := generate()
		id = key.id
		next := insertKey(text, key)
		defer clear(next)
		if _, err := parseMasterKeys(next); err != nil {
			return fmt.Errorf("master key file %s: %w", path, err)
		}
		return writeFile(path, next, info)
	})
	if err != nil {
		return "", fmt.Errorf("add master key: %w", err)
	}
	return id, nil
}

// insertKey puts a line for key in front of the first that is neither blank nor a comment.
func insertKey(text []byte, key masterKey) []byte {
	at := 0
	for line := range bytes.Lines(text) {
		if trimmed := bytes.TrimSpace(line); len(trimmed) > 0 && trimmed[0] != '#' {
			break
		}
		at += len(line)
	}
	next := make([]byte, 0, len(text)+maxIDBytes+2*MasterKeyBytes)
	next = append(next, text[:at]...)
	next = key.appendLine(next)
	return append(next, text[at:]...)
}

// readFile returns the text of a key file that only its owner can read.
func readFile(path string) (text []byte, info fs.FileInfo, err error) {
	if info, err = os.Stat(path); err != nil {
		return nil, nil, fmt.Errorf("master key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("master key file %s is not a regular file", path)
	}
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, nil, fmt.Errorf("master key file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if info, err = file.Stat(); err != nil {
		return nil, nil, fmt.Errorf("master key file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&othersMask != 0 {
		return nil, nil, fmt.Errorf("master key file %s is open to others (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	if text, err = io.ReadAll(io.LimitReader(file, maxTextBytes+1)); err != nil {
		return nil, nil, fmt.Errorf("master key file: %w", err)
	}
	return text, info, nil
}

// writeFile makes or replaces a file, whole or not at all, and returns when it will survive a crash.
// Replacing keeps the owner of before.
func writeFile(path string, text []byte, before fs.FileInfo) (err error) {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	if before != nil {
		if err := keepOwner(temp, before); err != nil {
			return errors.Join(err, temp.Close())
		}
	}
	_, err = temp.Write(text)
	if err == nil {
		err = temp.Sync()
	}
	if err := errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}
