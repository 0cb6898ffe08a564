package estimate

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// Styles of a terminal.
const (
	styleNone   = ""
	styleBold   = "\x1b[1m"
	styleDim    = "\x1b[2m"
	styleGood   = "\x1b[32m"
	styleUnsure = "\x1b[33m"
	styleBad    = "\x1b[31m"
	styleReset  = "\x1b[0m"
)

// Table writes the forecast for a terminal, with ANSI styles if color is set.
func (f Forecast) Table(w io.Writer, color bool) error {
	p := page{color: color}
	p.line("%s: %s, %s, %s a round", p.paint(clean(f.Scenario), styleBold), plural(f.Agents, "agent", "agents"),
		plural(f.Rounds, "round", "rounds at most"), plural(f.Questions, "question", "questions"))
	var speaking []Model
	for _, m := range f.Models {
		if m.Behavioural() {
			if m.Outside() {
				p.line("  %s: code agent, %s, %s calls", clean(m.Name), plural(m.Agents, "agent", "agents"), Count(m.Calls))
				continue
			}
			p.line("  %s: %s, %s, %s calls that cost nothing", clean(m.Name), m.Provider, plural(m.Agents, "agent", "agents"), Count(m.Calls))
			continue
		}
		p.line("  %s: %s on %s, %s", clean(m.Name), clean(m.Served), plural(m.Endpoints, "server", "servers"), plural(m.Agents, "agent", "agents"))
		speaking = append(speaking, m)
	}
	p.line("")
	switch {
	case len(speaking) == 0 && slices.ContainsFunc(f.Models, Model.Outside):
		p.line("No language model of the scenario is asked.")
	case len(speaking) == 0:
		p.line("No language model is asked, so there is nothing to pay.")
	default:
		p.grid(f, speaking)
		p.time(f)
		p.caps(f)
		p.assumed(f)
	}
	for _, n := range f.Notes {
		p.line("%s", p.paint("Note: "+clean(n)+".", styleDim))
	}
	if _, err := io.WriteString(w, p.text.String()); err != nil {
		return fmt.Errorf("estimate: write table: %w", err)
	}
	return nil
}

type page struct {
	text  strings.Builder
	color bool
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(&p.text, format+"\n", args...) }

func (p *page) paint(s, style string) string {
	if !p.color || style == styleNone {
		return s
	}
	return style + s + styleReset
}

// grid has a column for each model and, of several, one for their sum.
func (p *page) grid(f Forecast, models []Model) {
	heads, columns := []string{}, []Amount{}
	for _, m := range models {
		heads, columns = append(heads, clean(m.Name)), append(columns, m.Amount)
	}
	if len(models) > 1 {
		heads, columns = append(heads, "together"), append(columns, f.Total)
	}
	money := func(micros *uint64) string {
		if micros == nil {
			return "-"
		}
		return Money(*micros) + " " + f.Assumed.Prices.Currency
	}
	rows := []struct {
		label string
		cell  func(Amount) string
		shown bool
	}{
		{"Calls", func(a Amount) string { return Count(a.Calls) }, true},
		{"  more to extract or ask again", func(a Amount) string { return Count(a.Repairs) }, f.Assumed.Repairs > 0},
		{"Tokens in", func(a Amount) string { return Count(a.TokensIn) }, true},
		{"  a prefix cache knows", func(a Amount) string { return percent(a.Cached, a.TokensIn) }, true},
		{"Tokens out", func(a Amount) string { return Count(a.TokensOut) }, true},
		{"Tokens at most", func(a Amount) string { return orDash(a.Upper) }, true},
		{"Cost", func(a Amount) string { return money(a.Micros) }, f.Assumed.Prices.Currency != ""},
		{"  at most", func(a Amount) string { return money(a.UpperCosts) }, f.Assumed.Prices.Currency != ""},
	}
	cells, widths := make([][]string, len(rows)), make([]int, len(columns))
	for i, h := range heads {
		widths[i] = runewidth.StringWidth(h)
		for r, row := range rows {
			cell := row.cell(columns[i])
			cells[r] = append(cells[r], cell)
			if row.shown {
				widths[i] = max(widths[i], runewidth.StringWidth(cell))
			}
		}
	}
	const labels = 32
	write := func(label string, cells []string, style string) {
		line := []string{runewidth.FillRight(label, labels)}
		for i, c := range cells {
			line = append(line, runewidth.FillLeft(c, widths[i]+2))
		}
		p.line("%s", p.paint(strings.Join(line, ""), style))
	}
	write("", heads, styleBold)
	for r, row := range rows {
		if row.shown {
			write(row.label, cells[r], styleNone)
		}
	}
	p.line("")
}

func (p *page) time(f Forecast) {
	if f.Seconds == 0 {
		return
	}
	rate := Count(uint64(f.Assumed.TokensPerSecond)) + " tokens"
	if f.Assumed.TokensPerSecond == 0 {
		rate = strconv.FormatFloat(f.Assumed.CallsPerSecond, 'f', -1, 64) + " calls"
	}
	p.line("Time: about %s, at %s a second from each server", duration(f.Seconds), rate)
}

func (p *page) caps(f Forecast) {
	for _, c := range f.Caps {
		which := "Budget"
		if c.Which != WholeRun {
			which += " of " + clean(c.Which)
		}
		show := Count
		unit := " tokens"
		if c.Unit == UnitMicros {
			show, unit = Money, strings.TrimSuffix(" "+f.Assumed.Prices.Currency, " ")
		}
		var verdict string
		switch c.Verdict {
		case Enough:
			verdict = p.paint("enough, even if every call takes all it can", styleGood)
		case Likely:
			verdict = p.paint("likely enough: about "+show(*c.Likely)+" are used", styleUnsure)
		case Short:
			verdict = p.paint(fmt.Sprintf("too little: about %s are used, so the run will pause after about %s of it", show(*c.Likely), percent(c.Cap, *c.Likely)), styleBad)
		case Unknown:
			verdict = p.paint("not known without the price of every model; see --prices", styleUnsure)
		}
		p.line("%s: %s%s, %s", which, show(c.Cap), unit, verdict)
	}
}

func (p *page) assumed(f Forecast) {
	s := f.Assumed
	replies := fmt.Sprintf("replies of %s", plural(s.ReplyTokens, "token", "tokens"))
	if s.ReplyTokens == 0 {
		replies = fmt.Sprintf("replies of max_tokens, but no more than %d", usualReply)
	}
	text := fmt.Sprintf("Assumed: %s bytes a token, %s; prompts are those of up to %s of each block.",
		strconv.FormatFloat(s.BytesPerToken, 'f', -1, 64), replies, plural(max(2, s.Sample), "agent", "agents"))
	p.line("%s", p.paint(text, styleDim))
}

// Money writes millionths of a unit of money as a decimal with two places, rounded up: no cost looks like nothing.
func Money(micros uint64) string {
	const cent = 10_000
	cents := micros / cent
	if micros%cent > 0 {
		cents++
	}
	return fmt.Sprintf("%s.%02d", Count(cents/100), cents%100)
}

// Count groups digits by thousands.
func Count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func orDash(n *uint64) string {
	if n == nil {
		return "-"
	}
	return Count(*n)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(uint64(n)) + " " + many //nolint:gosec // a number of things
}

func percent(part, whole uint64) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(part)/float64(whole))
}

// duration is a time that people can read, to about a hundredth.
func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= 100*time.Hour:
		return fmt.Sprintf("%s hours", Count(uint64(d.Hours())))
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0f s", seconds)
	}
	return fmt.Sprintf("%.1f s", seconds)
}

// clean keeps text from moving the cursor.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, s)
}
