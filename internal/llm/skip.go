package llm

// skip passes over one value of any kind, without recursion, so that no nesting can exhaust the stack.
func (c *cursor) skip() {
	for left := 1; left > 0 && c.err == nil; left-- {
		switch b := c.code(); {
		case b < 0x80, b >= 0xe0, b == 0xc0, b == 0xc2, b == 0xc3:
		case b&0xf0 == 0x80:
			left += 2 * c.count(uint64(b&0x0f))
		case b&0xf0 == 0x90:
			left += c.count(uint64(b & 0x0f))
		case b&0xe0 == 0xa0:
			c.take(int(b & 0x1f))
		case b >= 0xc4 && b <= 0xc6:
			c.take(int(c.be(1 << (b - 0xc4))))
		case b >= 0xc7 && b <= 0xc9:
			c.take(int(c.be(1<<(b-0xc7))) + 1)
		case b == 0xca:
			c.take(4)
		case b == 0xcb:
			c.take(8)
		case b >= 0xcc && b <= 0xcf:
			c.take(1 << (b - 0xcc))
		case b >= 0xd0 && b <= 0xd3:
			c.take(1 << (b - 0xd0))
		case b >= 0xd4 && b <= 0xd8:
			c.take(1<<(b-0xd4) + 1)
		case b >= 0xd9 && b <= 0xdb:
			c.take(int(c.be(1 << (b - 0xd9))))
		case b == 0xdc, b == 0xdd:
			left += c.count(c.be(2 << (b - 0xdc)))
		case b == 0xde, b == 0xdf:
			left += 2 * c.count(c.be(2<<(b-0xde)))
		default:
			c.fail("code %#x is not msgpack", b)
		}
	}
}
