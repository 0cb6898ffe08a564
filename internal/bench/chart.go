package bench

import (
	_ "embed" // for the drawing
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/template"
)

//go:embed chart.svg.tmpl
var chartTemplate string

// kind is a line of the chart: a part, how it is called and drawn.
type kind struct{ Part, Name, Colour string }

// Colours that people who see few colours can tell apart too.
var kinds = []kind{
	{"run", "myriad run", "#0072b2"}, {"tcp", "myriad, TCP", "#56b4e9"}, {"goroutines", "goroutines", "#e69f00"}, {"asyncio", "asyncio", "#d55e00"},
}

// Size of the chart and of its two panels.
const (
	chartWidth, chartHeight = 980.0, 380.0
	panelWidth              = 390.0
	panelTop, panelBottom   = 78.0, 332.0
)

// chart is what the template draws.
type chart struct {
	W, H   float64
	Alt    string
	Kinds  []legend
	Panels []panel
}

type legend struct {
	kind
	X float64
}

// panel is a plot with two logarithmic axes.
type panel struct {
	Title                    string
	Left, Top, Right, Bottom float64
	XTicks, YTicks           []tick
	Lines                    []line
}

type tick struct {
	X, Y  float64
	Label string
}

type line struct {
	kind
	Points string
	Dots   []tick
}

// point is a value for a number of agents.
type point struct{ agents, value float64 }

// Chart draws how time and memory of an agent grow with the number of agents, as SVG. Without anything to draw it writes
// empty axes.
func (r *Report) Chart(w io.Writer) error {
	t, err := template.New("chart").Parse(chartTemplate)
	if err != nil {
		return fmt.Errorf("bench: drawing: %w", err)
	}
	c := chart{W: chartWidth, H: chartHeight, Alt: "Time beyond the model's and resident memory, both per agent, over the number of agents"}
	times, bytes := map[string][]point{}, map[string][]point{}
	for i, k := range kinds {
		c.Kinds = append(c.Kinds, legend{k, 60 + float64(i)*130})
		times[k.Part] = r.points(perAgent(r.figure(k.Part, Seconds), r.Latency, 1e-6))
		bytes[k.Part] = r.points(perAgent(r.figure(k.Part, Peak), 0, 1))
	}
	c.Panels = []panel{
		newPanel(60, "Time beyond the model's, µs an agent", times),
		newPanel(60+panelWidth+90, "Resident memory at its peak, bytes an agent", bytes),
	}
	if err := t.Execute(w, c); err != nil {
		return fmt.Errorf("bench: drawing: %w", err)
	}
	return nil
}

// points are the medians of a column, of those that a logarithm has.
func (r *Report) points(values func(int) series) []point {
	var out []point
	for _, n := range r.sizes() {
		if s := values(n); len(s) > 0 && spread(s).Median > 0 {
			out = append(out, point{float64(n), spread(s).Median})
		}
	}
	return out
}

func newPanel(left float64, title string, of map[string][]point) panel {
	p := panel{Title: title, Left: left, Top: panelTop, Right: left + panelWidth, Bottom: panelBottom}
	var agents, values []float64
	for _, points := range of {
		for _, at := range points {
			agents, values = append(agents, at.agents), append(values, at.value)
		}
	}
	x, xTicks := logAxis(agents, p.Left, p.Right)
	y, yTicks := logAxis(values, p.Bottom, p.Top)
	for _, v := range xTicks {
		p.XTicks = append(p.XTicks, tick{X: x(v), Y: p.Bottom, Label: unit(v)})
	}
	for _, v := range yTicks {
		p.YTicks = append(p.YTicks, tick{X: p.Left, Y: y(v), Label: unit(v)})
	}
	for _, k := range kinds {
		l := line{kind: k}
		var points []string
		for _, at := range of[k.Part] {
			dot := tick{X: x(at.agents), Y: y(at.value), Label: fmt.Sprintf("%s, %s agents: %s", k.Name, grouped(int(at.agents)), short(at.value))}
			l.Dots, points = append(l.Dots, dot), append(points, fmt.Sprintf("%g,%g", dot.X, dot.Y))
		}
		l.Points = strings.Join(points, " ")
		p.Lines = append(p.Lines, l)
	}
	return p
}

// logAxis maps values to a line from one coordinate to another, by whole powers of ten, and returns these as ticks.
func logAxis(values []float64, from, to float64) (at func(float64) float64, ticks []float64) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		lo, hi = min(lo, math.Floor(math.Log10(v))), max(hi, math.Ceil(math.Log10(v)))
	}
	if len(values) == 0 {
		lo, hi = 0, 1
	}
	if lo == hi {
		hi++
	}
	for e := lo; e <= hi; e++ {
		ticks = append(ticks, math.Pow(10, e))
	}
	return func(v float64) float64 {
		return math.Round((from+(math.Log10(v)-lo)/(hi-lo)*(to-from))*10) / 10
	}, ticks
}

// unit prints a power of ten for an axis.
func unit(v float64) string {
	of, name := 1.0, ""
	switch {
	case v >= 1e6:
		of, name = 1e6, "M"
	case v >= 1e3:
		of, name = 1e3, "k"
	}
	return strconv.FormatFloat(v/of, 'f', -1, 64) + name
}
