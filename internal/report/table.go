package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// MinWidth is the least number of terminal cells a table is laid out for.
const MinWidth = 40

// Table writes the figures of every round for a terminal of so many cells, a block for each question and one for the
// effort, or a single block if there is one question and all fits. With color it uses ANSI styles.
func Table(w io.Writer, s Summary, width int, color bool) error {
	width = max(width, MinWidth)
	var b strings.Builder
	if len(s.Rounds) == 0 {
		b.WriteString("No round was completed.\n")
	}
	effort := effortColumns(s)
	for i, q := range s.Questions {
		if len(s.Rounds) == 0 {
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		if len(s.Questions) > 1 {
			b.WriteString(paint(clean(q.ID), styleBold, color) + paint(" · "+describe(q), styleDim, color) + "\n")
		}
		g := questionGrid(s, q, width)
		if len(s.Questions) == 1 && g.key.head == roundHead {
			g.groups = append(g.groups, effort)
		}
		if err := g.write(&b, width, color); err != nil {
			return err
		}
		for _, line := range remarks(s, q) {
			b.WriteString(paint(line, styleDim, color) + "\n")
		}
		if len(s.Questions) == 1 && g.key.head != roundHead {
			b.WriteByte('\n')
			if err := (grid{key: roundColumn(s), groups: [][]column{effort}}).write(&b, width, color); err != nil {
				return err
			}
		}
	}
	if len(s.Questions) > 1 && len(s.Rounds) > 0 {
		b.WriteByte('\n')
		b.WriteString(paint("effort", styleBold, color) + "\n")
		if err := (grid{key: roundColumn(s), groups: [][]column{effort}}).write(&b, width, color); err != nil {
			return err
		}
	}
	if from := s.Inherited(); from != "" {
		b.WriteString(paint(from, styleDim, color) + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("report: write table: %w", err)
	}
	return nil
}

const roundHead = "Round"

// describe says in a few words what kind of answers a question takes.
func describe(q Question) string {
	switch q.Type {
	case TypeLikert:
		return fmt.Sprintf("likert 1 to %d", q.Points)
	case TypeChoice:
		return plural(len(q.Choices), "choice")
	}
	return q.Type
}

func roundColumn(s Summary) column {
	c := column{head: roundHead}
	for _, r := range s.Rounds {
		c.cells = append(c.cells, count(r.Round))
	}
	return c
}

// outcomes returns a column with a cell for every round of a question.
func outcomes(s Summary, q Question, head, style string, cell func(Outcome) string) column {
	c := column{head: head, style: style}
	for _, r := range s.Rounds {
		c.cells = append(c.cells, cell(r.Questions[q.ID]))
	}
	return c
}

func questionGrid(s Summary, q Question, width int) grid {
	g := grid{key: roundColumn(s)}
	valid := outcomes(s, q, "Valid", styleNone, func(o Outcome) string { return count(o.Valid) })
	switch q.Type {
	case TypeNumber:
		g.groups = append(g.groups, figureColumns(s, q))
	case TypeChoice, TypeLikert:
		shares := shareColumns(s, q)
		if q.Type == TypeLikert {
			g.groups = append(g.groups, shares, figureColumns(s, q))
		} else {
			g.groups = append(g.groups, shares)
		}
		probe := grid{key: g.key, groups: [][]column{append(slices.Clip(shares), valid)}}
		if len(probe.pieces(width)) > 1 {
			return turnedGrid(s, q, width)
		}
	}
	winners := winnerColumns(s, q)
	g.groups = append(g.groups, append(winners, valid))
	return g
}

// figureColumns are the six figures of the papers.
func figureColumns(s Summary, q Question) []column {
	digits := figureDigits(s, q)
	own := min(digits, q.Decimals)
	figure := func(head, style string, digits int, of func(Outcome) *float64) column {
		return outcomes(s, q, head, style, func(o Outcome) string { return fixed(of(o), digits) })
	}
	return []column{
		figure("AVG", styleBold, digits, func(o Outcome) *float64 { return o.Mean }),
		figure("MIN", styleNone, own, func(o Outcome) *float64 { return o.Min }),
		figure("MAX", styleNone, own, func(o Outcome) *float64 { return o.Max }),
		figure("STD", styleNone, digits, func(o Outcome) *float64 { return o.Std }),
		figure("MED", styleNone, digits, func(o Outcome) *float64 { return o.Median }),
		figure("MOD", styleNone, min(2, own), func(o Outcome) *float64 { return o.Mode }),
	}
}

// figureDigits is the number of decimals that suits the widest round of a question.
func figureDigits(s Summary, q Question) int {
	spread := 0.0
	for _, r := range s.Rounds {
		if o := r.Questions[q.ID]; o.Min != nil && o.Max != nil {
			// Answers that all agree still have digits: those of a tenth of their size.
			spread = max(spread, *o.Max-*o.Min, math.Abs(*o.Min)/10, math.Abs(*o.Max)/10)
		}
	}
	return min(digitsFor(spread), 4)
}

// winnerColumns are empty if the scenario asks for no winners.
func winnerColumns(s Summary, q Question) []column {
	var target, within bool
	for _, r := range s.Rounds {
		o := r.Questions[q.ID]
		target, within = target || o.Target != nil, within || o.Within != nil
	}
	if !target {
		return nil
	}
	out := []column{
		outcomes(s, q, "Target", styleTarget, func(o Outcome) string { return fixed(o.Target, figureDigits(s, q)) }),
		outcomes(s, q, "Nearest", styleNone, func(o Outcome) string { return countOf(o.Nearest) }),
	}
	if within {
		out = append(out, outcomes(s, q, "Within", styleNone, func(o Outcome) string { return countOf(o.Within) }))
	}
	return out
}

func shareColumns(s Summary, q Question) []column {
	var out []column
	for i, label := range q.labels() {
		out = append(out, outcomes(s, q, clean(label), styleNone, func(o Outcome) string { return share(o, i) }))
	}
	return out
}

// share is the part of the valid answers that chose category i.
func share(o Outcome, i int) string {
	if i >= len(o.Counts) {
		return none
	}
	return percent(o.Counts[i], o.Valid)
}

// turnedGrid has choices as rows and rounds as columns, for labels that do not fit side by side.
func turnedGrid(s Summary, q Question, width int) grid {
	g := grid{key: column{head: "Choice", left: true}}
	labels := q.labels()
	for _, label := range labels {
		g.key.cells = append(g.key.cells, fit(clean(label), max(20, width/2)))
	}
	g.key.cells = append(g.key.cells, "valid answers")
	for _, r := range s.Rounds {
		c := column{head: fmt.Sprintf("%s %d", roundHead, r.Round)}
		for i := range labels {
			c.cells = append(c.cells, share(r.Questions[q.ID], i))
		}
		c.cells = append(c.cells, count(r.Questions[q.ID].Valid))
		g.groups = append(g.groups, []column{c})
	}
	return g
}

func effortColumns(s Summary) []column {
	calls, retries := column{head: "Calls"}, column{head: "Retries"}
	tokens, secs := column{head: "Tokens"}, column{head: "Seconds"}
	retried := 0
	for _, r := range s.Rounds {
		calls.cells = append(calls.cells, count(r.Calls))
		retries.cells = append(retries.cells, count(r.Retries))
		tokens.cells = append(tokens.cells, count(r.TokensIn+r.TokensOut))
		secs.cells = append(secs.cells, seconds(r.Seconds))
		retried += r.Retries
	}
	if retried == 0 {
		return []column{calls, tokens, secs}
	}
	return []column{calls, retries, tokens, secs}
}

// remarks are lines about answers that were not simply read, one for each round that has some.
func remarks(s Summary, q Question) []string {
	var out []string
	for _, r := range s.Rounds {
		if text := exceptions(r.Questions[q.ID]); text != "" {
			out = append(out, fmt.Sprintf("answers of round %d: %s", r.Round, text))
		}
	}
	const most = 8
	if len(out) > most {
		more := len(out) - most + 1
		out = append(out[:most-1], fmt.Sprintf("and in %d more rounds, see summary.json", more))
	}
	return out
}

// exceptions lists the answers of a round that were not simply read; "" if there are none.
func exceptions(o Outcome) string {
	var parts []string
	for _, e := range []struct {
		n    int
		name string
	}{{o.Extracted, "extracted"}, {o.Repaired, "repaired"}, {o.Refused, "refused"}, {o.Fallback, "fallback"}, {o.Missing, "missing"}} {
		if e.n > 0 {
			parts = append(parts, count(e.n)+" "+e.name)
		}
	}
	return strings.Join(parts, ", ")
}
