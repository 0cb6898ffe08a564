package report

import (
	"io"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// Styles of a terminal.
const (
	styleNone   = ""
	styleBold   = "\x1b[1m"
	styleDim    = "\x1b[2m"
	styleTarget = "\x1b[33m"
	styleBar    = "\x1b[36m"
	styleReset  = "\x1b[0m"
)

// paint puts s in a style if colour is on.
func paint(s, style string, color bool) string {
	if !color || style == styleNone || s == "" {
		return s
	}
	return style + s + styleReset
}

// clean makes text safe to print on one line of a terminal: control and format characters, which could move the cursor
// or hide text, become spaces.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// fit shortens text to a number of terminal cells.
func fit(s string, cells int) string { return runewidth.Truncate(s, cells, "…") }

// column is a column of a grid: a heading and a cell per row.
type column struct {
	head  string
	cells []string
	style string
	left  bool // aligned left
}

func (c column) width() int {
	w := runewidth.StringWidth(c.head)
	for _, cell := range c.cells {
		w = max(w, runewidth.StringWidth(cell))
	}
	return w
}

// grid is an aligned table. The key column starts every piece the table is cut into; groups of columns stay together
// while they fit.
type grid struct {
	key    column
	groups [][]column
}

const gap = 2

// pieces distributes the columns over as few tables of at most width cells as keep groups together where possible.
func (g grid) pieces(width int) [][]column {
	var out [][]column
	var piece []column
	used := g.key.width()
	add := func(columns ...column) {
		for _, c := range columns {
			piece = append(piece, c)
			used += gap + c.width()
		}
	}
	flush := func() {
		if len(piece) > 0 {
			out, piece, used = append(out, piece), nil, g.key.width()
		}
	}
	for _, columns := range g.groups {
		need := 0
		for _, c := range columns {
			need += gap + c.width()
		}
		if used+need > width {
			flush()
		}
		for _, c := range columns {
			if used+gap+c.width() > width {
				flush()
			}
			add(c)
		}
	}
	flush()
	return out
}

// write prints the grid with its pieces one under the other.
func (g grid) write(w io.Writer, width int, color bool) error {
	var b strings.Builder
	for i, piece := range g.pieces(width) {
		if i > 0 {
			b.WriteByte('\n')
		}
		line := append([]column{g.key}, piece...)
		total := -gap
		for at, c := range line {
			if at > 0 {
				b.WriteString(strings.Repeat(" ", gap))
			}
			b.WriteString(paint(pad(c.head, c.width(), c.left, at == len(line)-1), styleBold, color))
			total += gap + c.width()
		}
		b.WriteByte('\n')
		b.WriteString(paint(strings.Repeat("─", total), styleDim, color) + "\n")
		for row := range g.key.cells {
			for at, c := range line {
				if at > 0 {
					b.WriteString(strings.Repeat(" ", gap))
				}
				b.WriteString(paint(pad(c.cells[row], c.width(), c.left, at == len(line)-1), c.style, color))
			}
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// pad aligns s in so many cells; the last column of a line gets no trailing space.
func pad(s string, cells int, left, last bool) string {
	fill := strings.Repeat(" ", max(0, cells-runewidth.StringWidth(s)))
	switch {
	case !left:
		return fill + s
	case last:
		return s
	}
	return s + fill
}
