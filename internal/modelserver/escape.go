package modelserver

import (
	"math/bits"
	"unicode/utf8"
)

// appendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD, one by one.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	if utf8.ValidString(s) {
		b = appendValid(b, s)
	} else {
		for _, r := range s { // a byte that is not UTF-8 is given as utf8.RuneError
			if r < utf8.RuneSelf && escapes[r] != 0 {
				b = appendEscaped(b, byte(r))
			} else {
				b = utf8.AppendRune(b, r)
			}
		}
	}
	return append(b, '"')
}

// appendValid appends the inner part of a JSON string for text that is UTF-8.
func appendValid(b []byte, s string) []byte {
	for {
		n := special(s)
		b = append(b, s[:n]...)
		if n == len(s) {
			return b
		}
		b = appendEscaped(b, s[n])
		s = s[n+1:]
	}
}

// special is the length of the part before the first control character, quote or backslash. It looks at eight bytes at
// a time: a subtraction borrows into the top bit of each byte that is smaller than what is subtracted. The lowest bit
// that is found is exact, because a borrow out of a lower byte needs one that was found there.
func special[T string | []byte](s T) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := word(s[i : i+8])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		if found := ((w-ones*0x20)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & tops; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(s) && escapes[s[i]] == 0; i++ {
	}
	return i
}

// word is eight bytes of text as one number.
func word[T string | []byte](s T) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// escapes says for each byte how it is escaped in a JSON string: 0 not at all, 'u' by number, else by that letter.
var escapes = func() (t [256]byte) {
	for i := range 0x20 {
		t[i] = 'u'
	}
	for at, letter := range map[byte]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'} {
		t[at] = letter
	}
	return t
}()

func appendEscaped(b []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	if e := escapes[c]; e != 'u' {
		return append(b, '\\', e)
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
