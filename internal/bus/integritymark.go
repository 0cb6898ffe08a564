package bus

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// watermark is how far a stream is known to have gone.
type watermark struct {
	First  uint64      `json:"first"`            // first sequence that was not purged
	Last   uint64      `json:"last"`             // last sequence that was stored
	Purged [][2]uint64 `json:"purged,omitempty"` // sequences within that were deleted on request, as ranges
}

// purged is how many sequences were deleted on request.
func (w *watermark) purged() uint64 {
	if w == nil {
		return 0
	}
	n := uint64(0)
	for _, r := range w.Purged {
		n += r[1] - r[0] + 1
	}
	return n
}

func (w *watermark) isPurged(seq uint64) bool {
	if w == nil {
		return false
	}
	for _, r := range w.Purged {
		if seq >= r[0] && seq <= r[1] {
			return true
		}
	}
	return false
}

// watermarks of the streams, by name.
type watermarks map[string]*watermark

// markFile is where they stand. It is outside the server's own directory, and comes before it in the order of names: who
// copies a data directory that is in use copies the marks first, and the copy does not promise what it lacks.
func markFile(dataDir string) string { return filepath.Join(dataDir, "acknowledged") }

// readMarks reads the file. One that is missing, as in a directory of an older version, or damaged itself tells nothing.
func readMarks(dataDir string) (watermarks, error) {
	data, err := os.ReadFile(markFile(dataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, dataDirError(dataDir, err)
	}
	var sum uint32
	var n int
	if _, err := fmt.Sscanf(string(data), "%08x %d\n", &sum, &n); err != nil || n < 0 || n > len(data) {
		return nil, errMarks
	}
	data = data[len(data)-n:]
	var m watermarks
	if crc32.ChecksumIEEE(data) != sum || json.Unmarshal(data, &m) != nil {
		return nil, errMarks
	}
	return m, nil
}

// errMarks says that the file does not decode.
var errMarks = errors.New("the file does not have its checksum")

// write replaces the file. When it returns the marks are on disk.
func (m watermarks) write(dataDir string) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	text := fmt.Appendf(nil, "%08x %d\n%s", crc32.ChecksumIEEE(data), len(data), data)
	return replaceFile(markFile(dataDir), text)
}

// replaceFile puts a file in the place of another, whole or not at all, and syncs it.
func replaceFile(path string, data []byte) error {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return dataDirError(path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		return dataDirError(path, errors.Join(err, os.Remove(part)))
	}
	return nil
}
