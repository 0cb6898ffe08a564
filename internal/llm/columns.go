package llm

// The columns of nearly every result are alike: positions that follow each other, no tokens and no retries. They are
// written by a copy and read by a comparison, and what is read is shared by all results.
var (
	positions, positionBytes = everyPosition()

	zeros     [MaxCalls]uint32
	zeroBytes [MaxCalls]uint8
)

func everyPosition() (list [MaxCalls]uint32, encoded []byte) {
	for i := range list {
		list[i] = uint32(i)
		encoded = appendUint(encoded, uint64(i))
	}
	return list, encoded
}

// positionAt is where position i stands in positionBytes.
func positionAt(i int) int {
	switch {
	case i < 0x80:
		return i
	case i <= 0xff:
		return 0x80 + 2*(i-0x80)
	}
	return 0x80 + 2*0x80 + 3*(i-0x100)
}

// run reports whether the positions follow each other, and how they are written.
func run(index []uint32) (encoded []byte, ok bool) {
	for i, v := range index {
		if v != index[0]+uint32(i) { //nolint:gosec // bounded by MaxCalls
			return nil, false
		}
	}
	first := int(index[0])
	if first+len(index) > MaxCalls {
		return nil, false
	}
	return positionBytes[positionAt(first):positionAt(first+len(index))], true
}

func appendIndex(b []byte, index []uint32) []byte {
	b = appendArray(b, len(index))
	if len(index) == 0 {
		return b
	}
	if encoded, ok := run(index); ok {
		return append(b, encoded...)
	}
	for _, v := range index {
		b = appendUint(b, uint64(v))
	}
	return b
}

// index reads the positions of a result.
func (c *cursor) index() []uint32 {
	before := *c
	n := c.array()
	at := c.pos
	first := int(c.uint(MaxCalls - 1))
	if c.err == nil && n > 0 && first+n <= MaxCalls {
		encoded := positionBytes[positionAt(first):positionAt(first+n)]
		if len(encoded) <= len(c.s)-at && c.s[at:at+len(encoded)] == string(encoded) {
			c.pos = at + len(encoded)
			return positions[first : first+n : first+n]
		}
	}
	*c = before
	return numbers[uint32](c, MaxCalls-1)
}

func appendUints[T uint32 | uint64](b []byte, list []T) []byte {
	b = appendArray(b, len(list))
	for _, v := range list {
		b = appendUint(b, uint64(v))
	}
	return b
}

// appendCounts writes a column of which all are often zero; then it is written empty.
func appendCounts[T uint8 | uint32](b []byte, list []T) []byte {
	all := T(0)
	for _, v := range list {
		all |= v
	}
	if all == 0 {
		return append(b, 0x90)
	}
	b = appendArray(b, len(list))
	for _, v := range list {
		b = appendUint(b, uint64(v))
	}
	return b
}
