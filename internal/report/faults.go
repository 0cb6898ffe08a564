package report

import (
	"fmt"
	"strings"
	"time"
)

// Fault is something that went wrong and that the run went on after.
type Fault struct {
	At    time.Time  `json:"at"`
	Until *time.Time `json:"until"` // null: not known, or of no length
	Who   string     `json:"who"`   // the part that failed
	What  string     `json:"what"`  // in a sentence
}

// Span is a stretch of time.
type Span struct{ From, Until time.Time }

// lasted is the length of a fault in seconds, 0 where it has none.
func (f Fault) lasted() float64 {
	if f.Until == nil {
		return 0
	}
	return max(0, f.Until.Sub(f.At).Seconds())
}

// length prints a length of time with its unit.
func length(s float64) string {
	switch {
	case s >= 3*3600:
		return number(s/3600, 1) + " h"
	case s >= 180:
		return number(s/60, 1) + " min"
	}
	return seconds(s) + " s"
}

// FaultsText lists faults in plain words for a terminal of so many cells, at most so many of them, with times in a zone. It
// is "" where there are none, and ends in a newline else.
func FaultsText(s Summary, width, most int, zone *time.Location) string {
	list := s.Receipt.FaultList
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("Faults:\n")
	for _, f := range list[:min(most, len(list))] {
		when := f.At.In(zone).Format(time.DateTime)
		if l := f.lasted(); l > 0 {
			when += ", for " + length(l)
		}
		words(&b, "  "+when+"  ", clean(f.Who)+": "+clean(f.What), max(width, MinWidth))
	}
	if more := max(s.Receipt.Faults, len(list)) - min(most, len(list)); more > 0 {
		fmt.Fprintf(&b, "  and %s more\n", count(more))
	}
	return b.String()
}

// words writes a text behind a label, broken between words where a line gets too long.
func words(b *strings.Builder, label, text string, width int) {
	indent := "      "
	b.WriteString(label)
	at := len(label)
	for i, w := range strings.Fields(text) {
		size := len([]rune(w))
		switch {
		case i > 0 && at+1+size > width:
			b.WriteString("\n" + indent)
			at = len(indent)
		case i > 0:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(w)
		at += size
	}
	b.WriteByte('\n')
}

// faultsView is what the page shows of faults.
type faultsView struct {
	Line *faultLine
	Rows []faultRow
	Note string
}

type faultRow struct{ Day, Time, Offset, Lasted, Who, What string }

// newFaultsView returns nil where nothing went wrong.
func newFaultsView(d Data) *faultsView {
	list := d.Summary.Receipt.FaultList
	if len(list) == 0 {
		return nil
	}
	v := &faultsView{Line: newFaultLine(d)}
	for _, f := range list {
		row := faultRow{
			Day: f.At.UTC().Format("2 January"), Time: f.At.UTC().Format("15:04:05"), Lasted: none, Who: clean(f.Who), What: clean(f.What),
			Offset: length(max(0, f.At.Sub(d.Summary.Started).Seconds())),
		}
		if l := f.lasted(); l > 0 {
			row.Lasted = length(l)
		}
		v.Rows = append(v.Rows, row)
	}
	if more := d.Summary.Receipt.Faults - len(list); more > 0 {
		v.Note = fmt.Sprintf("%s more %s not listed.", count(more), map[bool]string{true: "is", false: "are"}[more == 1])
	}
	return v
}

// faultLine is the run from its beginning to its end, with its rounds and what failed in them.
type faultLine struct {
	W, H, Top, Height, MarkTop, MarkHeight, Axis, BelowAxis float64
	Alt                                                     string
	Rounds                                                  []roundBand
	Marks                                                   []faultMark
	Ticks                                                   []timeTick
}

type roundBand struct {
	X, W, Mid  float64
	Odd        bool
	Label, Tip string
}

type faultMark struct {
	X, W float64
	Long bool
	Tip  string
}

type timeTick struct {
	X           float64
	Label, Side string
}

const (
	leastMark  = 3  // units that a fault without a length is wide
	leastLabel = 22 // that a round must be wide to have its number above it
)

// newFaultLine returns nil where there is no time to show.
func newFaultLine(d Data) *faultLine {
	s := d.Summary
	end := s.Seconds
	for _, f := range s.Receipt.FaultList {
		end = max(end, f.At.Sub(s.Started).Seconds()+f.lasted())
	}
	if !(end > 0) {
		return nil
	}
	l := &faultLine{W: wideChart, H: 92, Top: 20, Height: 30, MarkTop: 14, MarkHeight: 42, Axis: 64, BelowAxis: 68}
	x := func(seconds float64) float64 { return at(min(max(seconds/end, 0), 1) * l.W) }
	played := 0
	for i, p := range d.Played {
		if i >= len(s.Rounds) || !p.Until.After(s.Started) {
			continue // of an earlier run
		}
		played++
		from, to := x(p.From.Sub(s.Started).Seconds()), x(p.Until.Sub(s.Started).Seconds())
		if to <= from {
			continue // too short to be seen
		}
		b := roundBand{X: from, W: at(to - from), Mid: at((from + to) / 2), Odd: s.Rounds[i].Round%2 == 1,
			Tip: fmt.Sprintf("Round %d: %s", s.Rounds[i].Round, length(p.Until.Sub(p.From).Seconds()))}
		if to-from >= leastLabel {
			b.Label = fmt.Sprint(s.Rounds[i].Round)
		}
		l.Rounds = append(l.Rounds, b)
	}
	for _, f := range s.Receipt.FaultList {
		from := x(f.At.Sub(s.Started).Seconds())
		width := max(leastMark, at(x(f.At.Sub(s.Started).Seconds()+f.lasted())-from))
		tip := f.At.UTC().Format("15:04:05") + " " + clean(f.Who) + ": " + clean(f.What)
		l.Marks = append(l.Marks, faultMark{X: min(from, l.W-width), W: width, Long: width > leastMark, Tip: tip})
	}
	l.Ticks = timeTicks(end, x)
	l.Alt = fmt.Sprintf("%s in %s, with %s", plural(played, "round"), length(end), plural(len(l.Marks), "fault"))
	return l
}

// timeTicks mark round lengths of time in one unit.
func timeTicks(end float64, x func(float64) float64) []timeTick {
	unit, name := 1.0, "s"
	switch {
	case end >= 3*3600:
		unit, name = 3600, "h"
	case end >= 180:
		unit, name = 60, "min"
	}
	ticks, step := niceTicks(0, end/unit, 8)
	var out []timeTick
	for _, t := range ticks {
		tick := timeTick{X: x(t * unit), Label: short(t, tickDigits(step)) + " " + name, Side: "middle"}
		if t == 0 {
			tick.Side = "start"
		} else if tick.X > wideChart-20 {
			tick.Side = "end"
		}
		out = append(out, tick)
	}
	return out
}
