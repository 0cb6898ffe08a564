package modelserver

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// appendText appends what the inner part of a JSON string means. Escapes in it have been checked. Bytes that are not
// UTF-8 and halves of surrogate pairs become U+FFFD.
func appendText(dst, raw []byte) []byte {
	for len(raw) > 0 {
		n := bytes.IndexByte(raw, '\\')
		if n < 0 {
			n = len(raw)
		}
		dst = appendUTF8(dst, raw[:n])
		if raw = raw[n:]; len(raw) == 0 {
			break
		}
		switch c := raw[1]; c {
		case 'u':
			var r rune
			r, raw = escapedRune(raw)
			dst = utf8.AppendRune(dst, r)
			continue
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		default: // quote, backslash, slash
			dst = append(dst, c)
		}
		raw = raw[2:]
	}
	return dst
}

// escapedRune takes the character that raw begins with as \uXXXX or as a pair of them.
func escapedRune(raw []byte) (rune, []byte) {
	r, _ := hex4(raw)
	raw = raw[6:]
	if !utf16.IsSurrogate(r) {
		return r, raw
	}
	if low, ok := hex4(raw); ok {
		if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
			return both, raw[6:]
		}
	}
	return utf8.RuneError, raw
}

func appendUTF8(dst, raw []byte) []byte {
	if utf8.Valid(raw) {
		return append(dst, raw...)
	}
	for len(raw) > 0 {
		r, n := utf8.DecodeRune(raw)
		dst = utf8.AppendRune(dst, r)
		raw = raw[n:]
	}
	return dst
}
