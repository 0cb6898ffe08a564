package stats

import "math"

// Histogram counts the valid answers in n bins of equal width over [lo, hi]. A value on an edge belongs to the bin above,
// hi itself to the last bin. Edges are exact: lo and hi are rounded to the column's decimals and compared as integers.
// Values outside are not counted; if lo equals hi all that equal it are in the first bin. It returns nil if n is
// not positive, hi < lo, or a bound has no canonical value.
func (c *Column) Histogram(n int, lo, hi float64) []int {
	b := newBins(c.Decimals, n, lo, hi)
	if b == nil {
		return nil
	}
	b.add(c.Status, c.Values)
	return b.counts
}

// MaxWinners is the largest number of agents Winners names.
const MaxWinners = 10

// Winners says which answers came closest to a target.
type Winners struct {
	Nearest int   // valid answers that tie for the smallest distance to the target
	Agents  []int // the first of them in agent order, at most MaxWinners
	Within  int   // valid answers at most `within` away, bounds included
}

// Winners finds the answers nearest to target and counts those within a distance of it. Target and distance are rounded
// to MaxDecimals decimals and compared as integers, so 22 and 23 tie for a target of 22.5 even if the expression that
// computed it is off in the sixteenth digit. A negative or NaN within counts nothing; a target that is not finite has
// no winners.
func (c *Column) Winners(target, within float64) Winners {
	if math.IsNaN(target) || math.IsInf(target, 0) {
		return Winners{}
	}
	w := Winners{}
	g := newGoal(target, c.Decimals)
	// The nearest answers are the greatest not above the target, the smallest above it, or both.
	below, above := int64(0), int64(0)
	hasBelow, hasAbove := false, false
	for i, s := range c.Status {
		if v := c.Values[i]; !s.Valid() {
			continue
		} else if v <= g.floor {
			if !hasBelow || v > below {
				below, hasBelow = v, true
			}
		} else if !hasAbove || v < above {
			above, hasAbove = v, true
		}
	}
	if hasBelow && hasAbove {
		closer := g.compare(below, above)
		hasBelow, hasAbove = closer <= 0, closer >= 0
	}
	from, to, reachable := g.reach(within)
	for i, s := range c.Status {
		if !s.Valid() {
			continue
		}
		v := c.Values[i]
		if hasBelow && v == below || hasAbove && v == above {
			w.Nearest++
			if len(w.Agents) < MaxWinners {
				w.Agents = append(w.Agents, i)
			}
		}
		if reachable && v >= from && v <= to {
			w.Within++
		}
	}
	return w
}
