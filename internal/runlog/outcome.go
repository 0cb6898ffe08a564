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
	if f.digest == nil || f.skims || !f.Complete() {
		return Closed{}, fmt.Errorf("%w: round %d is not complete", ErrOrder, f.Round)
	}
	c := f.totals
	c.UptoSeq = f.last
	c.Root = f.digest.root()
	c.Chain = digestChain(f.Chain, c.Root)
	c.Asked, c.Duplicates, c.Damaged = f.Asked-f.told.Asked, f.Duplicates-f.told.Duplicates, f.damaged-f.told.Damaged
	c.Counted = f.Seq
	if f.figures == nil {
		for i := range f.Scenario.Turn {
			f.figures = append(f.figures, f.outcome(i))
		}
	}
	c.Questions = f.figures
	return c, nil
}

// expect begins with the figures of the round that was just opened.
func (f *Fold) expect() {
	f.running = f.running[:0]
	n := f.Created.Agents
	for i := range f.Scenario.Turn {
		a := &f.Scenario.Turn[i].Answer
		first, bins := categories(a)
		lo, hi, decimals := float64(first), float64(first+bins-1), 0
		if a.Type == scenario.TypeNumber {
			lo, hi, decimals, bins = math.Inf(-1), math.Inf(1), a.Decimals, histogramBins
			if a.Min != nil && a.Max != nil {
				lo, hi = f.widened(a, math.Inf(1), math.Inf(-1))
			}
		}
		f.running = append(f.running, stats.NewRunning(decimals, n, bins, lo, hi))
	}
}

// categories are the values that an answer to a question of choices or points can have.
func categories(a *scenario.AnswerSpec) (first, n int) {
	switch a.Type {
	case scenario.TypeLikert:
		return 1, a.Points
	case scenario.TypeChoice:
		return 0, len(a.Choices)
	}
	return 0, 0
}

// count takes a block of agents whose last answer is there into the figures.
func (f *Fold) count(first, end int) {
	for i, c := range f.columns {
		f.running[i].Add(c.Status[first:end], c.Values[first:end])
	}
}

// outcome is that of question i of the open round, which is complete.
func (f *Fold) outcome(i int) Question {
	q, col, r := &f.Scenario.Turn[i], f.columns[i], f.running[i]
	out := Question{ID: q.ID}
	switch q.Answer.Type {
	case scenario.TypeNumber:
		out.Summary = r.Summary(col)
		out.Lo, out.Hi = f.span(&q.Answer, out.Summary)
		out.Counts = r.Histogram(col, histogramBins, out.Lo, out.Hi)
	case scenario.TypeLikert:
		out.Summary = r.Summary(col)
		out.Lo, out.Hi = 1, float64(q.Answer.Points)
		out.Counts = r.Histogram(col, q.Answer.Points, out.Lo, out.Hi)
	case scenario.TypeChoice:
		out.Summary = r.Counts()
		out.Counts = r.Histogram(col, len(q.Answer.Choices), 0, float64(len(q.Answer.Choices)-1))
	default:
		out.Summary = r.Counts()
	}
	return out
}

// span is the range of a histogram: the bounds of the question, as far as it has any, and all answers there are.
func (f *Fold) span(spec *scenario.AnswerSpec, s stats.Summary) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	if s.HasNumbers {
		lo, hi = s.Min, s.Max
	}
	if lo, hi = f.widened(spec, lo, hi); lo > hi {
		return 0, 0
	}
	return lo, hi
}

// widened is a range with the bounds of a question in it.
func (f *Fold) widened(spec *scenario.AnswerSpec, lo, hi float64) (float64, float64) {
	env := expression.Env{Vars: f.Scenario.Vars, World: f.Opened.World, Previous: f.Opened.Previous, Round: f.Round, Size: f.Created.Agents}
	for _, bound := range []*expression.Program{spec.Min, spec.Max} {
		if bound == nil {
			continue
		}
		if b, err := bound.Number(env); err == nil { // one that cannot be computed has stopped the hosts before
			lo, hi = min(lo, b), max(hi, b)
		}
	}
	return lo, hi
}
