package stats

import "math/bits"

// Running gathers the figures of a column while its answers come in, so that nothing is left to be done when the last is
// there. Answers are added block by block, in any order, each once. It is used by one goroutine.
//
// It is told beforehand between which bounds answers are to be expected. They decide what is quick, never what comes out:
// a value outside makes it look at the whole column again in the end.
type Running struct {
	decimals int
	by       [Missing + 1]int
	m        moments
	t        *tally // nil where sorting is better
	h        *bins  // nil where no bounds are known
}

// NewRunning expects about so many answers from lo to hi, which are not finite where they are not known, and counts those
// in bins of equal width between them, see Column.Histogram.
func NewRunning(decimals, answers, bins int, lo, hi float64) *Running {
	r := &Running{decimals: decimals, h: newBins(decimals, bins, lo, hi)}
	if r.h != nil {
		r.t = newTally(decimals, answers, r.h.first, r.h.last)
	}
	return r
}

// Add adds a block of answers.
func (r *Running) Add(status []Status, values []int64) {
	countStatus(&r.by, status)
	m := momentsOf(status, values)
	if m.n == 0 {
		return
	}
	r.m.add(&m)
	if r.h == nil {
		return
	}
	if m.smallest < r.h.first || m.greatest > r.h.last {
		r.h, r.t = nil, nil
		return
	}
	r.h.add(status, values)
	if r.t != nil {
		r.t.add(status, values)
	}
}

// Counts are those of Column.Counts.
func (r *Running) Counts() Summary { return counted(&r.by) }

// Summary is that of Column.Summarise; c is the column whose answers were added, all of them.
func (r *Running) Summary(c *Column) Summary {
	s := r.Counts()
	if r.m.n == 0 {
		return s
	}
	s.HasNumbers = true
	s.Mean = r.m.mean(r.decimals)
	s.Min, s.Max = Float(r.m.smallest, r.decimals), Float(r.m.greatest, r.decimals)
	if r.m.n > 1 {
		s.Std = r.m.std(r.decimals)
	}
	t := r.t
	if t == nil {
		if t = newTally(r.decimals, r.m.n, r.m.smallest, r.m.greatest); t != nil {
			t.add(c.Status, c.Values)
		}
	}
	if t != nil {
		s.Median, s.Mode = t.median(c), t.mode(r.decimals)
	} else {
		sorted := c.sorted()
		s.Median, s.Mode = median(sorted, r.decimals), mode(sorted, r.decimals)
	}
	return s
}

// Histogram is that of Column.Histogram for the same bins and bounds.
func (r *Running) Histogram(c *Column, n int, lo, hi float64) []int {
	first, last, ok := canonicalBounds(r.decimals, lo, hi)
	if r.h != nil && ok && len(r.h.counts) == n && first == r.h.first && last == r.h.last {
		return r.h.counts
	}
	return c.Histogram(n, lo, hi)
}

// bins count values from first to last.
type bins struct {
	first, last int64
	counts      []int
}

// newBins returns n bins, nil if there are none between the bounds.
func newBins(decimals, n int, lo, hi float64) *bins {
	first, last, ok := canonicalBounds(decimals, lo, hi)
	if n < 1 || !ok {
		return nil
	}
	return &bins{first, last, make([]int, n)}
}

func canonicalBounds(decimals int, lo, hi float64) (first, last int64, ok bool) {
	first, errLo := Canonical(lo, decimals)
	last, errHi := Canonical(hi, decimals)
	return first, last, errLo == nil && errHi == nil && first <= last
}

// add counts the valid answers between the bounds. A value on an edge belongs to the bin above, the last to the last bin;
// with no width all are in the first.
func (b *bins) add(status []Status, values []int64) {
	width, n := uint64(b.last)-uint64(b.first), uint64(len(b.counts)) //nolint:gosec // wraps to the distance
	for i, s := range status {
		v := values[i]
		if !s.Valid() || v < b.first || v > b.last {
			continue
		}
		at := uint64(0)
		if width > 0 {
			high, low := bits.Mul64(uint64(v)-uint64(b.first), n) //nolint:gosec // a distance
			at, _ = bits.Div64(high, low, width)
		}
		b.counts[min(at, n-1)]++
	}
}
