package report_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/report"
)

func html(t *testing.T, d report.Data) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.HTML(&b, d))
	return b.String()
}

// has and hasNot do not print the page when they fail.
func has(t *testing.T, page, part string) {
	t.Helper()
	require.Contains(t, page, part, "the page lacks %q", part)
}

func hasNot(t *testing.T, page, part string) {
	t.Helper()
	require.NotContains(t, page, part, "the page has %q", part)
}

var (
	svg = regexp.MustCompile(`<svg viewBox="0 0 (?:320|980) [^>]*>`)
	ids = regexp.MustCompile(` id="([^"]*)"`)
)

func TestPageHasItsParts(t *testing.T) {
	page := html(t, guess(1000, 5))
	require.Len(t, svg.FindAllString(page, -1), 6, "five histograms and a trend")
	require.Equal(t, 5, strings.Count(page, `class="target-label"`))
	has(t, page, "The mean answer fell from 33.86 in round 1 to 6.48 in round 5.")
	has(t, page, "Behavioural model, not an LLM.")
	has(t, page, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
	has(t, page, "<pre>myriad run examples/guess-two-thirds.yaml --seed 7</pre>")
	has(t, page, "vars: {ratio: 2/3, low: 0, high: 100}")
	for _, r := range guess(1000, 5).Summary.Rounds {
		has(t, page, fmt.Sprintf("<td>%.2f</td>", *r.Questions["guess"].Mean))
	}
	require.Equal(t, page, html(t, guess(1000, 5)), "the same run gives the same page")
}

func TestPageOfChoicesPointsAndTexts(t *testing.T) {
	page := html(t, survey(1000, 4))
	require.Len(t, svg.FindAllString(page, -1), 7, "four histograms, a trend, two stacks")
	has(t, page, "Round 1, neither of the two: 3 (0.3%)")
	has(t, page, "Not only language models. Some agents are played by behavioural models: baseline (scripted).")
	has(t, page, "language model</span>")
}

func TestPageSaysWhoPlayedFromOutside(t *testing.T) {
	d := survey(100, 1)
	alice := report.Model{Name: "js", Provider: "agent", Note: "played by agent alice on host js-1", Agents: 1}
	d.Summary.Models = append(d.Summary.Models, alice)
	page := html(t, d)
	const outside = "Code agents took part, of which only the answers are known: js (played by agent alice on host js-1)."
	has(t, page, "Not only language models. Some agents are played by behavioural models: baseline (scripted). "+outside)
	d.Summary.Models = []report.Model{alice}
	page = html(t, d)
	has(t, page, outside)
	require.NotContains(t, page, "Behavioural model")
	require.NotContains(t, page, "language model")
	var b strings.Builder
	require.NoError(t, report.Codebook(&b, d.Summary, nil))
	require.Contains(t, b.String(), "| code agent, of which only the answers are known | played by agent alice on host js-1 |")
}

func TestPageOfOneRoundHasNoTrend(t *testing.T) {
	page := html(t, guess(1000, 1))
	require.Len(t, svg.FindAllString(page, -1), 1)
	has(t, page, "The mean answer is 33.86.")
}

func TestPageOfManyRoundsShowsSome(t *testing.T) {
	page := html(t, guess(100, 40))
	has(t, page, "12 of 40 rounds are shown.")
	require.Len(t, svg.FindAllString(page, -1), 13)
	for _, r := range []int{1, 40} {
		has(t, page, fmt.Sprintf("<strong>Round %d</strong>", r))
	}
}

func TestPageOfManyChoicesFoldsTheRarest(t *testing.T) {
	d := survey(1000, 2)
	q := &d.Summary.Questions[1]
	q.Choices = nil
	counts := make([]int, 12)
	for i := range counts {
		q.Choices = append(q.Choices, fmt.Sprintf("choice-%d", i))
		counts[i] = 10 * (i + 1)
	}
	for i := range d.Summary.Rounds {
		d.Summary.Rounds[i].Questions["move"] = report.Outcome{Answers: 780, Valid: 780, Counts: counts}
	}
	page := html(t, d)
	has(t, page, "5 other choices")
	has(t, page, "Round 1, 5 other choices: 150 (19.2%)")
	has(t, page, `<th scope="col">choice-0</th>`)
}

func TestPageOfARunThatPlayedNothing(t *testing.T) {
	d := guess(10, 0)
	d.Summary.State, d.Summary.StopReason, d.Summary.ResultHash = "cancelled", "interrupted", ""
	page := html(t, d)
	has(t, page, "No round was completed")
	has(t, page, "cancelled: interrupted")
	has(t, page, "none yet")
}

func TestPageOfEqualAnswers(t *testing.T) {
	d := guess(10, 2)
	for i := range d.Summary.Rounds {
		o := d.Summary.Rounds[i].Questions["guess"]
		same, none := 50.0, 0.0
		o.Mean, o.Min, o.Max, o.Median, o.Std, o.Target = &same, &same, &same, &same, &none, &same
		d.Summary.Rounds[i].Questions["guess"] = o
		d.Histograms[i]["guess"] = report.Histogram{Lo: 50, Hi: 50, Counts: []int{10, 0, 0}}
	}
	page := html(t, d)
	hasNot(t, page, "NaN")
	hasNot(t, page, "Inf")
	has(t, page, "The mean answer is 50.00 in round 1 and in round 2.")
	require.NotContains(t, histogram(t, d, 80, false), "NaN")
}

func TestHostileTextIsInert(t *testing.T) {
	const evil = `</title></style></svg><script>alert(1)</script><img src=x onerror=alert(1)>"'` + "`|\n{{.}}"
	d := survey(100, 2)
	d.Summary.Run, d.Summary.Scenario, d.Summary.ResultHash = evil, evil, evil
	d.Summary.State, d.Summary.StopReason = evil, evil
	d.Source, d.File, d.Reproduce = evil, evil, evil
	d.Summary.Models[0] = report.Model{Name: evil, Provider: evil, Note: evil, Behavioural: true}
	d.Personas = []report.Persona{{Name: evil, Categories: []report.Category{{Name: evil, Count: 5}}}}
	d.Summary.Questions[1].Choices = []string{evil, evil, evil}
	for i, r := range d.Summary.Rounds {
		r.World[evil] = 1
		r.Questions[evil] = r.Questions["guess"]
		d.Histograms[i][evil] = d.Histograms[i]["guess"]
	}
	d.Summary.Questions[0].ID, d.Summary.Questions[0].Ask = evil, evil
	page := html(t, d)
	has(t, page, "&lt;script&gt;")
	hasNot(t, page, "<script")
	hasNot(t, page, "<img")
	require.Equal(t, 1, strings.Count(page, "</style>"))
	require.Equal(t, strings.Count(page, "<svg"), strings.Count(page, "</svg>"))
	seen := map[string]bool{}
	for _, m := range ids.FindAllStringSubmatch(page, -1) {
		require.False(t, seen[m[1]], m[1])
		seen[m[1]] = true
	}

	var b bytes.Buffer
	require.NoError(t, report.Codebook(&b, d.Summary, d.Personas))
	for line := range strings.SplitSeq(b.String(), "\n") {
		if strings.Contains(line, "script") {
			require.Regexp(t, "^[#|R]", line, "text stays in its cell or line")
			require.NotRegexp(t, "(^|[^\\\\`])<script", regexp.MustCompile("`[^`]*`").ReplaceAllString(line, ""))
		}
	}
}

func TestPageAsksNothingOfTheNetwork(t *testing.T) {
	page := html(t, survey(100, 3))
	for _, reference := range []string{"http:", "https:", "src=", "href=", "url(", "@import", "<link", "<script", "NaN", "ZgotmplZ"} {
		hasNot(t, page, reference)
	}
	has(t, page, `content="default-src 'none'; style-src 'unsafe-inline'"`)
}

func TestPageErrors(t *testing.T) {
	require.ErrorIs(t, report.HTML(&broken{after: 100}, guess(100, 2)), errDisk)
	require.ErrorIs(t, report.Table(&broken{}, guess(100, 2).Summary, 80, false), errDisk)
	require.ErrorIs(t, report.TextHistogram(&broken{}, guess(100, 2), 80, false), errDisk)
	require.ErrorIs(t, report.Codebook(&broken{}, guess(100, 2).Summary, nil), errDisk)
	require.ErrorIs(t, report.WriteJSON(&broken{}, guess(100, 2).Summary), errDisk)
}

// Of texts in any form there are no figures: they are counted.
func TestTextsInAnyFormAreCounted(t *testing.T) {
	for _, kind := range []string{report.TypeText, report.TypeJSON, report.TypeCode, report.TypeTagged} {
		d := survey(100, 2)
		q := d.Summary.Questions[3]
		q.Type = kind
		d.Summary.Questions = []report.Question{q}
		page := html(t, d)
		has(t, page, `why <span class="kind">`+kind+`</span>`)
		require.Empty(t, svg.FindAllString(page, -1), "no chart")
		has(t, page, `<th scope="col">Refused</th>`)
		require.Regexp(t, `(?m)^Round +Valid +Calls`, table(t, d.Summary, 80, false))
		require.Empty(t, histogram(t, d, 80, false))
		var b bytes.Buffer
		require.NoError(t, report.Codebook(&b, d.Summary, nil))
		require.Contains(t, b.String(), "| `why` | "+kind+" | `Why?` |")
	}
}
