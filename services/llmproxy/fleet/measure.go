package fleet

import (
	"math"
	"slices"

	"github.com/myriad-sim/myriad/internal/usage"
)

// measure notes the length of each call, and the order in which calls of similar length are next to each other: the
// prompts of a batch are worked on together. It is called before the fleet's lock is taken.
func (j *job) measure() {
	j.upper = make([]uint32, j.Len)
	least, most := uint32(math.MaxUint32), uint32(0)
	for i := range j.upper {
		bytes, messages := j.Bytes(i)
		if j.System != "" {
			bytes, messages = bytes+len(j.System), messages+1
		}
		n := uint32(min(usage.Upper(bytes, messages, 0), math.MaxUint32))
		j.upper[i] = n
		least, most = min(least, n), max(most, n)
	}
	if most/5*4 <= least {
		return // alike
	}
	j.order = make([]uint32, j.Len)
	for i := range j.order {
		j.order[i] = uint32(i)
	}
	slices.SortStableFunc(j.order, func(a, b uint32) int { return int(j.upper[a]) - int(j.upper[b]) })
}
