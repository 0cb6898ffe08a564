package report

import (
	"fmt"
	"slices"
	"strings"
)

// trendPlot shows mean, spread and target of a number question over the rounds.
type trendPlot struct {
	ID                string
	W, H              float64
	Box               box
	Alt               string
	XTicks, YTicks    []mark
	Band, Lows, Highs string // points of polygons and lines
	Mean, Target      string
	Points            []mark
	HasTarget         bool
}

// newTrendPlot returns nil with fewer than two rounds that have a mean: one point is no trend.
func newTrendPlot(id string, s Summary, q Question) *trendPlot {
	var rounds []int
	lo, hi, started := 0.0, 0.0, false
	include := func(v *float64) {
		if v == nil {
			return
		}
		if !started {
			lo, hi, started = *v, *v, true
		}
		lo, hi = min(lo, *v), max(hi, *v)
	}
	for i, r := range s.Rounds {
		o := r.Questions[q.ID]
		if o.Mean == nil {
			continue
		}
		rounds = append(rounds, i)
		include(o.Min)
		include(o.Max)
		include(o.Target)
	}
	if len(rounds) < 2 {
		return nil
	}
	p := &trendPlot{ID: id, W: wideChart, H: 320}
	p.Box = box{Left: 48, Top: 14, Right: p.W - 8, Bottom: p.H - 30}
	if lo == hi {
		lo, hi = lo-1, hi+1
	}
	ticks, step := niceTicks(lo, hi, 5)
	if top := ticks[len(ticks)-1]; top < hi-step*1e-9 { // end on a grid line
		ticks = append(ticks, top+step)
	}
	lo, hi = min(lo, ticks[0]), max(hi, ticks[len(ticks)-1])
	y := func(v float64) float64 { return at(p.Box.Bottom - (v-lo)/(hi-lo)*(p.Box.Bottom-p.Box.Top)) }
	first, last := s.Rounds[rounds[0]].Round, s.Rounds[rounds[len(rounds)-1]].Round
	x := func(round int) float64 {
		return at(p.Box.Left + 30 + float64(round-first)/float64(last-first)*(p.Box.Right-p.Box.Left-60))
	}
	for _, t := range ticks {
		p.YTicks = append(p.YTicks, mark{Y: y(t), Label: short(t, tickDigits(step))})
	}
	xTicks, _ := niceTicks(float64(first), float64(last), min(12, last-first))
	for _, t := range xTicks {
		if t == float64(int(t)) {
			p.XTicks = append(p.XTicks, mark{X: x(int(t)), Label: fmt.Sprint(int(t))})
		}
	}
	digits := figureDigits(s, q)
	var upper, lower, mean, target, lows, highs []string
	point := func(round int, v float64) string { return fmt.Sprintf("%g,%g", x(round), y(v)) }
	for _, i := range rounds {
		r := s.Rounds[i]
		o := r.Questions[q.ID]
		mean = append(mean, point(r.Round, *o.Mean))
		lows, highs = append(lows, point(r.Round, *o.Min)), append(highs, point(r.Round, *o.Max))
		spread := 0.0
		if o.Std != nil {
			spread = *o.Std
		}
		// No answer lies beyond the extremes, so the band does not either.
		upper = append(upper, point(r.Round, min(*o.Max, *o.Mean+spread)))
		lower = append(lower, point(r.Round, max(*o.Min, *o.Mean-spread)))
		if o.Target != nil {
			target = append(target, point(r.Round, *o.Target))
		}
		m := mark{X: x(r.Round), Y: y(*o.Mean), Tip: fmt.Sprintf("Round %d: mean %s, standard deviation %s, range %s to %s", r.Round,
			number(*o.Mean, digits), fixed(o.Std, digits), number(*o.Min, digits), number(*o.Max, digits))}
		if len(rounds) <= 12 {
			m.Label = number(*o.Mean, digits)
		}
		p.Points = append(p.Points, m)
	}
	for _, l := range slices.Backward(lower) {
		upper = append(upper, l)
	}
	p.Band, p.Mean, p.Target = strings.Join(upper, " "), strings.Join(mean, " "), strings.Join(target, " ")
	p.Lows, p.Highs = strings.Join(lows, " "), strings.Join(highs, " ")
	p.HasTarget = len(target) > 0
	p.Alt = fmt.Sprintf("Mean of %s by round: %s in round %d, %s in round %d", q.ID, number(*s.Rounds[rounds[0]].Questions[q.ID].Mean, digits), first,
		number(*s.Rounds[rounds[len(rounds)-1]].Questions[q.ID].Mean, digits), last)
	return p
}
