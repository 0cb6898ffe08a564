package scenario

import (
	"math/big"
	"slices"

	"github.com/myriad-sim/myriad/internal/expression"
)

func (r *resolver) blocks() {
	doc := &r.doc.Agents
	counts := r.blockCounts()
	first := 0
	for i, row := range doc.rows {
		b := row.value
		out := Block{Name: row.key.text, First: first, Model: b.Model.v, System: r.template(b.System)}
		if counts != nil {
			out.Count = counts[i]
		}
		first += out.Count
		r.s.Blocks = append(r.s.Blocks, out)
		if !b.Model.set() {
			continue
		}
		if m := r.s.Model(b.Model.v); m != nil {
			r.plays(b.Model.at, m)
		} else {
			r.suggest(b.Model.at, expression.Nearest(b.Model.v, r.doc.Models.names()), "there is no model %q", clipped(b.Model.v))
		}
	}
}

// blockCounts gives the number of agents of each block; nil after a problem.
func (r *resolver) blockCounts() []int {
	rows := r.doc.Agents.rows
	size := r.s.Population.Size
	counted, shared := 0, 0
	for _, row := range rows {
		if row.value.Count.set() {
			counted++
		}
		if row.value.Share.set() {
			shared++
		}
		if row.value.Count.set() && row.value.Share.set() {
			r.at(row.value.Share.at, "a block has a count or a share, not both")
			return nil
		}
	}
	switch {
	case size == 0 || len(rows) == 0:
		return nil
	case len(rows) == 1 && counted == 0 && shared == 0:
		return []int{size}
	case counted == len(rows):
		return r.byCount(size)
	case shared == len(rows):
		return r.byShare(size)
	}
	i := slices.IndexFunc(rows, func(row row[blockDoc]) bool {
		return !row.value.Share.set() && (counted == 0 || !row.value.Count.set()) || counted > 0 && row.value.Share.set()
	})
	r.at(rows[i].key, "give every block a count, or every block a share")
	return nil
}

func (r *resolver) byCount(size int) []int {
	counts := make([]int, len(r.doc.Agents.rows))
	sum := 0
	for i, row := range r.doc.Agents.rows {
		counts[i] = row.value.Count.integer(0)
		sum += counts[i]
	}
	if sum == size {
		return counts
	}
	at := r.doc.Agents.rows[0].value.Count.at
	if from := r.doc.Population.Size.at; from.flag != "" {
		at = from
	}
	r.at(at, "the blocks' counts sum to %d, but population.size is %d; use share instead of count to let blocks scale", sum, size)
	return nil
}

func (r *resolver) byShare(size int) []int {
	rows := r.doc.Agents.rows
	sum := new(big.Rat)
	shares := make([]*big.Rat, len(rows))
	for i, row := range rows {
		shares[i] = row.value.Share.v
		sum.Add(sum, shares[i])
	}
	if !nearOne(sum) {
		r.at(rows[0].value.Share.at, "the blocks' shares must sum to 1; they sum to %s", decimal(sum))
		return nil
	}
	return largestRemainder(size, shares, sum)
}

// largestRemainder divides size into whole counts in proportion to shares, which sum to sum. Every count is its exact
// quota rounded down, and the largest fractions, ties in order, get one more, until the counts sum to size.
func largestRemainder(size int, shares []*big.Rat, sum *big.Rat) []int {
	counts := make([]int, len(shares))
	rest := make([]*big.Rat, len(shares))
	order := make([]int, len(shares))
	left := size
	for i, share := range shares {
		quota := new(big.Rat).Mul(share, new(big.Rat).SetInt64(int64(size)))
		quota.Quo(quota, sum)
		floor := new(big.Int).Quo(quota.Num(), quota.Denom())
		counts[i] = int(floor.Int64())
		rest[i] = quota.Sub(quota, new(big.Rat).SetInt(floor))
		order[i] = i
		left -= counts[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return rest[b].Cmp(rest[a]) })
	for _, i := range order[:left] {
		counts[i]++
	}
	return counts
}
