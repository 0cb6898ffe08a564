package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/reading"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// difficult has a number that is often hard to have, and a text that falls back to the one before. It has verbs for the
// endpoint and for how the number is read.
const difficult = `
version: 1
name: difficult
seed: 3
rounds: 3
population: {size: 120}
models:
  player: {provider: openai, endpoints: [%q], model: ` + modelName + `, timeout: 2s, concurrency: 32, max_tokens: 64}
agents: {players: {model: player}}
missing: {then: previous}
turn:
  - id: guess
    ask: "Agent {{.self.number}}, round {{.round}}: which number from 0 to 100 do you report?"
    answer: {type: number, min: 0, max: 100, decimals: 2, %s}
  - id: why
    ask: "Agent {{.self.number}}, round {{.round}}: why?"
    answer: {type: text, max_retries: 0}
update: {world: {mean: mean(answers.guess)}}
`

// stubborn does everything to an answer that a server can.
func stubborn(a ask) reply {
	value := meant(a.agent, a.round)
	if a.extraction {
		switch {
		case a.agent%20 == 3:
			return reply{status: http.StatusBadRequest} // then the agent is asked again
		case a.agent%20 == 4:
			return reply{text: value, cut: true}
		}
		return reply{text: value}
	}
	prose := "Some would say 50, and then 25 looks clever. I was between 33.4 and " + value + ", and others are at 12."
	switch a.agent % 20 {
	case 1, 2, 3, 4:
		if a.before == 0 {
			return reply{text: prose}
		}
	case 5:
		return reply{text: "150"} // out of range for ever
	case 6:
		if a.round > 1 {
			return reply{status: http.StatusBadRequest}
		}
	case 7:
		return reply{text: value, cut: a.round > 1}
	case 8:
		return reply{text: strings.Repeat("é", reading.MaxReply)}
	case 10:
		return reply{text: "I cannot help with that."}
	}
	return reply{text: value}
}

// callsBy are the calls of a proxy by provider.
func callsBy(t testing.TB, metrics *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := metrics.Gather()
	require.NoError(t, err)
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "myriad_llmproxy_calls_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "provider" {
					out[l.GetValue()] += m.GetCounter().GetValue()
				}
			}
		}
	}
	return out
}

// said are the answers of a run without what it took to have them.
func said(rows []report.Row) []string {
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprintf("%d %d %s %s %s %s", r.Round, r.Agent, r.Question, r.Status, r.Value, r.Raw))
	}
	return out
}

// A run is played again, with replies of every kind, and no model is asked: the same answers, status and hash. A replay can
// be replayed itself.
func TestReplay(t *testing.T) {
	t.Parallel()
	server := startModelServer(t, stubborn)
	metrics := prometheus.NewRegistry()
	sys := startSystem(t, func(s *stack.Settings) {
		s.LLMProxy.Registerer = metrics
		s.LLMProxy.ReplayBytes = 20_000 // less than a round
	})
	source := fmt.Sprintf(difficult, server.url, "max_retries: 1")
	first := sys.play(t, control.Submission{Source: source, ShardSize: 64})
	rows := sys.rows(t, first)
	require.Len(t, rows, 3*2*120)
	statuses := map[string]int{}
	for _, r := range rows {
		statuses[r.Status.String()]++
	}
	for _, status := range []string{"answered", "extracted", "repaired", "refused", "fallback", "missing"} {
		require.Positive(t, statuses[status], "%v", statuses)
	}
	asked, calls := len(server.times(0, 1))+len(server.times(1, 1)), callsBy(t, metrics)
	require.Positive(t, calls["openai"])

	of, repeated := first.Run, 0
	for _, size := range []int{50, 1024} {
		again := sys.settled(t, sys.order(t, control.Replay, control.Again{Run: of, ShardSize: size}).ID)
		require.Equal(t, "finished", again.Status(), again.Reason)
		require.Equal(t, first.Hash, again.Hash)
		require.Equal(t, said(rows), said(sys.rows(t, again)))
		require.Equal(t, "replay:"+of, again.Created.Overrides.Models["player"])
		require.Contains(t, results.Note(*again.Scenario.Model("player")), of)
		of = again.Run
		repeated += results.Summary(again).Receipt.RepeatedCalls // where the machine is so busy that the proxy seems to be lost
	}
	now := callsBy(t, metrics)
	require.Equal(t, calls["openai"], now["openai"], "no model was asked")
	require.GreaterOrEqual(t, now["replay"], 2*calls["openai"]-1, "every call was answered from the log")
	require.LessOrEqual(t, now["replay"], 2*calls["openai"]+1+float64(repeated))
	require.Equal(t, asked, len(server.times(0, 1))+len(server.times(1, 1)))
	require.Empty(t, server.complaints())

	t.Run("other rules", func(t *testing.T) {
		reread := func(rule string) *runlog.State {
			return sys.settled(t, sys.submit(t, control.Submission{
				Source: fmt.Sprintf(difficult, server.url, rule), Overrides: scenario.Overrides{Models: map[string]string{"player": "replay:" + first.Run}},
			}))
		}
		st := reread("extract: rule, max_retries: 0") // asks nothing that was not asked then
		require.Equal(t, "finished", st.Status(), st.Reason)
		require.NotEqual(t, first.Hash, st.Hash)
		require.Zero(t, results.Summary(st).Rounds[0].Questions["guess"].Extracted)

		st = reread("extract: always")
		require.Equal(t, "paused", st.Status())
		require.Regexp(t, `^model player: nothing to replay was recorded: run `+first.Run+`, round 1, agent \d+, question guess, attempt 1 \(reading the reply\)$`, st.Reason)
	})
	t.Run("refusals", func(t *testing.T) {
		err := control.Ask(t.Context(), sys.nc, control.Replay, control.Again{Run: "gone"}, nil)
		require.ErrorContains(t, err, "there is no run of that id")
		err = control.Ask(t.Context(), sys.nc, control.Submit, control.Submission{
			File: "x", Source: source, Overrides: scenario.Overrides{Models: map[string]string{"player": "replay:gone"}},
		}, nil)
		require.ErrorContains(t, err, "model player: there is no run gone to replay")
	})
}

// Behavioural players are replayed as what they are, also where the scenario has every reply of a language model extracted.
func TestReplayOfAGame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := call{dir: dir}
	always := strings.Replace(gameSource(t), "type: number,", "type: number, extract: always,", 1)
	require.Contains(t, always, "extract: always")
	file := write(t, "game.yaml", always) + "/game.yaml"
	sum := parsed[report.Summary](t, c.run(t, "run", file, "--json", "--out", "first").ok(t))

	out := c.run(t, "replay", sum.Run, "--out", "again").ok(t)
	require.Contains(t, out, "Same result hash as run "+sum.Run+": "+sum.ResultHash)
	require.Contains(t, out, "Result hash: "+sum.ResultHash)
	require.NotContains(t, out, "--model player=openai", "it is not for trying out")
	html := readFile(t, dir+"/again", "report.html")
	require.Contains(t, html, "A replay: player (what was said in run "+sum.Run)
	require.NotContains(t, html, "Behavioural model")

	require.Contains(t, c.run(t, "replay", sum.Run, "--rounds", "2").ok(t), "Same result hash as run "+sum.Run+" after round 2: ")
	require.Contains(t, c.run(t, "replay", sum.Run, "--agents", "900").fails(t, 1), "The results differ from round 1 on: run "+sum.Run)
	miss := c.run(t, "replay", sum.Run, "--agents", "1001").fails(t, 1)
	require.Contains(t, miss, "The replay cannot go on: model player: nothing to replay was recorded: run "+sum.Run+", round 1, agent 1000, question guess, attempt 0 (the question)")
	require.Contains(t, c.run(t, "runs").ok(t), "cancelled", "what cannot go on is over")
	require.Contains(t, c.run(t, "replay", "gone").fails(t, 1), `there is no run "gone"`)
}
