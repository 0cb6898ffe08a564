package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/stats"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func table(t *testing.T, s report.Summary, width int, color bool) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.Table(&b, s, width, color))
	return b.String()
}

func histogram(t *testing.T, d report.Data, width int, color bool) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.TextHistogram(&b, d, width, color))
	return b.String()
}

func TestGolden(t *testing.T) {
	golden(t, "guess-80.txt", []byte(table(t, guess(1000, 3).Summary, 80, false)+"\n"+histogram(t, guess(1000, 3), 80, false)))
	golden(t, "survey-120.txt", []byte(table(t, survey(1000, 3).Summary, 120, false)+"\n"+histogram(t, survey(1000, 3), 120, false)))
	var b bytes.Buffer
	require.NoError(t, report.Codebook(&b, survey(1000, 3).Summary, survey(1000, 3).Personas))
	golden(t, "codebook.md", b.Bytes())
	b.Reset()
	require.NoError(t, report.WriteJSON(&b, guess(20, 1).Summary))
	golden(t, "summary.json", b.Bytes())
}

func TestTextFitsTheTerminal(t *testing.T) {
	wide := survey(1000, 12)
	q := &wide.Summary.Questions[1]
	q.Choices = []string{"an answer that goes on for quite a while", "日本語の選択肢はとても幅が広いので切り詰める必要がある", "\x1b[2Jno\nescape", "d"}
	for i := range wide.Summary.Rounds {
		wide.Summary.Rounds[i].Questions["move"] = report.Outcome{Answers: 1000, Valid: 1000, Counts: []int{999, 1, 0, 0}}
	}
	for _, d := range []report.Data{guess(1000, 5), guess(1_000_000, 1), survey(1000, 5), wide} {
		for _, width := range []int{40, 60, 80, 120, 200} {
			text := table(t, d.Summary, width, false) + histogram(t, d, width, false)
			require.NotContains(t, text, "\x1b")
			require.NotContains(t, text, "NaN")
			for line := range strings.SplitSeq(text, "\n") {
				if strings.HasPrefix(line, "answers of round") {
					continue // prose; the terminal may wrap it
				}
				require.LessOrEqual(t, runewidth.StringWidth(line), width, line)
			}
			colored := table(t, d.Summary, width, true) + histogram(t, d, width, true)
			require.Contains(t, colored, "\x1b[1m")
			require.Equal(t, squeeze(text), squeeze(regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(colored, "")), "colour changes nothing else")
		}
	}
}

// squeeze removes space at line ends, which styles may hide from trimming.
func squeeze(s string) string { return regexp.MustCompile(` +\n`).ReplaceAllString(s, "\n") }

func TestTableSaysWhatIsNotThere(t *testing.T) {
	s := base(10)
	s.Questions = []report.Question{{ID: "guess", Type: report.TypeNumber, Decimals: 2}}
	require.Equal(t, "No round was completed.\n", table(t, s, 80, false))
	require.Empty(t, histogram(t, report.Data{Summary: s}, 80, false))

	// One answer, no spread, no mode; then nobody answers.
	one := &stats.Column{Decimals: 2, Status: []stats.Status{stats.Answered, stats.Refused}, Values: []int64{1250, 0}}
	nobody := &stats.Column{Decimals: 2, Status: []stats.Status{stats.Missing, stats.Refused}, Values: []int64{0, 0}}
	for i, c := range []*stats.Column{one, nobody} {
		s.Rounds = append(s.Rounds, report.Round{Round: i + 1, Questions: map[string]report.Outcome{"guess": report.NewOutcome(c.Summarise())}})
	}
	lines := strings.Split(table(t, s, 120, false), "\n")
	require.Equal(t, []string{"1", "12.50", "12.50", "12.50", "-", "12.50", "-", "1", "0", "0", "0.00"}, strings.Fields(lines[2]))
	require.Equal(t, []string{"2", "-", "-", "-", "-", "-", "-", "0", "0", "0", "0.00"}, strings.Fields(lines[3]))
	require.Equal(t, "answers of round 1: 1 refused", lines[4])
	require.Equal(t, "answers of round 2: 1 refused, 1 missing", lines[5])
}

func TestHistogramMarksTheTarget(t *testing.T) {
	d := guess(1000, 1)
	o := d.Summary.Rounds[0].Questions["guess"]
	for target, want := range map[float64]string{-20: "◀ target -20.00", 140: "target 140.00 ▶", 50: "▲ target 50.00", 99: "target 99.00 ▲"} {
		o.Target = &target
		d.Summary.Rounds[0].Questions["guess"] = o
		require.Contains(t, histogram(t, d, 80, false), want)
	}
	// The mark stands under the bar that holds the target.
	target := 33.0
	o.Target = &target
	d.Summary.Rounds[0].Questions["guess"] = o
	lines := strings.Split(histogram(t, d, 80, false), "\n")
	mark := strings.Index(lines[len(lines)-2], "▲")
	peak := []rune(lines[1])
	require.Equal(t, '█', peak[mark], "33 is the mode of the fixture")
}

func TestSummaryNeverHoldsNaN(t *testing.T) {
	s := guess(10, 1).Summary
	s.Rounds[0].World["broken"] = math.NaN()
	require.ErrorIs(t, report.WriteJSON(&bytes.Buffer{}, s), report.ErrNotFinite)
}

func TestSummaryListsAreNeverNull(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, report.WriteJSON(&b, report.Summary{}))
	for _, key := range []string{"rounds", "models", "questions"} {
		require.Contains(t, b.String(), `"`+key+`": []`)
	}
}

func TestSummaryHasTheKeysOfTheFormat(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, report.WriteJSON(&b, survey(20, 1).Summary))
	var object struct {
		Rounds []struct {
			Questions map[string]map[string]any
		}
	}
	require.NoError(t, json.Unmarshal(b.Bytes(), &object))
	for id, q := range object.Rounds[0].Questions {
		for key := range strings.FieldsSeq("answers valid extracted repaired refused fallback missing mean min max std median mode nearest within") {
			require.Contains(t, q, key, id)
		}
	}
	require.Nil(t, object.Rounds[0].Questions["move"]["mean"], "a choice has no mean")
	at := -1
	for key := range strings.FieldsSeq(`"run" "scenario" "seed" "result_hash" "receipt" "lost" "duplicates" "repeated_calls" "faults" "rounds"`) {
		next := strings.Index(b.String(), key+":")
		require.Greater(t, next, at, key)
		at = next
	}
}

// paid is a run on language models that had to pay, and for which much went wrong.
func paid() report.Data {
	d := survey(5000, 3)
	d.Summary.Receipt = report.Receipt{
		Duplicates: 8, RepeatedCalls: 500, Faults: 1, Retries: 64, Hedges: 12, Shared: 1250,
		TokensIn: 1_204_331, TokensOut: 98_211, TokensUnreported: 3000, Money: report.Decimal(421_337), Currency: "USD",
	}
	return d
}
