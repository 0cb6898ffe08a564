package report_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/report"
)

func TestReceiptInPlainWords(t *testing.T) {
	s := guess(1000, 5).Summary
	require.Equal(t, "Receipt: 5000 answers, 0 lost, 0 counted twice\n", report.ReceiptText(s, 80), "what is zero is not said")
	s.Receipt.Retries, s.Receipt.Hedges = 64, 12
	s.Receipt.TokensIn, s.Receipt.TokensOut, s.Receipt.Money, s.Receipt.Currency = 1_204_331, 98_211, "0.42", "USD"
	require.Equal(t, "Receipt: 5000 answers, 0 lost, 0 counted twice; 64 calls repeated after a server failed; 12 hedged; 1,204,331 tokens in, 98,211 tokens out, $0.42\n",
		report.ReceiptText(s, 200))
	s.Receipt = report.Receipt{Lost: 3, Duplicates: 1, RepeatedCalls: 1, Retries: 1, Faults: 1}
	require.Equal(t, "Receipt: 5000 answers, 3 lost, 0 counted twice; 1 duplicate dropped; at most 1 question asked again by hosts; "+
		"1 call repeated after a server failed; 1 fault survived\n", report.ReceiptText(s, 200))
	require.Equal(t, strings.TrimPrefix(`
Receipt: 60,000 answers, 0 lost, 0 counted twice; 8 duplicates dropped;
         at most 500 questions asked again by hosts;
         64 calls repeated after a server failed; 12 hedged; 1250 shared;
         1 fault survived; 1,204,331 tokens in, 98,211 tokens out,
         at most 3000 tokens without a count, $0.42
`, "\n"), report.ReceiptText(paid().Summary, 80))
}

func TestReceiptFitsTheTerminal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := guess(10, 1).Summary
		n := rapid.OneOf(rapid.Just(0), rapid.IntRange(0, 1<<40))
		r := &s.Receipt
		for _, to := range []*int{&r.Lost, &r.Duplicates, &r.RepeatedCalls, &r.Faults, &r.Retries, &r.Hedges, &r.Shared, &r.TokensIn, &r.TokensOut, &r.TokensUnreported} {
			*to = n.Draw(t, "figure")
		}
		width := rapid.IntRange(70, 200).Draw(t, "width")
		text := report.ReceiptText(s, width)
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
			require.LessOrEqual(t, runewidth.StringWidth(line), width, line)
		}
		require.Equal(t, strings.Join(strings.Fields(report.ReceiptText(s, 10_000)), " "), strings.Join(strings.Fields(text), " "), "the same words in any width")
		require.Equal(t, 1, strings.Count(report.ReceiptText(s, 10_000), "\n"))
	})
}

func TestMoney(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 10_000_000)).Draw(t, "micros")
		text := report.Decimal(micros)
		require.Regexp(t, `^[0-9]+\.[0-9]{2,6}$`, text)
		require.NotRegexp(t, `\.[0-9]{2,}0$`, text)
		got, ok := new(big.Rat).SetString(text)
		require.True(t, ok)
		require.Zero(t, got.Cmp(new(big.Rat).SetFrac(new(big.Int).SetUint64(micros), big.NewInt(1_000_000))), "exactly")
	})
	s := guess(10, 1).Summary
	for amount, want := range map[string]string{
		"USD 421337": "$0.42", "EUR 12345678900": "€12,345.68", "GBP 0": "£0.00", "CHF 4200": "0.0042 CHF", "USD 1": "$0.000001", " 99999": "cost 0.100", "USD 90": "$0.000090",
	} {
		var micros uint64
		currency, figure, _ := strings.Cut(amount, " ")
		_, err := fmt.Sscan(figure, &micros)
		require.NoError(t, err)
		s.Receipt.Money, s.Receipt.Currency = report.Decimal(micros), currency
		require.Equal(t, "Receipt: 10 answers, 0 lost, 0 counted twice; "+want+"\n", report.ReceiptText(s, 80))
	}
	s.Receipt.Money, s.Receipt.Currency = "\x1b[31mmuch", "\nX"
	require.NotContains(t, strings.TrimSuffix(report.ReceiptText(s, 80), "\n"), "\n")
	require.NotContains(t, report.ReceiptText(s, 80), "\x1b")
}

func TestPageHasTheReceipt(t *testing.T) {
	page := html(t, paid())
	has(t, page, "60,000 answers, 0 lost, 0 counted twice.")
	has(t, page, "<dt>Cost</dt><dd>$0.42<small>")
	has(t, page, "<dt>Tokens in</dt><dd>1,204,331<small>")
	has(t, page, "<dt>Calls repeated</dt><dd>64<small>")
	has(t, page, "<dt>Asked again by hosts, at most</dt><dd>500<small>")
	quiet := html(t, guess(10, 1))
	has(t, quiet, "10 answers, 0 lost, 0 counted twice.")
	for _, name := range []string{"Cost", "Calls repeated", "Calls hedged", "Calls shared", "Duplicates dropped", "Faults survived", "Asked again", "without a count"} {
		hasNot(t, quiet, name)
	}
}

// survived is a run of a minute for which hosts and servers died.
func survived(n int) report.Data {
	d := guess(1000, 3)
	d.Summary.Seconds = 60
	start := d.Summary.Started
	for i := range d.Summary.Rounds {
		d.Played = append(d.Played, report.Span{From: start.Add(time.Duration(20*i) * time.Second), Until: start.Add(time.Duration(20*i+18) * time.Second)})
	}
	r := &d.Summary.Receipt
	r.Faults, r.Takeovers, r.LostHosts, r.Moves = n, 12, 1, 3
	for i := range n {
		f := report.Fault{At: start.Add(time.Duration(5+10*i) * time.Second), Who: "agenthost b", What: "lost; its shards were given to others"}
		if i%2 == 1 {
			f.Until = new(f.At.Add(4200 * time.Millisecond))
			f.Who, f.What = "broker", "could not be reached \x1b[31mand then\ncame back"
		}
		r.FaultList = append(r.FaultList, f)
	}
	return d
}

func TestFaultsInPlainWords(t *testing.T) {
	d := survived(3)
	require.Empty(t, report.FaultsText(guess(10, 1).Summary, 80, 5, time.UTC))
	at := func(s int) string {
		return d.Summary.Started.Add(time.Duration(s) * time.Second).UTC().Format(time.DateTime)
	}
	require.Equal(t, "Faults:\n  "+at(5)+"  agenthost b: lost; its shards were given to others\n  "+
		at(15)+", for 4.20 s  broker: could not be reached [31mand then came back\n  and 1 more\n", report.FaultsText(d.Summary, 100, 2, time.UTC))
	narrow := report.FaultsText(d.Summary, 72, 5, time.UTC)
	for line := range strings.SplitSeq(narrow, "\n") {
		require.LessOrEqual(t, runewidth.StringWidth(line), 72, line)
	}
	require.NotContains(t, narrow, "more")
	require.Contains(t, report.ReceiptText(d.Summary, 200), "12 shards taken over from 1 lost host; 3 shards moved as planned; 3 faults survived")
}

func TestPageShowsFaultsInTime(t *testing.T) {
	d := survived(3)
	page := html(t, d)
	has(t, page, "Faults survived</h3>")
	require.Equal(t, 3, strings.Count(page, `<rect class="fault`))
	require.Equal(t, 1, strings.Count(page, `<rect class="fault long"`))
	require.Equal(t, 3, strings.Count(page, `<rect class="round`))
	has(t, page, `<td class="who">broker</td>`)
	has(t, page, "<td>15.0 s</td><td>4.20 s</td>")
	has(t, page, "<dt>Shards taken over</dt><dd>12<small>")
	hasNot(t, page, "\x1b")
	hasNot(t, page, "not listed")
	d.Played[1].Until = d.Played[1].From.Add(time.Millisecond)
	page = html(t, d)
	require.Equal(t, 2, strings.Count(page, `<rect class="round`), "one is too short to be seen")
	has(t, page, "3 rounds in ")
	d.Summary.Receipt.Faults = 130
	has(t, html(t, d), "127 more are not listed.")
	d.Played, d.Summary.Seconds = nil, 0
	d.Summary.Receipt.FaultList = d.Summary.Receipt.FaultList[:1]
	d.Summary.Receipt.FaultList[0].At = d.Summary.Started
	hasNot(t, html(t, d), `class="wide timeline"`) // there is no time to show
}
