package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"
)

// Receipt accounts for the work of a run and for what it has cost. Calls made again are of two kinds: RepeatedCalls are
// questions that hosts asked again, Retries are calls that llmproxy made again while a host went on waiting for them.
type Receipt struct {
	Lost             int     `json:"lost"`           // answers that were due and have no record: always 0 in a sound run
	Duplicates       int     `json:"duplicates"`     // answers dropped because an earlier one counted
	RepeatedCalls    int     `json:"repeated_calls"` // upper bound: questions asked minus answers accepted
	Faults           int     `json:"faults"`         // failures seen and survived, lost hosts among them
	Takeovers        int     `json:"takeovers"`      // shards that were given to another host because theirs was lost
	LostHosts        int     `json:"lost_hosts"`     // hosts they were taken from
	Moves            int     `json:"moves"`          // shards that changed their host as planned
	Retries          int     `json:"retries"`        // calls made again because a model server failed
	Hedges           int     `json:"hedges"`         // slow calls that were sent a second time
	Shared           int     `json:"shared"`         // calls saved: another agent's equal prompt was asked in their place
	TokensIn         int     `json:"tokens_in"`
	TokensOut        int     `json:"tokens_out"`
	TokensUnreported int     `json:"tokens_unreported"`    // at most so many more, of calls that ended without a count
	Money            string  `json:"money,omitempty"`      // a plain decimal number, see Decimal; "" without prices
	Currency         string  `json:"currency,omitempty"`   // of Money, as the price table names it
	FaultList        []Fault `json:"fault_list,omitempty"` // the first of the faults, in the order they were recorded
}

// Decimal is an amount of millionths as a plain decimal number with two to six decimals, exactly.
func Decimal(micros uint64) string {
	const unit = 1_000_000
	fraction := strings.TrimRight(fmt.Sprintf("%06d", micros%unit), "0")
	return fmt.Sprintf("%d.%s", micros/unit, fraction+strings.Repeat("0", max(0, 2-len(fraction))))
}

// signs are those of currencies that readers know by their sign.
var signs = map[string]string{"USD": "$", "EUR": "€", "GBP": "£"}

// money is an amount for readers: two decimals, or as many as a small amount needs to be told from nothing.
func money(amount, currency string) string {
	text := clean(amount)
	if v, err := strconv.ParseFloat(amount, 64); err == nil {
		digits := 2
		for limit := 0.1; v > 0 && v < limit && digits < 6; limit /= 10 {
			digits++
		}
		text = number(v, digits)
	}
	if sign, ok := signs[currency]; ok {
		return sign + text
	}
	return strings.TrimSpace(text + " " + clean(currency))
}

// answers is how many the closed rounds have.
func (s Summary) answers() int {
	n := 0
	for _, r := range s.Own() {
		for _, q := range s.Questions {
			n += r.Questions[q.ID].Answers
		}
	}
	return n
}

// whole says that nothing is missing.
func (s Summary) whole() string {
	return fmt.Sprintf("%s, %s lost, 0 counted twice", plural(s.answers(), "answer"), count(s.Receipt.Lost))
}

// entry is a line of a receipt: as words in a sentence, and as a tile of the page.
type entry struct {
	words string
	tile  tile
	goes  bool // with the entry before
}

// entries are those lines of a receipt that have something to say.
func (r Receipt) entries() []entry {
	var out []entry
	add := func(n int, words string, t tile) {
		if n > 0 {
			t.Figure = count(n)
			out = append(out, entry{words: words, tile: t})
		}
	}
	add(r.Duplicates, plural(r.Duplicates, "duplicate")+" dropped", tile{Name: "Duplicates dropped", Note: "answers that came again after one had counted"})
	add(r.RepeatedCalls, "at most "+plural(r.RepeatedCalls, "question")+" asked again by hosts",
		tile{Name: "Asked again by hosts, at most", Note: "questions asked minus answers accepted: what was on its way when something was lost"})
	add(r.Retries, plural(r.Retries, "call")+" repeated after a server failed", tile{Name: "Calls repeated", Note: "made again because a model server failed or was busy"})
	add(r.Hedges, count(r.Hedges)+" hedged", tile{Name: "Calls hedged", Note: "slow ones that were sent a second time"})
	add(r.Shared, count(r.Shared)+" shared", tile{Name: "Calls shared", Note: "saved, because another agent had the same prompt"})
	add(r.Takeovers, fmt.Sprintf("%s taken over from %s", plural(r.Takeovers, "shard"), plural(r.LostHosts, "lost host")),
		tile{Name: "Shards taken over", Note: "from lost " + plural(r.LostHosts, "host") + ", by others"})
	add(r.Moves, plural(r.Moves, "shard")+" moved as planned", tile{Name: "Shards moved as planned", Note: "their host was drained, or another had fewer"})
	add(r.Faults, plural(r.Faults, "fault")+" survived", tile{Name: "Faults survived", Note: "failures seen while the run went on"})
	spent := len(out) + 1 // what is behind goes with it
	add(r.TokensIn, plural(r.TokensIn, "token")+" in", tile{Name: "Tokens in", Note: "of all prompts, as servers reported"})
	add(r.TokensOut, plural(r.TokensOut, "token")+" out", tile{Name: "Tokens out", Note: "of all completions, as servers reported"})
	add(r.TokensUnreported, "at most "+count(r.TokensUnreported)+" tokens without a count",
		tile{Name: "Tokens without a count, at most", Note: "of calls that ended before the server reported any"})
	if r.Money != "" {
		cost := money(r.Money, r.Currency)
		words := cost
		if r.Currency == "" {
			words = "cost " + cost
		}
		out = append(out, entry{words: words, tile: tile{"Cost", cost, "by the prices that were set"}})
	}
	for i := spent; i < len(out); i++ {
		out[i].goes = true
	}
	return out
}

// ReceiptText is the receipt in plain words, without what is zero, in lines for a terminal of so many cells. It ends in a
// newline.
func ReceiptText(s Summary, width int) string {
	const label = "Receipt: "
	var b strings.Builder
	b.WriteString(label + s.whole())
	at := runewidth.StringWidth(b.String())
	for _, e := range s.Receipt.entries() {
		separator := ";"
		if e.goes {
			separator = ","
		}
		size := runewidth.StringWidth(e.words)
		if at+len("; ;")+size <= max(width, MinWidth) {
			b.WriteString(separator + " " + e.words)
			at += len("; ") + size
		} else {
			b.WriteString(separator + "\n" + strings.Repeat(" ", len(label)) + e.words)
			at = len(label) + size
		}
	}
	b.WriteByte('\n')
	return b.String()
}
