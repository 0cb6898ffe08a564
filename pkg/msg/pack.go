package msg

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// scratch holds the buffers in which messages are put together, so that what a caller gets is cut to size. It keeps none
// that is larger than most messages need.
var scratch = sync.Pool{New: func() any {
	b := make([]byte, 0, 512)
	return &b
}}

const maxScratch = 64 << 10

// putScratch gives a buffer back, after it has grown to be b.
func putScratch(buffer *[]byte, b []byte) {
	if cap(b) <= maxScratch {
		*buffer = b[:0]
		scratch.Put(buffer)
	}
}

// packed gives what add appends to a buffer, in bytes of its own.
func packed(add func(b []byte) ([]byte, error)) ([]byte, error) {
	buffer := scratch.Get().(*[]byte)
	b, err := add((*buffer)[:0])
	var out []byte
	if err == nil {
		out = slices.Clone(b)
	}
	putScratch(buffer, b)
	return out, err
}

// appendMsg writes a message. Metadata is brought into normal form as it is written.
func appendMsg(b []byte, m *Msg) ([]byte, error) {
	start := len(b)
	b = append(b, msgpcode.FixedArrayLow|fieldCount, Version)
	b = appendText(b, m.ID)
	b = appendText(b, m.Name)
	b = appendText(b, string(m.Role))
	b, err := appendContent(b, m.Content)
	if err != nil {
		return b, err
	}
	b = appendListLen(b, len(m.URLs))
	for _, u := range m.URLs {
		b = appendText(b, u)
	}
	if b, err = appendMap(b, m.Metadata, 1); err != nil {
		return b, fmt.Errorf("metadata: %w", err)
	}
	b = appendTime(b, m.Time)
	if p := m.Placeholder; p == nil {
		b = append(b, msgpcode.Nil)
	} else {
		b = append(b, msgpcode.FixedArrayLow|promiseCount)
		b = appendText(b, p.Run)
		b = appendText(b, p.Producer)
		b = appendText(b, p.ID)
		b = appendTime(b, p.Expires)
	}
	if err := m.check(); err != nil {
		return b, err
	}
	return b, checkSize(len(b) - start)
}

// appendContent writes a content. Whether a text can travel is for the message's check to say.
func appendContent(b []byte, c Content) ([]byte, error) {
	if text, ok := c.value.(string); ok {
		return appendText(b, text), nil
	}
	return appendValue(b, c.value, 1)
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, msgpcode.Nil)
	}
	return appendInt(b, t.UnixNano())
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, msgpcode.True)
	}
	return append(b, msgpcode.False)
}

// appendInt writes a whole number in as few bytes as it needs.
func appendInt(b []byte, n int64) []byte {
	switch {
	case n >= 0 && n <= math.MaxInt8, n < 0 && n >= -32:
		return append(b, byte(n))
	case n >= 0 && n <= math.MaxUint8:
		return append(b, msgpcode.Uint8, byte(n))
	case n >= 0 && n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, msgpcode.Uint16), uint16(n))
	case n >= 0 && n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, msgpcode.Uint32), uint32(n))
	case n >= 0:
		return binary.BigEndian.AppendUint64(append(b, msgpcode.Uint64), uint64(n))
	case n >= math.MinInt8:
		return append(b, msgpcode.Int8, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(b, msgpcode.Int16), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(b, msgpcode.Int32), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, msgpcode.Int64), uint64(n))
	}
}

func appendDouble(b []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, msgpcode.Double), math.Float64bits(f))
}

func appendText(b []byte, s string) []byte {
	switch n := len(s); {
	case n < 32:
		b = append(b, msgpcode.FixedStrLow|byte(n))
	case n <= math.MaxUint8:
		b = append(b, msgpcode.Str8, byte(n))
	default:
		b = appendLen(b, n, msgpcode.Str16, msgpcode.Str32)
	}
	return append(b, s...)
}

func appendListLen(b []byte, n int) []byte {
	if n < 16 {
		return append(b, msgpcode.FixedArrayLow|byte(n))
	}
	return appendLen(b, n, msgpcode.Array16, msgpcode.Array32)
}

func appendMapLen(b []byte, n int) []byte {
	if n < 16 {
		return append(b, msgpcode.FixedMapLow|byte(n))
	}
	return appendLen(b, n, msgpcode.Map16, msgpcode.Map32)
}

// appendLen writes a length in two bytes or four, behind the code that says so.
func appendLen(b []byte, n int, short, long byte) []byte {
	if n <= math.MaxUint16 {
		return binary.BigEndian.AppendUint16(append(b, short), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(b, long), uint32(n))
}
