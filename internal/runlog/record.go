package runlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/vmihailenco/msgpack/v5"
)

// Version is the version of the record envelope and of every body. Fields are only ever appended to either.
const Version = 1

// Header is what every record carries beside its body.
type Header struct {
	Kind   string // a control kind of pkg/subjects, or KindAnswer, KindAsked, KindMessage
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
)

// The envelope is a msgpack array: version, checksum, kind, run, round, writer, epoch, body. The first two have a fixed
// encoding, so the checksum (CRC-32C) covers every byte behind it.
const (
	arrayLen  = 8
	sumOffset = 2
	sumEnd    = 7
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode returns the record of h with the msgpack encoding of body, or with body itself where it is a []byte.
func Encode(h Header, body any) ([]byte, error) {
	raw, ok := body.([]byte)
	if !ok {
		var err error
		if raw, err = msgpack.Marshal(body); err != nil {
			return nil, fmt.Errorf("runlog: encode %s: %w", h.Kind, err)
		}
	}
	var buf bytes.Buffer
	buf.Grow(len(raw) + len(h.Run) + len(h.Writer) + 48)
	buf.Write([]byte{0x90 | arrayLen, Version, 0xce, 0, 0, 0, 0})
	enc := msgpack.GetEncoder()
	defer msgpack.PutEncoder(enc)
	enc.Reset(&buf)
	for _, step := range []func() error{
		func() error { return enc.EncodeString(h.Kind) },
		func() error { return enc.EncodeString(h.Run) },
		func() error { return enc.EncodeUint(uint64(h.Round)) },
		func() error { return enc.EncodeString(h.Writer) },
		func() error { return enc.EncodeUint(h.Epoch) },
		func() error { return enc.EncodeBytes(raw) },
	} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("runlog: encode %s: %w", h.Kind, err)
		}
	}
	out := buf.Bytes()
	binary.BigEndian.PutUint32(out[sumOffset+1:], crc32.Checksum(out[sumEnd:], castagnoli))
	return out, nil
}

// Decode checks the version and the checksum of a record and returns its header and its undecoded body. The body
// shares memory with data.
func Decode(data []byte) (Header, []byte, error) {
	if len(data) < sumEnd || data[0]&0xf0 != 0x90 || data[0]&0x0f < arrayLen || data[sumOffset] != 0xce {
		return Header{}, nil, fmt.Errorf("%w: not a record envelope", ErrDamaged)
	}
	if data[1] != Version {
		return Header{}, nil, fmt.Errorf("%w: %d, this binary knows %d", ErrVersion, data[1], Version)
	}
	if got, want := crc32.Checksum(data[sumEnd:], castagnoli), binary.BigEndian.Uint32(data[sumOffset+1:]); got != want {
		return Header{}, nil, fmt.Errorf("%w: checksum %08x, stored %08x", ErrDamaged, got, want)
	}
	r := bytes.NewReader(data[sumEnd:])
	dec := msgpack.GetDecoder()
	defer msgpack.PutDecoder(dec)
	dec.Reset(r)
	var h Header
	var err error
	str := func(to *string) {
		if err == nil {
			*to, err = dec.DecodeString()
		}
	}
	str(&h.Kind)
	str(&h.Run)
	if err == nil {
		h.Round, err = dec.DecodeInt()
	}
	str(&h.Writer)
	if err == nil {
		h.Epoch, err = dec.DecodeUint64()
	}
	n := 0
	if err == nil {
		n, err = dec.DecodeBytesLen()
	}
	if err != nil {
		return Header{}, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	rest := data[len(data)-r.Len():]
	if n < 0 || n > len(rest) {
		return Header{}, nil, fmt.Errorf("%w: body of %d bytes, %d left", ErrDamaged, n, len(rest))
	}
	return h, rest[:n], nil
}

// decodeBody decodes a body into a fixed type.
func decodeBody(body []byte, to any) error {
	if err := msgpack.Unmarshal(body, to); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}
