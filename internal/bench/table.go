package bench

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table is a table of figures, with what a reader has to know about it.
type Table struct {
	Title string
	Notes []string
	Head  []string
	Rows  [][]string // as long as Head each
}

// Text writes tables for a terminal.
func Text(w io.Writer, tables []Table) error {
	var b strings.Builder
	for _, t := range tables {
		widths := t.widths()
		fmt.Fprintf(&b, "\n%s\n", t.Title)
		for _, row := range append([][]string{t.Head}, t.Rows...) {
			for i, text := range row {
				b.WriteString("  " + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)) + text)
			}
			b.WriteByte('\n')
		}
		for _, n := range t.Notes {
			fmt.Fprintf(&b, "  %s\n", n)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Markdown writes tables for a document, under headings of the third level.
func Markdown(w io.Writer, tables []Table) error {
	var b strings.Builder
	for i, t := range tables {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "### %s\n\n| %s |\n|%s\n", t.Title, strings.Join(t.Head, " | "), strings.Repeat(" ---: |", len(t.Head)))
		for _, row := range t.Rows {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		}
		for _, n := range t.Notes {
			fmt.Fprintf(&b, "\n%s\n", n)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// widths are those of the columns, in characters.
func (t Table) widths() []int {
	out := make([]int, len(t.Head))
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		for i, text := range row {
			out[i] = max(out[i], utf8.RuneCountInString(text))
		}
	}
	return out
}

// column is a column of a table with one row for each size.
type column struct {
	head string
	of   func(agents int) series
	as   func(float64) string // how numbers are printed; nil means short
}

// bySize makes a table with a row for each size that any column has something for, and leaves out columns that have
// nothing at all. Without a row there is no table.
func bySize(title string, sizes []int, columns []column, notes ...string) []Table {
	t := Table{Title: title, Head: []string{"agents"}, Notes: notes}
	var used []column
	for _, c := range columns {
		for _, n := range sizes {
			if len(c.of(n)) > 0 {
				used = append(used, c)
				t.Head = append(t.Head, c.head)
				break
			}
		}
	}
	for _, n := range sizes {
		row, some := []string{grouped(n)}, false
		for _, c := range used {
			s := c.of(n)
			as := c.as
			if as == nil {
				as = short
			}
			row, some = append(row, s.cell(as)), some || len(s) > 0
		}
		if some {
			t.Rows = append(t.Rows, row)
		}
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return []Table{t}
}
