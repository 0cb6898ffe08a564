package report

import (
	"fmt"
	"math"
)

// The charts are laid out here, in units of their view boxes, and drawn by assets/charts.html.tmpl.

// wideChart is the width of a chart that fills the page.
const wideChart = 980.0

// box is the plotting area of a chart.
type box struct{ Left, Top, Right, Bottom float64 }

// BelowAxis is where the ticks of the lower axis end.
func (b box) BelowAxis() float64 { return b.Bottom + 4 }

// AboveBars is where the line of a target begins.
func (b box) AboveBars() float64 { return b.Top - 12 }

// mark is a line with a text: a tick, a grid line or a target.
type mark struct {
	X, Y  float64
	Label string
	Tip   string
	Side  string // text-anchor
}

// bar is a rectangle.
type bar struct {
	X, Y, W, H float64
	Tip        string
	Fill       string // colour; "" leaves it to the style sheet
	Ink        string // colour of Label
	Label      string
}

// histPlot is the histogram of one round.
type histPlot struct {
	ID            string
	W, H          float64
	Box           box
	Title         string
	Sub           string
	Alt           string
	Bars          []bar
	XTicks        []mark
	YTicks        []mark
	Target        *mark
	TargetOutside string
}

// at rounds a coordinate so that files stay small and stable.
func at(v float64) float64 { return math.Round(v*10) / 10 }

func newHistPlot(id string, r Round, o Outcome, h Histogram, large bool) histPlot {
	p := histPlot{ID: id, W: 320, H: 196, Title: fmt.Sprintf("Round %d", r.Round)}
	if large {
		p.W, p.H = wideChart, 340
	}
	p.Box = box{Left: 38, Top: 22, Right: p.W - 12, Bottom: p.H - 26}
	digits := max(2, digitsFor(h.Hi-h.Lo))
	p.Sub = count(o.Valid) + " answers"
	if o.Mean != nil {
		p.Sub = "mean " + number(*o.Mean, digits) + ", " + p.Sub
	}
	p.Alt = fmt.Sprintf("Histogram of round %d from %s to %s: %s", r.Round, short(h.Lo, 6), short(h.Hi, 6), p.Sub)

	peak := 0.0
	for _, n := range h.Counts {
		peak = max(peak, float64(n)/float64(o.Valid))
	}
	yTicks, yStep := niceTicks(0, 100*peak, 3)
	top := max(100*peak, yTicks[len(yTicks)-1])
	x := func(v float64) float64 { return p.Box.Left + (v-h.Lo)/(h.Hi-h.Lo)*(p.Box.Right-p.Box.Left) }
	y := func(share float64) float64 { return p.Box.Bottom - share/top*(p.Box.Bottom-p.Box.Top) }
	for _, t := range yTicks {
		p.YTicks = append(p.YTicks, mark{Y: at(y(t)), Label: short(t, tickDigits(yStep)) + "%"})
	}
	if !(h.Hi > h.Lo) { // all answers are the same: one bar over their value
		x = func(float64) float64 { return (p.Box.Left + p.Box.Right) / 2 }
	}
	steps := 5
	if large {
		steps = 10
	}
	ticks, step := niceTicks(h.Lo, h.Hi, steps)
	for _, t := range ticks {
		p.XTicks = append(p.XTicks, mark{X: at(x(t)), Label: short(t, max(0, tickDigits(step)))})
	}
	width := (p.Box.Right - p.Box.Left) / float64(len(h.Counts))
	for i, n := range h.Counts {
		if n == 0 {
			continue
		}
		share := 100 * float64(n) / float64(o.Valid)
		from := h.Lo + (h.Hi-h.Lo)*float64(i)/float64(len(h.Counts))
		to := h.Lo + (h.Hi-h.Lo)*float64(i+1)/float64(len(h.Counts))
		height := max(0.8, p.Box.Bottom-y(share))
		b := bar{X: at(p.Box.Left + float64(i)*width + width*0.06), Y: at(p.Box.Bottom - height), W: at(width * 0.88), H: at(height)}
		b.Tip = fmt.Sprintf("%s to %s: %s (%s)", short(from, digits), short(to, digits), plural(n, "answer"), percent(n, o.Valid))
		if !(h.Hi > h.Lo) {
			b.X, b.W = at(x(h.Lo)-12), 24
			b.Tip = fmt.Sprintf("%s: %s", short(from, digits), plural(n, "answer"))
		}
		p.Bars = append(p.Bars, b)
	}
	if o.Target != nil {
		p.setTarget(*o.Target, h, x, digits)
		p.Alt += ", target " + number(*o.Target, digits)
	}
	return p
}

func (p *histPlot) setTarget(t float64, h Histogram, x func(float64) float64, digits int) {
	label := "target " + number(t, digits)
	switch {
	case t < h.Lo:
		p.TargetOutside = "◀ " + label + " is below the range"
		return
	case t > h.Hi:
		p.TargetOutside = label + " is above the range ▶"
		return
	}
	m := mark{X: at(x(t)), Y: p.Box.Top - 8, Label: label, Side: "start", Tip: label}
	if m.X > p.W-100 {
		m.Side = "end"
	}
	p.Target = &m
}

// LabelX is where the label of a target begins or ends, beside its line.
func (m mark) LabelX() float64 {
	if m.Side == "end" {
		return m.X - 5
	}
	return m.X + 5
}

// MiddleX is where the label of a bar is centred.
func (b bar) MiddleX() float64 { return at(b.X + b.W/2) }
