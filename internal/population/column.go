package population

import (
	"encoding/binary"
	"sort"

	"github.com/myriad-sim/myriad/internal/rng"
)

// narrowMax is the number of categories that fit one byte an agent.
const narrowMax = 256

// width is the number of bytes an agent takes in a column.
func width(categories int) int {
	if categories <= narrowMax {
		return 1
	}
	return 2
}

// column holds the category of every agent in one distribution.
type column struct {
	narrow []uint8  // nil where the distribution needs wide
	wide   []uint16 // nil where it does not
}

func newColumn(categories, agents int) column {
	if width(categories) == 1 {
		return column{narrow: make([]uint8, agents)}
	}
	return column{wide: make([]uint16, agents)}
}

func (c *column) at(agent int) int {
	if c.narrow != nil {
		return int(c.narrow[agent])
	}
	return int(c.wide[agent])
}

// deal is the keyed order in which the agents of a distribution take their places. The places are sorted by category.
type deal struct {
	order rng.Perm
	ends  []uint64 // the first place behind each category
}

func newDeal(s Spec, d Dist) deal {
	ends := make([]uint64, len(d.Categories))
	var end uint64
	for i, n := range counts(d.Proportions, s.Size) {
		end += uint64(n)
		ends[i] = end
	}
	return deal{order: rng.NewKey(s.Seed, "population/"+d.Name).Perm(uint64(s.Size)), ends: ends}
}

// category is that of one agent.
func (d *deal) category(agent int) int {
	place := d.order.At(uint64(agent))
	if len(d.ends) <= 8 {
		i := 0
		for place >= d.ends[i] {
			i++
		}
		return i
	}
	return sort.Search(len(d.ends), func(i int) bool { return place < d.ends[i] })
}

// fill gives the agents from lo to hi-1 their categories.
func (c *column) fill(d *deal, lo, hi int) {
	if c.narrow != nil {
		for i := lo; i < hi; i++ {
			c.narrow[i] = uint8(d.category(i)) //nolint:gosec // narrow columns have at most 256 categories
		}
		return
	}
	for i := lo; i < hi; i++ {
		c.wide[i] = uint16(d.category(i)) //nolint:gosec // checked by Spec.Validate
	}
}

// tally counts the agents of each category. Agents outside the categories are not counted.
func (c *column) tally(categories int) []int {
	if c.narrow != nil {
		var n [narrowMax]int
		for _, v := range c.narrow {
			n[v]++
		}
		return append([]int(nil), n[:categories]...)
	}
	n := make([]int, categories)
	for _, v := range c.wide {
		if int(v) < categories {
			n[v]++
		}
	}
	return n
}

func (c *column) append(b []byte) []byte {
	if c.narrow != nil {
		return append(b, c.narrow...)
	}
	for _, v := range c.wide {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

// read fills the column from its encoded form, which must have its exact length.
func (c *column) read(b []byte) {
	if c.narrow != nil {
		copy(c.narrow, b)
		return
	}
	for i := range c.wide {
		c.wide[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
}
