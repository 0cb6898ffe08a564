package runlog

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode/utf8"
)

// The columns that most chunks do not need stand behind the others, all of them or none: a chunk without them is written as
// if there were no such columns.

// MaxReason is the most bytes of a reason that are kept.
const MaxReason = 400

// hasSparse reports whether the chunk says anything in the columns that most do not need.
func (a *Answers) hasSparse() bool {
	return len(a.Reasons) > 0 || anyShared(a.Shared) || slices.Contains(a.Apportioned, true)
}

func anyShared(column []int32) bool {
	return slices.ContainsFunc(column, func(agent int32) bool { return agent >= 0 })
}

// checkSparse is check for the columns that a chunk may do without.
func (a *Answers) checkSparse() error {
	n := a.Len()
	for _, have := range [...]int{len(a.Shared), len(a.Apportioned)} {
		if have != 0 && have != n {
			return fmt.Errorf("runlog: a column of %d answers to %d agents", have, n)
		}
	}
	for at := range a.Reasons {
		if at < 0 || at >= n {
			return fmt.Errorf("runlog: the reason of position %d in a chunk of %d", at, n)
		}
	}
	return nil
}

// appendSparse appends the columns that most chunks do not need: who was asked instead as agent+1, what was apportioned as
// bits, and reasons as the gap to the one before, a length and the text.
func (a *Answers) appendSparse(out []byte) []byte {
	out, at := openBin(out)
	if anyShared(a.Shared) {
		for _, agent := range a.Shared {
			out = appendUvarint(out, uint64(max(int64(agent), -1)+1)) //nolint:gosec // not negative
		}
	}
	closeBin(out, at)
	out, at = openBin(out)
	if slices.Contains(a.Apportioned, true) {
		out = append(out, make([]byte, bitBytes(a.Len()))...)
		for i, is := range a.Apportioned {
			if is {
				out[at+i/8] |= 1 << (i % 8)
			}
		}
	}
	closeBin(out, at)
	out, at = openBin(out)
	next := 0
	for _, i := range slices.Sorted(maps.Keys(a.Reasons)) {
		text := cutReason(a.Reasons[i])
		if text == "" {
			continue
		}
		out = appendUvarint(out, uint64(i-next)) //nolint:gosec // ascending
		out = appendUvarint(out, uint64(len(text)))
		out = append(out, text...)
		next = i + 1
	}
	closeBin(out, at)
	return out
}

func bitBytes(n int) int { return (n + 7) / 8 }

// cutReason keeps no half of a letter.
func cutReason(s string) string {
	if len(s) <= MaxReason {
		return s
	}
	end := MaxReason
	for end > MaxReason-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// reason is why one answer is missing.
type reason struct {
	at   int
	text []byte
}

// decodeSparse takes in the three columns; an empty one says nothing.
func (c *chunk) decodeSparse(shared, apportioned, reasons []byte) error {
	n := len(c.agents)
	c.shared, c.apportioned, c.reasons = c.shared[:0], nil, c.reasons[:0]
	if len(shared) > 0 {
		c.shared = slices.Grow(c.shared, n)[:n]
		v := varints{buf: shared}
		for i := range c.shared {
			c.shared[i] = int32(int64(v.uint(math.MaxInt32+1)) - 1) //nolint:gosec // limited
		}
		if v.bad || len(v.buf) > 0 {
			return fmt.Errorf("%w: the column of shared calls does not fit its answers", ErrDamaged)
		}
	}
	if len(apportioned) > 0 {
		if len(apportioned) != bitBytes(n) || n%8 != 0 && apportioned[len(apportioned)-1]>>(n%8) != 0 {
			return fmt.Errorf("%w: the column of apportioned tokens does not fit its answers", ErrDamaged)
		}
		c.apportioned = apportioned
	}
	v := varints{buf: reasons}
	for next := 0; len(v.buf) > 0; {
		at, size := next+v.int(), v.int()
		if v.bad || at >= n || size < 1 || size > min(MaxReason, len(v.buf)) {
			return fmt.Errorf("%w: the column of reasons does not fit its answers", ErrDamaged)
		}
		c.reasons = append(c.reasons, reason{at, v.buf[:size:size]})
		v.buf = v.buf[size:]
		next = at + 1
	}
	return nil
}

// sparse hands the columns over to a. Those that say nothing are nil.
func (c *chunk) sparse(a *Answers, n int) {
	if anyShared(c.shared) {
		a.Shared = slices.Clone(c.shared)
	}
	if slices.ContainsFunc(c.apportioned, func(bits byte) bool { return bits != 0 }) {
		a.Apportioned = make([]bool, n)
		for i := range a.Apportioned {
			a.Apportioned[i] = c.apportioned[i/8]>>(i%8)&1 == 1
		}
	}
	if len(c.reasons) > 0 {
		a.Reasons = make(map[int]string, len(c.reasons))
		for _, r := range c.reasons {
			a.Reasons[r.at] = string(r.text)
		}
	}
}
