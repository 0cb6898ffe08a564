package stats

import (
	"math"
	"math/bits"
)

// tally counts the valid answers of a column by their value rounded to modeDecimals. Where answers are many and near each
// other, as those to one question are, that gives mode and median in two passes, where sorting takes many.
type tally struct {
	step    int64  // of rounding, in canonical units
	inverse uint64 // 2^64/step, rounded up; 0 for a step of 1
	first   int64  // rounded value that counts[0] is of
	counts  []int32
	n       int // answers counted
}

const (
	tallyWorth = 4096    // below it sorting is as fast
	tallyDense = 4       // answers to a place of the table at least, or walking it takes longer than filling it
	tallyReach = 1 << 39 // for values up to here and steps up to 2^24 multiplying by the inverse is exact division
)

// newTally returns a tally for n answers from smallest to greatest, nil where sorting is better.
func newTally(decimals, n int, smallest, greatest int64) *tally {
	if n < tallyWorth || n > 1<<31-1 || smallest < -tallyReach || greatest > tallyReach {
		return nil
	}
	t := &tally{step: modeStep(decimals)}
	if t.step > 1 {
		t.inverse = math.MaxUint64/uint64(t.step) + 1 //nolint:gosec // positive
	}
	t.first = roundTo(smallest, t.step)
	size := roundTo(greatest, t.step) - t.first + 1
	if size > int64(n/tallyDense) {
		return nil
	}
	t.counts = make([]int32, size)
	return t
}

// add counts valid answers, which must be in the range of the tally.
func (t *tally) add(status []Status, values []int64) {
	for i, s := range status {
		if s.Valid() {
			t.counts[t.round(values[i])-t.first]++
			t.n++
		}
	}
}

// round is roundTo(v, t.step) without its division, which would take longer than all the rest.
func (t *tally) round(v int64) int64 {
	if t.inverse == 0 {
		return v
	}
	sign := v >> 63
	q, _ := bits.Mul64(uint64((v^sign)-sign+t.step/2), t.inverse) //nolint:gosec // an absolute value
	return (int64(q) ^ sign) - sign                               //nolint:gosec // below 2^39
}

// mode is the most frequent rounded value, the lowest of several; nil if nothing repeats.
func (t *tally) mode(decimals int) *float64 {
	best := 0
	for i, n := range t.counts {
		if n > t.counts[best] {
			best = i
		}
	}
	if t.counts[best] < 2 {
		return nil
	}
	out := Float(t.first+int64(best), min(decimals, modeDecimals))
	return &out
}

// median is the middle of the values of c, which must be the column that was counted.
func (t *tally) median(c *Column) float64 {
	low, high := (t.n-1)/2, t.n/2
	// The middle two are among those that round as they do; before counts those below.
	before, from := 0, 0
	for before+int(t.counts[from]) <= low {
		before += int(t.counts[from])
		from++
	}
	to, upto := from, before+int(t.counts[from])
	for upto <= high {
		to++
		upto += int(t.counts[to])
	}
	if t.step == 1 {
		return middle(t.first+int64(from), t.first+int64(to), c.Decimals)
	}
	lo, _ := rounds(t.first+int64(from), t.step)
	_, hi := rounds(t.first+int64(to), t.step)
	near := make([]int64, 0, upto-before)
	for i, v := range c.Values {
		if uint64(v-lo) <= uint64(hi-lo) && c.Status[i].Valid() { //nolint:gosec // what is below lo wraps and is too large
			near = append(near, v)
		}
	}
	near = sortInts(near)
	return middle(near[low-before], near[high-before], c.Decimals)
}

// rounds are the smallest and the greatest value that roundTo(v, step) makes r, for a step that is even. Half is rounded
// away from zero: it belongs to r above zero only at the lower end, below only at the upper.
func rounds(r, step int64) (lo, hi int64) {
	lo, hi = r*step-step/2, r*step+step/2
	if r <= 0 {
		lo++
	}
	if r >= 0 {
		hi--
	}
	return lo, hi
}
