package runlog

import (
	"encoding/binary"
	"errors"
)

var errShape = errors.New("msgpack is cut short, nested too deep, or claims more than there is")

// maxDepth is deeper than any body nests.
const maxDepth = 16

// checkShape walks over data, which must be exactly one msgpack value, and makes sure that no array, map or string in it
// claims more than the bytes behind it can hold, and that nothing nests deeper than maxDepth. The decoder makes room for
// a claim before it looks, and skips what it does not know by recursion.
func checkShape(data []byte) error {
	var open [maxDepth]uint64 // values still to come, by level
	open[0] = 1
	for level := 0; level >= 0; {
		if open[level] == 0 {
			level--
			continue
		}
		open[level]--
		if len(data) == 0 {
			return errShape
		}
		length, fixed, values, ok := shapeOf(data[0])
		data = data[1:]
		if !ok || length > len(data) {
			return errShape
		}
		n := uint64(fixed) //nolint:gosec // at most 17
		if length > 0 {
			var wide [8]byte
			copy(wide[8-length:], data[:length])
			n += binary.BigEndian.Uint64(wide[:])
			data = data[length:]
		}
		if n *= uint64(max(values, 1)); n > uint64(len(data)) { //nolint:gosec // n < 2^33; a value takes at least a byte
			return errShape
		}
		if values == 0 {
			data = data[n:]
			continue
		}
		if level++; level == maxDepth {
			return errShape
		}
		open[level] = n
	}
	if len(data) > 0 {
		return errShape
	}
	return nil
}

// shapeOf tells what follows the first byte of a value: a big-endian number in the next length bytes, which with fixed
// is how much comes then: bytes if values is 0, elements of an array if it is 1, entries of a map if it is 2.
func shapeOf(code byte) (length, fixed, values int, ok bool) {
	switch {
	case code < 0x80 || code >= 0xe0 || code == 0xc0 || code == 0xc2 || code == 0xc3: // small integers, nil, booleans
		return 0, 0, 0, true
	case code < 0x90:
		return 0, int(code & 0x0f), 2, true
	case code < 0xa0:
		return 0, int(code & 0x0f), 1, true
	case code < 0xc0:
		return 0, int(code & 0x1f), 0, true
	}
	switch code {
	case 0xc4, 0xc5, 0xc6: // bytes
		return 1 << (code - 0xc4), 0, 0, true
	case 0xc7, 0xc8, 0xc9: // extensions: a byte of type comes first
		return 1 << (code - 0xc7), 1, 0, true
	case 0xcc, 0xcd, 0xce, 0xcf: // numbers
		return 0, 1 << (code - 0xcc), 0, true
	case 0xd0, 0xd1, 0xd2, 0xd3:
		return 0, 1 << (code - 0xd0), 0, true
	case 0xca, 0xcb:
		return 0, 4 << (code - 0xca), 0, true
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // extensions of fixed size
		return 0, 1 + 1<<(code-0xd4), 0, true
	case 0xd9, 0xda, 0xdb: // text
		return 1 << (code - 0xd9), 0, 0, true
	case 0xdc, 0xdd: // arrays
		return 2 << (code - 0xdc), 0, 1, true
	case 0xde, 0xdf: // maps
		return 2 << (code - 0xde), 0, 2, true
	}
	return 0, 0, 0, false // 0xc1 is never used
}
