package bus

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// dataVersion is the format of a data directory this program reads and writes.
const dataVersion = "1"

// dataDir is a locked data directory.
type dataDir struct {
	path string
	lock *os.File
}

// openDataDir creates the directory if needed, locks it for this process and
// checks its format. The lock is the kernel's: it goes with the process, so a
// killed one never has to be cleaned up after.
func openDataDir(path string) (*dataDir, error) {
	if path == "" {
		return nil, fmt.Errorf("%w: no directory given", ErrDataDir)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, dataDirError(path, err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, dataDirError(path, err)
	}
	d := &dataDir{path: path, lock: lock}
	if err := d.claim(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if err := d.checkVersion(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// claim takes the lock and writes down who holds it.
func (d *dataDir) claim() error {
	err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%w: %s is used by %s; stop that process, or use another directory with --data",
			ErrDataInUse, d.path, holder(d.lock))
	}
	if err != nil {
		return dataDirError(d.path, err)
	}
	if err := d.lock.Truncate(0); err != nil {
		return dataDirError(d.path, err)
	}
	if _, err := fmt.Fprintf(io.NewOffsetWriter(d.lock, 0), "%d\n", os.Getpid()); err != nil {
		return dataDirError(d.path, err)
	}
	return nil
}

// holder names the process that wrote the lock file. A process that has just
// taken the lock may not have written its number yet.
func holder(lock io.ReaderAt) string {
	buf := make([]byte, 32)
	n, err := lock.ReadAt(buf, 0)
	pid := strings.TrimSpace(string(buf[:n]))
	if (err != nil && !errors.Is(err, io.EOF)) || pid == "" {
		return "another process"
	}
	return "process " + pid
}

// checkVersion reads the format marker, or writes it into a new directory.
func (d *dataDir) checkVersion() error {
	file := filepath.Join(d.path, "VERSION")
	got, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return d.writeVersion(file)
	}
	if err != nil {
		return dataDirError(d.path, err)
	}
	if v := strings.TrimSpace(string(got)); v != dataVersion {
		return fmt.Errorf("%w: %s is %q, this program knows %q; use the program that wrote it, or another directory with --data",
			ErrDataVersion, file, v, dataVersion)
	}
	return nil
}

// writeVersion renames a finished file into place, and has it on disk before
// anything else is, so that neither a crash nor a power loss leaves an empty
// marker that a later start would take for an unknown format.
func (d *dataDir) writeVersion(file string) error {
	if err := replaceFile(file, []byte(dataVersion+"\n")); err != nil {
		return err
	}
	if err := syncDir(d.path); err != nil {
		return dataDirError(d.path, err)
	}
	return nil
}

// syncDir has the names in a directory on disk.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// close gives the directory free.
func (d *dataDir) close() error { return d.lock.Close() }

// dataDirError wraps what the file system said with what to do about it.
func dataDirError(path string, err error) error {
	return fmt.Errorf("%w: %s: %w; make it writable, or use another directory with --data", ErrDataDir, path, err)
}
