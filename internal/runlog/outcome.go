package runlog

import (
	"fmt"
	"math"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// histogramBins is the number of bins of a number question's histogram.
const histogramBins = 50

// Close returns the closed record of the open round. It returns ErrOrder if the round is not complete or the fold does
// not keep all answers and their digest. Called again for the same opening, as by who could not append the record, it does
// not compute the figures again.
func (f *Fold) Close() (Closed, error) {
	if f.digest == nil || !f.Complete() {
		return Closed{}, fmt.Errorf("%w: round %d is not complete", ErrOrder, f.Round)
	}
	c := f.totals
	c.UptoSeq = f.last
	c.Root = f.digest.root()
	c.Chain = digestChain(f.Chain, c.Root)
	c.Asked, c.Duplicates = f.Asked-f.told.Asked, f.Duplicates-f.told.Duplicates
	if f.figures == nil {
		for i := range f.Scenario.Turn {
			f.figures = append(f.figures, f.outcome(&f.Scenario.Turn[i], f.columns[i]))
		}
	}
	c.Questions = f.figures
	return c, nil
}

func (f *Fold) outcome(q *scenario.Question, col *stats.Column) Question {
	out := Question{ID: q.ID}
	switch q.Answer.Type {
	case scenario.TypeNumber:
		out.Summary = col.Summarise()
		out.Lo, out.Hi = f.span(q.Answer, out.Summary)
		out.Counts = col.Histogram(histogramBins, out.Lo, out.Hi)
	case scenario.TypeLikert:
		out.Summary = col.Summarise()
		out.Lo, out.Hi = 1, float64(q.Answer.Points)
		out.Counts = countValues(col, 1, q.Answer.Points)
	case scenario.TypeChoice:
		out.Summary = col.Counts()
		out.Counts = countValues(col, 0, len(q.Answer.Choices))
	default:
		out.Summary = col.Counts()
	}
	return out
}

// span is the range of a histogram: the bounds of the question, as far as it has any, and all answers there are.
func (f *Fold) span(spec scenario.AnswerSpec, s stats.Summary) (lo, hi float64) {
	env := expression.Env{Vars: f.Scenario.Vars, World: f.Opened.World, Previous: f.Opened.Previous, Round: f.Round, Size: f.Created.Agents}
	lo, hi = math.Inf(1), math.Inf(-1)
	if s.HasNumbers {
		lo, hi = s.Min, s.Max
	}
	for _, bound := range []*expression.Program{spec.Min, spec.Max} {
		if bound == nil {
			continue
		}
		if b, err := bound.Number(env); err == nil { // one that cannot be computed has stopped the hosts before
			lo, hi = min(lo, b), max(hi, b)
		}
	}
	if lo > hi {
		return 0, 0
	}
	return lo, hi
}

func countValues(col *stats.Column, first, n int) []int {
	counts := make([]int, n)
	for i, s := range col.Status {
		if at := int(col.Values[i]) - first; s.Valid() && at >= 0 && at < n {
			counts[at]++
		}
	}
	return counts
}
