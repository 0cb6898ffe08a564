package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

const (
	plotHeight = 7   // rows of a text histogram
	plotIndent = 7   // cells left of its bars
	plotBins   = 100 // most cells of its bars
	between    = 4   // cells between two plots on a line
)

// TextHistogram writes, for each question, how answers spread in the first and in the last round: block histograms
// with the target marked, or bars by choice. Two plots stand side by side if the terminal is wide enough.
func TextHistogram(w io.Writer, d Data, width int, color bool) error {
	width = max(width, MinWidth)
	var b strings.Builder
	rounds := d.Summary.Rounds
	for _, q := range d.Summary.Questions {
		var plots [][]cell
		shown := firstAndLast(len(rounds))
		for _, i := range shown {
			o := rounds[i].Questions[q.ID]
			title := fmt.Sprintf("%s · round %d", fit(clean(q.ID), 24), rounds[i].Round)
			if labels := q.labels(); labels != nil && len(o.Counts) == len(labels) {
				plots = append(plots, choicePlot(title, labels, o, width))
			} else if h := d.histogram(i, q.ID); len(h.Counts) > 0 && o.Valid > 0 {
				plots = append(plots, numberPlot(title, h, o, plotCells(width, len(shown))))
			}
		}
		if len(plots) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		layOut(&b, plots, width, color)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("report: write histogram: %w", err)
	}
	return nil
}

func firstAndLast(n int) []int {
	switch n {
	case 0:
		return nil
	case 1:
		return []int{0}
	}
	return []int{0, n - 1}
}

// cell is a line of a plot: spans of text with a style each.
type cell []span

type span struct{ text, style string }

func (c cell) width() int {
	w := 0
	for _, s := range c {
		w += runewidth.StringWidth(s.text)
	}
	return w
}

func (c cell) print(color bool) string {
	var b strings.Builder
	for _, s := range c {
		b.WriteString(paint(s.text, s.style, color))
	}
	return b.String()
}

// layOut prints plots side by side if they fit, else one under the other.
func layOut(b *strings.Builder, plots [][]cell, width int, color bool) {
	widths := make([]int, len(plots))
	total := -between
	for i, p := range plots {
		for _, line := range p {
			widths[i] = max(widths[i], line.width())
		}
		total += between + widths[i]
	}
	if total > width {
		for i, p := range plots {
			if i > 0 {
				b.WriteByte('\n')
			}
			for _, line := range p {
				b.WriteString(strings.TrimRight(line.print(color), " ") + "\n")
			}
		}
		return
	}
	for row := range plots[0] { // plots of one question have as many lines
		var line strings.Builder
		for i, p := range plots {
			line.WriteString(p[row].print(color))
			if i < len(plots)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-p[row].width()+between))
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// choicePlot draws a horizontal bar for each category.
func choicePlot(title string, labels []string, o Outcome, width int) []cell {
	out := []cell{heading(title, count(o.Valid)+" answers", width)}
	long := 0
	for _, l := range labels {
		long = max(long, runewidth.StringWidth(clean(l)))
	}
	long = min(long, width/3)
	cells := min(30, width-long-12)
	for i, l := range labels {
		n := o.Counts[i]
		filled := 0
		if o.Valid > 0 {
			filled = n * cells * 8 / o.Valid
		}
		if n > 0 {
			filled = max(filled, 1)
		}
		bar := strings.Repeat("█", filled/8)
		if rest := filled % 8; rest > 0 {
			bar += string([]rune("▏▎▍▌▋▊▉")[rest-1])
		}
		out = append(out, cell{
			{pad(fit(clean(l), long), long, true, false) + " ", styleNone},
			{"▏", styleDim}, {bar, styleBar}, {" " + percent(n, o.Valid), styleNone},
		})
	}
	return out
}
