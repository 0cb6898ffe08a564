package report

import (
	"fmt"
	"slices"
)

// questionView is what the page shows of a question.
type questionView struct {
	ID       string
	Kind     string
	Ask      string
	Headline string
	Trend    *trendPlot
	Plots    []histPlot
	PlotNote string
	Stack    *stackPlot
	Table    sheet
}

// mostPlots is the largest number of rounds drawn as histograms.
const mostPlots = 12

func newQuestionView(d Data, q Question, at int) questionView {
	s := d.Summary
	v := questionView{ID: q.ID, Kind: describe(q), Ask: q.Ask}
	id := fmt.Sprintf("q%d", at)
	g := grid{key: roundColumn(s)}
	switch q.Type {
	case TypeNumber:
		v.Headline = headline(s, q)
		v.Trend = newTrendPlot(id+"-trend", s, q)
		v.setPlots(d, q, id)
		g.groups = append(g.groups, figureColumns(s, q))
	case TypeLikert:
		v.Headline = headline(s, q)
		v.Stack = newStackPlot(id+"-shares", s, q)
		g.groups = append(g.groups, shareColumns(s, q), figureColumns(s, q))
	case TypeChoice:
		v.Stack = newStackPlot(id+"-shares", s, q)
		g.groups = append(g.groups, shareColumns(s, q))
	}
	g.groups = append(g.groups, winnerColumns(s, q), statusColumns(s, q))
	v.Table = g.sheet("Figures of " + q.ID + " by round")
	return v
}

func (v *questionView) setPlots(d Data, q Question, id string) {
	rounds := d.Summary.Rounds
	var drawn []int
	for i, r := range rounds {
		if len(d.histogram(i, q.ID).Counts) > 0 && r.Questions[q.ID].Valid > 0 {
			drawn = append(drawn, i)
		}
	}
	shown := sample(drawn, mostPlots)
	for _, i := range shown {
		v.Plots = append(v.Plots, newHistPlot(fmt.Sprintf("%s-r%d", id, rounds[i].Round), rounds[i], rounds[i].Questions[q.ID], d.histogram(i, q.ID), len(shown) == 1))
	}
	if len(shown) > 1 {
		v.PlotNote = "Share of answers; each round has its own vertical scale."
	}
	if len(shown) < len(drawn) {
		v.PlotNote += fmt.Sprintf(" %d of %d rounds are shown.", len(shown), len(drawn))
	}
}

// headline says where the mean went.
func headline(s Summary, q Question) string {
	var first, last *Round
	for i, r := range s.Rounds {
		if r.Questions[q.ID].Mean != nil {
			if first == nil {
				first = &s.Rounds[i]
			}
			last = &s.Rounds[i]
		}
	}
	if first == nil {
		return ""
	}
	digits := figureDigits(s, q)
	from, to := *first.Questions[q.ID].Mean, *last.Questions[q.ID].Mean
	if first == last {
		return fmt.Sprintf("The mean answer is %s.", number(from, digits))
	}
	verb := "fell"
	if to > from {
		verb = "rose"
	}
	if number(from, digits) == number(to, digits) {
		return fmt.Sprintf("The mean answer is %s in round %d and in round %d.", number(from, digits), first.Round, last.Round)
	}
	return fmt.Sprintf("The mean answer %s from %s in round %d to %s in round %d.", verb, number(from, digits), first.Round, number(to, digits), last.Round)
}

// statusColumns are the valid answers and whatever other statuses occur.
func statusColumns(s Summary, q Question) []column {
	out := []column{outcomes(s, q, "Valid", styleNone, func(o Outcome) string { return count(o.Valid) })}
	for _, c := range []struct {
		head string
		of   func(Outcome) int
	}{
		{"Extracted", func(o Outcome) int { return o.Extracted }}, {"Repaired", func(o Outcome) int { return o.Repaired }},
		{"Refused", func(o Outcome) int { return o.Refused }}, {"Fallback", func(o Outcome) int { return o.Fallback }},
		{"Missing", func(o Outcome) int { return o.Missing }},
	} {
		if slices.ContainsFunc(s.Rounds, func(r Round) bool { return c.of(r.Questions[q.ID]) > 0 }) {
			out = append(out, outcomes(s, q, c.head, styleNone, func(o Outcome) string { return count(c.of(o)) }))
		}
	}
	return out
}
