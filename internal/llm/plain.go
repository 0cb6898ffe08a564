package llm

import "math"

// Nearly every call is written by a host, in few of the forms that msgpack allows, and a million pass in a round. Those
// are read here without the bookkeeping of the cursor. Whatever is not plain gives the length of the payload as its end,
// where nothing plain follows, and is left to the cursor to read or to refuse.

// plainAsk reads a call with all its fields, messages of a role and a content, and no attributes. False: it is something
// else, and the cursor stands where it stood.
func (c *cursor) plainAsk(a *Ask) bool {
	s := c.s
	if c.pos >= len(s) || s[c.pos] != 0x90|callFields {
		return false
	}
	agent, pos := plainUint(s, c.pos+1)
	attempt, pos := plainUint(s, pos)
	n, pos := plainArray(s, pos)
	for range n {
		if pos >= len(s) || s[pos] != 0x90|messageFields {
			return false
		}
		pos = afterText(s, afterText(s, pos+1))
		if pos >= len(s) || s[pos] != 0xc0 {
			return false
		}
		pos++
	}
	if attempt > math.MaxUint32 || len(s)-pos < 2 || s[pos] != 0x80 || s[pos+1] != 0x80 {
		return false
	}
	a.Agent, a.Attempt = agent, uint32(attempt)
	c.pos = pos + 2
	return true
}

func plainUint(s string, pos int) (v uint64, end int) {
	if len(s)-pos < 5 {
		return 0, len(s)
	}
	switch b := s[pos]; {
	case b < 0x80:
		return uint64(b), pos + 1
	case b == 0xcc:
		return uint64(s[pos+1]), pos + 2
	case b == 0xcd:
		return uint64(s[pos+1])<<8 | uint64(s[pos+2]), pos + 3
	case b == 0xce:
		return uint64(plain32(s, pos+1)), pos + 5
	}
	return 0, len(s)
}

func plain32(s string, pos int) uint32 {
	_ = s[pos+3] // one check of the bounds, not four
	return uint32(s[pos])<<24 | uint32(s[pos+1])<<16 | uint32(s[pos+2])<<8 | uint32(s[pos+3])
}

func plainArray(s string, pos int) (n, end int) {
	if len(s)-pos < 3 {
		return 0, len(s)
	}
	switch b := s[pos]; {
	case b&0xf0 == 0x90:
		return int(b & 0x0f), pos + 1
	case b == 0xdc:
		return int(s[pos+1])<<8 | int(s[pos+2]), pos + 3
	}
	return 0, len(s)
}

// afterText is where the text that begins at pos ends.
func afterText(s string, pos int) int {
	if len(s)-pos < 5 {
		return len(s)
	}
	var n int
	switch b := s[pos]; {
	case b&0xe0 == 0xa0:
		n, pos = int(b&0x1f), pos+1
	case b == 0xd9:
		n, pos = int(s[pos+1]), pos+2
	case b == 0xda:
		n, pos = int(s[pos+1])<<8|int(s[pos+2]), pos+3
	case b == 0xdb:
		n, pos = int(plain32(s, pos+1)), pos+5
	default:
		return len(s)
	}
	return pos + min(n, len(s)-pos)
}
