package runlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/damage"
)

// Version is the version of the record envelope and of every body. Fields are only ever appended to either.
const Version = 1

// Header is what every record carries beside its body.
type Header struct {
	Kind   string // a control kind of pkg/subjects, or one of the Kind constants below
	Run    string
	Round  int    // 0 before the first round
	Writer string // who appended it: a service incarnation
	Epoch  uint64 // of the lease it was written under; 0 for records that need none
}

// Kinds of records outside the control subjects.
const (
	KindAnswer  = "answer"
	KindAsked   = "asked"
	KindMessage = "message"
	KindCode    = "code"
	KindEnv     = "env"
)

// The envelope is a msgpack array: version, checksum, kind, run, round, writer, epoch, body. The first two have a fixed
// encoding, so the checksum (CRC-32C) can cover every other byte of the record, those before it included.
const (
	arrayLen  = 8
	sumOffset = 2
	sumEnd    = 7
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(record []byte) uint32 {
	return crc32.Update(crc32.Checksum(record[:sumOffset], castagnoli), castagnoli, record[sumEnd:])
}

// Encode returns the record of h with the msgpack encoding of body, or with body itself where it is a []byte.
func Encode(h Header, body any) ([]byte, error) {
	raw, ok := body.([]byte)
	if !ok {
		var err error
		if raw, err = msgpack.Marshal(body); err != nil {
			return nil, fmt.Errorf("runlog: encode %s: %w", h.Kind, err)
		}
	}
	out, err := appendHead(make([]byte, 0, len(raw)+len(h.Kind)+len(h.Run)+len(h.Writer)+48), h)
	if err != nil {
		return nil, err
	}
	out = appendBin(out, raw)
	seal(out)
	return out, nil
}

// appendHead appends a record up to its body, with room for the checksum.
func appendHead(out []byte, h Header) ([]byte, error) {
	if h.Round < 0 {
		return nil, fmt.Errorf("runlog: encode %s: round %d", h.Kind, h.Round)
	}
	out = append(out, 0x90|arrayLen, Version, 0xce, 0, 0, 0, 0)
	out = appendText(out, h.Kind)
	out = appendText(out, h.Run)
	out = appendUint(out, uint64(h.Round)) //nolint:gosec // not negative
	out = appendText(out, h.Writer)
	return appendUint(out, h.Epoch), nil
}

// seal puts the checksum into a record that is otherwise done.
func seal(record []byte) { binary.BigEndian.PutUint32(record[sumOffset+1:], checksum(record)) }

// Decode checks the version and the checksum of a record and returns its header and its undecoded body. The body
// shares memory with data. Errors: ErrVersion, ErrDamaged, ErrLost.
func Decode(data []byte) (Header, []byte, error) {
	if n, ok := damage.Read(data); ok {
		return Header{}, nil, Lost(n)
	}
	if len(data) < sumEnd || data[0]&0xf0 != 0x90 || data[0]&0x0f < arrayLen || data[sumOffset] != 0xce {
		return Header{}, nil, fmt.Errorf("%w: not a record envelope", ErrDamaged)
	}
	if data[1] != Version {
		return Header{}, nil, fmt.Errorf("%w: %d, this binary knows %d", ErrVersion, data[1], Version)
	}
	if got, want := checksum(data), binary.BigEndian.Uint32(data[sumOffset+1:]); got != want {
		return Header{}, nil, fmt.Errorf("%w: checksum %08x, stored %08x", ErrDamaged, got, want)
	}
	c := columns{buf: data[sumEnd:]}
	h := Header{Kind: c.text(), Run: c.text(), Round: c.int(), Writer: c.text(), Epoch: c.uint()}
	body := c.bin()
	if c.err == nil && data[0]&0x0f == arrayLen && len(c.buf) > 0 {
		c.fail("bytes after the last field")
	}
	if c.err != nil {
		return Header{}, nil, c.err
	}
	return h, body, nil
}

// Lost is the error for a record that was found damaged on disk.
func Lost(n damage.Note) error { return fmt.Errorf("%w: %v", ErrLost, n) }

// decodeBody decodes a control body into a fixed type.
func decodeBody(body []byte, to any) error {
	if err := checkShape(body); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := msgpack.Unmarshal(body, to); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}
