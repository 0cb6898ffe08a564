package test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/report"
)

// readFile returns the content of a result file.
func readFile(t testing.TB, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(data)
}

// summaryKeys are what programs may rely on, at every level.
var summaryKeys = map[string][]string{
	"":        {"run", "scenario", "seed", "result_hash", "receipt", "rounds"},
	"receipt": {"lost", "duplicates", "repeated_calls", "faults", "retries", "hedges", "shared", "tokens_in", "tokens_out", "tokens_unreported"},
	"round":   {"round", "seconds", "calls", "tokens_in", "tokens_out", "world", "questions"},
	"question": {
		"answers", "valid", "extracted", "repaired", "refused", "fallback", "missing",
		"mean", "min", "max", "std", "median", "mode", "nearest", "within",
	},
}

func requireKeys(t testing.TB, level string, object map[string]any) {
	t.Helper()
	for _, key := range summaryKeys[level] {
		require.Contains(t, object, key, "%s of the summary", level)
	}
}

// checkFiles checks the result files of a finished run of the guessing game against each other and its summary.
func checkFiles(t testing.TB, dir string, sum report.Summary) {
	t.Helper()
	loose := parsed[map[string]any](t, readFile(t, dir, "summary.json"))
	requireKeys(t, "", loose)
	requireKeys(t, "receipt", loose["receipt"].(map[string]any))
	for _, r := range loose["rounds"].([]any) {
		round := r.(map[string]any)
		requireKeys(t, "round", round)
		requireKeys(t, "question", round["questions"].(map[string]any)["guess"].(map[string]any))
	}
	require.Equal(t, sum, parsed[report.Summary](t, readFile(t, dir, "summary.json")))

	table, err := csv.NewReader(strings.NewReader(readFile(t, dir, "results.csv"))).ReadAll()
	require.NoError(t, err)
	require.Len(t, table, 1+sum.Agents*len(sum.Rounds))
	lines := strings.Split(strings.TrimSuffix(readFile(t, dir, "results.jsonl"), "\n"), "\n")
	require.Len(t, lines, len(table)-1)
	head := table[0]
	sums := map[string]*big.Rat{}
	for i, line := range lines {
		var object map[string]any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		require.NoError(t, d.Decode(&object), line)
		require.Len(t, object, len(head))
		row := map[string]string{}
		for c, name := range head {
			text := "" // of null
			if object[name] != nil {
				text = fmt.Sprint(object[name])
			}
			require.Equal(t, table[i+1][c], text, "row %d, column %s", i, name)
			row[name] = table[i+1][c]
		}
		require.Equal(t, sum.Run, row["run"])
		require.Equal(t, fmt.Sprint(i%sum.Agents), row["agent"])
		require.Equal(t, fmt.Sprint(1+i/sum.Agents), row["round"])
		require.Equal(t, "answered", row["status"])
		value, ok := new(big.Rat).SetString(row["value"])
		require.True(t, ok, row["value"])
		if sums[row["round"]] == nil {
			sums[row["round"]] = new(big.Rat)
		}
		sums[row["round"]].Add(sums[row["round"]], value)
	}
	for _, r := range sum.Rounds {
		q := r.Questions["guess"]
		require.Equal(t, sum.Agents, q.Answers)
		require.Equal(t, sum.Agents, q.Valid)
		mean, _ := new(big.Rat).Quo(sums[fmt.Sprint(r.Round)], big.NewRat(int64(sum.Agents), 1)).Float64()
		require.InEpsilon(t, mean, *q.Mean, 1e-12, "round %d", r.Round)
	}
	codebook := readFile(t, dir, "codebook.md")
	for _, name := range head {
		require.Contains(t, codebook, name)
	}
	checkPage(t, readFile(t, dir, "report.html"), sum)
}

// fetches are the ways in which a page has a browser fetch something.
var fetches = regexp.MustCompile(`(?i)(\bsrc|\bhref|\bsrcset|\baction|\bposter|\bdata|xlink:href)\s*=\s*["']?\s*([a-z]+:)?//|url\(\s*["']?[^#"')]|@import|<script[^>]+src|<link\b|<iframe|<base\b`)

// checkPage checks that a report shows the run and needs nothing from elsewhere.
func checkPage(t testing.TB, page string, sum report.Summary) {
	t.Helper()
	require.Empty(t, fetches.FindAllString(page, -1))
	require.Contains(t, page, sum.ResultHash)
	require.Contains(t, page, "not a language model")
	// A histogram for each round, and the means over the rounds.
	require.GreaterOrEqual(t, strings.Count(page, "<svg"), len(sum.Rounds)+1)
}
