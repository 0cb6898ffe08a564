package report

import (
	"fmt"
	"math"
	"slices"
)

// palette tells choices apart; each colour carries white text and is seen on light and dark pages.
var palette = [...]string{"#2f66c9", "#b85c00", "#1d7f73", "#b03a7d", "#7350b5", "#66751a", "#98492b", "#68727e"}

// stackPlot shows the shares of choices or points, a bar for each round.
type stackPlot struct {
	ID     string
	W, H   float64
	Alt    string
	Legend []bar
	Rows   []stackRow
}

type stackRow struct {
	Y     float64
	Label string
	Bars  []bar
}

// series is a category of a stack: one choice, or several folded into one.
type series struct {
	label     string
	parts     []int
	fill, ink string
}

const (
	stackLeft  = 74.0
	stackRight = wideChart
	stackStep  = 30.0
	mostStacks = 16
)

// newStackPlot returns nil without a round that has counts.
func newStackPlot(id string, s Summary, q Question) *stackPlot {
	labels := q.labels()
	var rounds []int
	for i, r := range s.Rounds {
		if o := r.Questions[q.ID]; len(o.Counts) == len(labels) && o.Valid > 0 {
			rounds = append(rounds, i)
		}
	}
	if len(rounds) == 0 || len(labels) == 0 {
		return nil
	}
	p := &stackPlot{ID: id, W: wideChart, Alt: fmt.Sprintf("Shares of the answers to %s by round; the table has the figures", q.ID)}
	all := seriesOf(s, q, labels)
	for _, c := range all {
		p.Legend = append(p.Legend, bar{Fill: c.fill, Label: c.label})
	}
	for row, i := range sample(rounds, mostStacks) {
		r := s.Rounds[i]
		o := r.Questions[q.ID]
		line := stackRow{Y: 4 + float64(row)*stackStep, Label: fmt.Sprintf("Round %d", r.Round)}
		done := 0
		for _, c := range all {
			n := 0
			for _, part := range c.parts {
				n += o.Counts[part]
			}
			from := stackLeft + (stackRight-stackLeft)*float64(done)/float64(o.Valid)
			done += n
			to := stackLeft + (stackRight-stackLeft)*float64(done)/float64(o.Valid)
			if n == 0 {
				continue
			}
			b := bar{X: at(from), Y: line.Y, W: at(max(0.6, to-from-1.5)), H: stackStep - 8, Fill: c.fill, Ink: c.ink}
			b.Tip = fmt.Sprintf("Round %d, %s: %s (%s)", r.Round, c.label, count(n), percent(n, o.Valid))
			if to-from > 46 {
				b.Label = percent(n, o.Valid)
			}
			line.Bars = append(line.Bars, b)
		}
		p.Rows = append(p.Rows, line)
	}
	p.H = 4 + float64(len(p.Rows))*stackStep
	return p
}

// seriesOf colours the categories of a question: points on a ramp, choices from the palette, the rarest of many choices
// together.
func seriesOf(s Summary, q Question, labels []string) []series {
	var out []series
	if q.Type == TypeLikert {
		for i, label := range labels {
			fill, ink := ramp(float64(i) / float64(max(1, len(labels)-1)))
			out = append(out, series{label: label, parts: []int{i}, fill: fill, ink: ink})
		}
		return out
	}
	const white = "#ffffff"
	kept := make([]int, len(labels))
	for i := range kept {
		kept[i] = i
	}
	var rest []int
	if len(labels) > len(palette) {
		totals := make([]int, len(labels))
		for _, r := range s.Rounds {
			for i, n := range r.Questions[q.ID].Counts {
				totals[i%len(totals)] += n
			}
		}
		slices.SortStableFunc(kept, func(a, b int) int { return totals[b] - totals[a] })
		kept, rest = kept[:len(palette)-1], kept[len(palette)-1:]
		slices.Sort(kept)
	}
	for i, part := range kept {
		out = append(out, series{label: clean(labels[part]), parts: []int{part}, fill: palette[i], ink: white})
	}
	if len(rest) > 0 {
		out = append(out, series{label: fmt.Sprintf("%d other choices", len(rest)), parts: rest, fill: palette[len(palette)-1], ink: white})
	}
	return out
}

// ramp is a colour from light to dark blue and the colour of text on it.
func ramp(part float64) (fill, ink string) {
	light, dark := [3]float64{0xcd, 0xdf, 0xfb}, [3]float64{0x17, 0x3c, 0x86}
	var c [3]int
	for i := range c {
		c[i] = int(math.Round(light[i] + (dark[i]-light[i])*part))
	}
	ink = "#ffffff"
	if part < 0.45 {
		ink = "#14284d"
	}
	return fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2]), ink
}

// sample returns at most so many of list, evenly spread, the first and last among them.
func sample(list []int, most int) []int {
	if len(list) <= most {
		return list
	}
	out := make([]int, most)
	for i := range out {
		out[i] = list[i*(len(list)-1)/(most-1)]
	}
	return out
}
