package report

import (
	"math"
	"strings"

	"github.com/mattn/go-runewidth"
)

var eighths = []rune(" ▁▂▃▄▅▆▇█")

// plotCells is the width of the bars of each of so many plots: two share the line where that leaves room for fifty.
func plotCells(width, plots int) int {
	if half := (width-between)/2 - plotIndent; plots > 1 && half >= 50 {
		return min(plotBins, half)
	}
	return min(plotBins, width-plotIndent-2)
}

// numberPlot draws a histogram with its axis and, if there is one, the target; bars take at most so many cells.
func numberPlot(title string, h Histogram, o Outcome, cells int) []cell {
	counts, wide := spread(h.Counts, cells)
	peak := 1
	for _, n := range counts {
		peak = max(peak, n)
	}
	note := count(o.Valid) + " answers"
	if o.Mean != nil {
		note += ", mean " + short(*o.Mean, max(2, digitsFor(h.Hi-h.Lo)))
	}
	out := []cell{heading(title, note, cells+plotIndent)}
	for row := plotHeight - 1; row >= 0; row-- {
		label := ""
		if row == plotHeight-1 {
			label = count(peak)
		}
		var bars strings.Builder
		for _, n := range counts {
			filled := n * plotHeight * 8 / peak
			if n > 0 {
				filled = max(filled, 1) // what exists is seen
			}
			bars.WriteString(strings.Repeat(string(eighths[max(0, min(8, filled-row*8))]), wide))
		}
		out = append(out, cell{{pad(label, plotIndent-2, false, false) + " │", styleDim}, {bars.String(), styleBar}})
	}
	length := len(counts) * wide
	axis, labels := axisLines(h, length)
	out = append(out, cell{{pad("0", plotIndent-2, false, false) + " └" + axis, styleDim}}, cell{{strings.Repeat(" ", plotIndent) + labels, styleDim}})
	return append(out, targetLine(h, o, length))
}

// heading is the line over a plot, shortened to so many cells.
func heading(title, note string, cells int) cell {
	title = fit(title, cells)
	return cell{{title, styleBold}, {fit("  "+note, max(0, cells-runewidth.StringWidth(title))), styleDim}}
}

// spread merges neighbouring bins until they fit in so many cells and says how many cells each may take.
func spread(counts []int, cells int) (merged []int, wide int) {
	by := (len(counts) + cells - 1) / cells
	for i, n := range counts {
		if i%by == 0 {
			merged = append(merged, 0)
		}
		merged[len(merged)-1] += n
	}
	return merged, max(1, min(4, cells/len(merged)))
}

// axisLines returns an axis of so many cells with ticks, and the labels under it.
func axisLines(h Histogram, length int) (axis, labels string) {
	line := []rune(strings.Repeat("─", length))
	under := []rune(strings.Repeat(" ", length+plotIndent))
	free := 0
	ticks, step := niceTicks(h.Lo, h.Hi, max(2, length/10))
	for _, t := range ticks {
		at := place(h, t, length)
		line[min(at, length-1)] = '┬'
		text := short(t, tickDigits(step))
		start := max(0, at-len(text)/2)
		if start < free || start+len(text) > len(under) {
			continue
		}
		copy(under[start:], []rune(text))
		free = start + len(text) + 1
	}
	return string(line), strings.TrimRight(string(under), " ")
}

// place returns the cell of a value on an axis.
func place(h Histogram, v float64, length int) int {
	if !(h.Hi > h.Lo) {
		return 0
	}
	return max(0, min(length-1, int(math.Floor((v-h.Lo)/(h.Hi-h.Lo)*float64(length)))))
}

func targetLine(h Histogram, o Outcome, length int) cell {
	if o.Target == nil {
		return nil
	}
	t := *o.Target
	text := "target " + number(t, max(2, digitsFor(h.Hi-h.Lo)))
	switch {
	case t < h.Lo:
		return cell{{strings.Repeat(" ", plotIndent) + "◀ " + text, styleTarget}}
	case t > h.Hi:
		return cell{{strings.Repeat(" ", plotIndent+max(0, length-len(text)-2)) + text + " ▶", styleTarget}}
	}
	at := place(h, t, length)
	if at+2+len(text) > length && at > len(text) {
		return cell{{strings.Repeat(" ", plotIndent+at-len(text)-1) + text + " ▲", styleTarget}}
	}
	return cell{{strings.Repeat(" ", plotIndent+at) + "▲ " + text, styleTarget}}
}
