package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// A frame is what is stored: magic, version, sequence and SHA-256 of the last record that is covered, the subject with its
// length, the state, and the SHA-256 of all before.
const (
	magic     = "MYCP"
	version   = 1
	frameHead = len(magic) + 1 + 8 + sha256.Size + 2
	maxName   = 1 << 12 // of a subject, in bytes
)

// frame is a checkpoint as it is stored.
type frame struct {
	subject string
	seq     uint64
	record  [sha256.Size]byte // of the record at seq
	state   []byte
}

func (f *frame) pack() []byte {
	out := make([]byte, 0, frameHead+len(f.subject)+len(f.state)+sha256.Size)
	out = append(append(out, magic...), version)
	out = binary.BigEndian.AppendUint64(out, f.seq)
	out = append(out, f.record[:]...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(f.subject))) //nolint:gosec // Save checks it
	out = append(append(out, f.subject...), f.state...)
	sum := sha256.Sum256(out)
	return append(out, sum[:]...)
}

// unpack reads a frame, whose state shares memory with data. Errors: ErrDamaged, ErrVersion.
func unpack(data []byte) (*frame, error) {
	if len(data) < frameHead+sha256.Size || string(data[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: %d bytes that do not begin like one", ErrDamaged, len(data))
	}
	if v := data[len(magic)]; v != version {
		return nil, fmt.Errorf("%w: %d, not %d", ErrVersion, v, version)
	}
	body, want := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], want) {
		return nil, fmt.Errorf("%w: its checksum does not match", ErrDamaged)
	}
	rest := body[len(magic)+1:]
	f := &frame{seq: binary.BigEndian.Uint64(rest)}
	copy(f.record[:], rest[8:])
	rest = rest[8+sha256.Size:]
	n := int(binary.BigEndian.Uint16(rest))
	if rest = rest[2:]; n > len(rest) {
		return nil, fmt.Errorf("%w: it ends within its name", ErrDamaged)
	}
	f.subject, f.state = string(rest[:n]), rest[n:]
	return f, nil
}
