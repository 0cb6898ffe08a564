package remote

import (
	"encoding/binary"
	"errors"
)

var errClaim = errors.New("msgpack is cut short, or claims more than there is")

// checkClaims walks over one msgpack value and makes sure that it is all there: that no array, map or string claims more
// than the bytes behind it can hold. The decoder would make room for such a claim, gigabytes of it, before it looked.
func checkClaims(data []byte) error {
	for pending := uint64(1); pending > 0; pending-- {
		if len(data) == 0 {
			return errClaim
		}
		code := data[0]
		data = data[1:]
		size, count, ok := header(code)
		if !ok || size.length > len(data) {
			return errClaim
		}
		n := size.fixed
		if size.length > 0 {
			var wide [8]byte
			copy(wide[8-size.length:], data[:size.length])
			n += binary.BigEndian.Uint64(wide[:])
			data = data[size.length:]
		}
		// Every value takes at least a byte.
		if count > 0 {
			if pending += n * count; pending-1 > uint64(len(data)) {
				return errClaim
			}
			continue
		}
		if n > uint64(len(data)) {
			return errClaim
		}
		data = data[n:]
	}
	return nil
}

// extent is how much follows the first byte of a value: a fixed number plus one that stands in the next length bytes.
type extent struct {
	fixed  uint64
	length int
}

// header tells what follows the first byte of a value: bytes (count is 0), or values (1 for each element of an array, 2
// for each entry of a map).
func header(code byte) (size extent, count uint64, ok bool) {
	switch {
	case code < 0x80 || code >= 0xe0 || code == 0xc0 || code == 0xc2 || code == 0xc3: // small integers, nil, booleans
		return extent{}, 0, true
	case code < 0x90:
		return extent{fixed: uint64(code & 0x0f)}, 2, true
	case code < 0xa0:
		return extent{fixed: uint64(code & 0x0f)}, 1, true
	case code < 0xc0:
		return extent{fixed: uint64(code & 0x1f)}, 0, true
	}
	switch code {
	case 0xc4, 0xc5, 0xc6: // bytes
		return extent{length: 1 << (code - 0xc4)}, 0, true
	case 0xc7, 0xc8, 0xc9: // extensions, with a type of one byte
		return extent{fixed: 1, length: 1 << (code - 0xc7)}, 0, true
	case 0xca, 0xce, 0xd2: // 32 bits
		return extent{fixed: 4}, 0, true
	case 0xcb, 0xcf, 0xd3: // 64 bits
		return extent{fixed: 8}, 0, true
	case 0xcc, 0xd0:
		return extent{fixed: 1}, 0, true
	case 0xcd, 0xd1:
		return extent{fixed: 2}, 0, true
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // extensions of 1 to 16 bytes
		return extent{fixed: 1 + 1<<(code-0xd4)}, 0, true
	case 0xd9, 0xda, 0xdb: // text
		return extent{length: 1 << (code - 0xd9)}, 0, true
	case 0xdc, 0xdd:
		return extent{length: 2 << (code - 0xdc)}, 1, true
	case 0xde, 0xdf:
		return extent{length: 2 << (code - 0xde)}, 2, true
	}
	return extent{}, 0, false // 0xc1 is never used
}
