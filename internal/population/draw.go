package population

import (
	"context"
	"fmt"
)

// drawBlock is how many agents are drawn between two looks at the context.
const drawBlock = 1 << 16

// Draw draws a population. Progress may be nil; else it is called from the same goroutine now and then, and at the end
// with done equal to total. Errors: ErrSpec, or the cause of ctx's end.
func Draw(ctx context.Context, s Spec, progress func(done, total int)) (*Population, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	p := newPopulation(s.normal())
	total := s.Size * len(p.columns)
	done := 0
	for i := range p.columns {
		d := newDeal(p.spec, p.spec.Distributions[i])
		for lo := 0; lo < s.Size; lo += drawBlock {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("population: draw: %w", context.Cause(ctx))
			}
			hi := min(lo+drawBlock, s.Size)
			p.columns[i].fill(&d, lo, hi)
			done += hi - lo
			if progress != nil {
				progress(done, total)
			}
		}
	}
	return p, nil
}
