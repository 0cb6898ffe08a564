package subjects

import (
	"fmt"
	"strconv"
	"strings"
)

// escape starts an escaped byte. It is legal in subjects and in KV keys and rare in names, which keeps tokens readable.
const escape = '='

const hexDigits = "0123456789ABCDEF"

// Encode turns any text into one token that is valid in a subject and as a key of a KV bucket. Letters, digits, "-" and
// "_" stay as they are; every other byte becomes "=" and two hex digits; the empty text becomes "=". Different texts
// give different tokens. It does not limit the length: who accepts a name from outside does.
func Encode(text string) string {
	if text == "" {
		return string(escape)
	}
	escaped := 0
	for i := range len(text) {
		if !plain(text[i]) {
			escaped++
		}
	}
	if escaped == 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 2*escaped)
	for i := range len(text) {
		c := text[i]
		if plain(c) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte(escape)
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}

// Decode is the inverse of Encode. A token that Encode does not make is refused with ErrToken, so that one text has
// only one token and a lookup by token cannot be sidestepped by writing it differently.
func Decode(token string) (string, error) {
	if token == string(escape) {
		return "", nil
	}
	if token == "" {
		return "", fmt.Errorf("%w: it is empty", ErrToken)
	}
	var b strings.Builder
	b.Grow(len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if plain(c) {
			b.WriteByte(c)
			continue
		}
		if c != escape || i+2 >= len(token) {
			return "", fmt.Errorf("%w: byte %d of %q", ErrToken, i, token)
		}
		high := strings.IndexByte(hexDigits, token[i+1])
		low := strings.IndexByte(hexDigits, token[i+2])
		if high < 0 || low < 0 || plain(byte(high<<4|low)) {
			return "", fmt.Errorf("%w: byte %d of %q", ErrToken, i, token)
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	return b.String(), nil
}

// plain reports whether a byte stands for itself in a token.
func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// number reads a shard or agent number in the one way that builders write it.
func number(token string) (int, error) {
	n, err := strconv.Atoi(token)
	if err != nil || n < 0 || strconv.Itoa(n) != token {
		return 0, fmt.Errorf("%w: %q is not a number", ErrSubject, token)
	}
	return n, nil
}

// decodeAll decodes the tokens at the given places.
func decodeAll(tokens []string, into ...*string) error {
	for i, to := range into {
		text, err := Decode(tokens[i])
		if err != nil {
			return err
		}
		*to = text
	}
	return nil
}

// malformed is the error of a subject that does not have the shape of what was asked for.
func malformed(subject, want string) error {
	return fmt.Errorf("%w: %q is not %s", ErrSubject, subject, want)
}
