package test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/estimate"
	"github.com/myriad-sim/myriad/internal/fakevllm"
	"github.com/myriad-sim/myriad/internal/report"
)

// What a forecast says before a run, beside what the run then takes: the calls are exact, the likely tokens near, and the
// bound is one, also of the money.
func TestEstimateBesideTheRun(t *testing.T) {
	t.Parallel()
	dir := write(t, "prices.yaml", "currency: USD\nmodels:\n  \"test/*\": {input: 0.5, output: 2}\n")
	env := []string{"MYRIAD_LLMPROXY_PRICES=prices.yaml"}
	own := guessingOn("forecast", 3, 200, "", "memory: {turns: all}", "http://127.0.0.1:1/v1")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "own.yaml"), []byte(own), 0o600))

	for name, c := range map[string]struct {
		file    string
		flags   []string
		style   fakevllm.Style
		noBatch bool
		reply   int // tokens
	}{
		"own prompts and memory": {"own.yaml", nil, fakevllm.Plain, true, 2},
		"survey": {example(t, "opinion-llm.yaml"), []string{"--agents", "400",
			"--set", "models.typical.share_identical=false"}, fakevllm.Plain, false, 6},
		"reasoned": {example(t, "guess-two-thirds-llm.yaml"), []string{"--agents", "200", "--rounds", "2"}, fakevllm.Reasoned, false, 60},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, url := startVLLM(t, fakevllm.Options{Style: c.style, NoBatch: c.noBatch})
			flags := append([]string{c.file}, c.flags...)
			for _, model := range []string{"player", "voter", "typical"} {
				if (model == "player") == (name != "survey") {
					flags = append(flags, "--set", fmt.Sprintf("models.%s.endpoints=[%s]", model, url), "--set", "models."+model+".model="+modelName)
				}
			}
			run := call{dir: dir, env: env}
			text := run.run(t, append([]string{"estimate", "--reply-tokens", fmt.Sprint(c.reply), "--repairs", "0", "--json"}, flags...)...).ok(t)
			f := parsed[estimate.Forecast](t, text)
			require.Zero(t, server.Stats().Requests, "a forecast asks nobody")
			sum := parsed[report.Summary](t, run.run(t, append([]string{"run", "--json", "--data", t.TempDir(), "--out", t.TempDir()}, flags...)...).ok(t))

			calls := 0
			for _, r := range sum.Rounds {
				calls += r.Calls
			}
			require.Len(t, sum.Rounds, f.Rounds)
			require.Equal(t, f.Total.Calls, uint64(calls), "calls are exact")
			spent := server.Stats()
			require.Equal(t, f.Total.Calls, spent.Asked)
			require.Equal(t, int(spent.PromptTokens), sum.Receipt.TokensIn)
			require.Equal(t, int(spent.OutputTokens), sum.Receipt.TokensOut)
			require.InEpsilon(t, float64(spent.PromptTokens), float64(f.Total.TokensIn), 0.1)
			require.InEpsilon(t, float64(spent.OutputTokens), float64(f.Total.TokensOut), 0.25)
			require.GreaterOrEqual(t, *f.Total.Upper, spent.PromptTokens+spent.OutputTokens, "the bound holds")

			require.Equal(t, "USD", sum.Receipt.Currency)
			micros := (spent.PromptTokens + 4*spent.OutputTokens + 1) / 2 // 0.5 and 2 a million are as many micros a token
			money, err := control.ParseMoney(sum.Receipt.Money)
			require.NoError(t, err)
			got := uint64(money)
			require.GreaterOrEqual(t, got, micros)
			require.LessOrEqual(t, got, micros+spent.Requests, "each request is rounded up")
			require.GreaterOrEqual(t, *f.Total.UpperCosts, got)
			require.InEpsilon(t, float64(got), float64(*f.Total.Micros), 0.25)
		})
	}
}
