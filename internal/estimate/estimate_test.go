package estimate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/prompt"
	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

func load(t require.TestingT, source string) *scenario.Scenario {
	sc, err := scenario.Load("test.yaml", []byte(source), scenario.Overrides{})
	require.NoError(t, err)
	return sc
}

func priced(t testing.TB, table string) usage.Prices {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prices.yaml")
	require.NoError(t, os.WriteFile(path, []byte(table), 0o600))
	p, err := usage.LoadPrices(path)
	require.NoError(t, err)
	return p
}

const study = `version: 1
name: study
rounds: %d
population:
  size: %d
  distributions: [{name: job, categories: [{name: baker, proportion: 1/2}, {name: harbour pilot, proportion: 1/2}]}]
models: {player: {provider: openai, endpoints: ['http://localhost:9/v1'], model: m, max_tokens: 50}}
agents: {all: {model: player%s}}
memory: {turns: %s, keep: [%s]}
turn:
  - id: guess
    ask: "Round {{.round}}, you are a {{.persona.job}}. {{if gt .round 1}}Last: {{.self.last.guess}}. {{end}}Which number?"
    answer: {type: number, min: 0, max: 100}
  - id: why
    ask: "You said {{.answers.guess}}. Why?"
    answer: {type: text}
`

var systems = []string{"", ", system: You are one of many.", ", system: 'You are a {{.persona.job}}.'"}

// conversation is what every agent sends, rendered whole, with replies of so many bytes.
func conversation(t require.TestingT, sc *scenario.Scenario, reply int, each func(messages []llm.Message)) {
	pop, err := population.Draw(context.Background(), population.FromScenario(sc), nil)
	require.NoError(t, err)
	e := &estimator{sc: sc}
	text := strings.Repeat("y", reply)
	for n := range sc.Population.Size {
		var turns []prompt.Turn
		for number := 1; number <= sc.Rounds; number++ {
			r, err := prompt.NewRound(sc, e.shared(number))
			require.NoError(t, err)
			a := stranger{number: n, block: "all", sc: sc, pop: pop, round: number}
			past := prompt.Past{}
			if keep := sc.Memory.Turns; keep < 0 {
				past.Turns = turns
			} else {
				past.Turns = turns[max(0, len(turns)-keep):]
			}
			for q := range sc.Turn {
				messages, err := r.Messages(sc, a, 0, q, past)
				require.NoError(t, err)
				if s := r.SharedSystem(0); s != "" {
					messages = append([]llm.Message{{Role: llm.RoleSystem, Content: s}}, messages...)
				}
				each(messages)
				past.Earlier = append(past.Earlier, text)
			}
			turns = append(turns, prompt.Turn{Round: r, Agent: a, Replies: past.Earlier})
		}
	}
}

func length(messages []llm.Message) int {
	n := 0
	for _, m := range messages {
		n += len(m.Content)
	}
	return n
}

// What is added up round by round is what the same conversations have that are rendered whole.
func TestTheForecastCountsWhatIsSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		agents, rounds := rapid.IntRange(1, 5).Draw(t, "agents"), rapid.IntRange(1, 4).Draw(t, "rounds")
		keep := rapid.SampledFrom([]string{"question", "answer", "question, answer"}).Draw(t, "keep")
		sc := load(t, fmt.Sprintf(study, rounds, agents, rapid.SampledFrom(systems).Draw(t, "system"),
			rapid.SampledFrom([]string{"none", "1", "2", "all"}).Draw(t, "memory"), keep))
		reply := rapid.IntRange(1, 50).Draw(t, "reply")
		f, err := Make(context.Background(), sc, Settings{BytesPerToken: 1, ReplyTokens: reply, Sample: 9})
		require.NoError(t, err)

		calls, tokens := 0, 0
		conversation(t, sc, reply, func(m []llm.Message) {
			calls++
			tokens += length(m) + frameTokens*len(m)
		})
		require.Equal(t, uint64(calls), f.Total.Calls)
		require.InDelta(t, tokens, f.Total.TokensIn, 1)
		require.Equal(t, uint64(calls*reply), f.Total.TokensOut)
		require.LessOrEqual(t, f.Total.Cached, f.Total.TokensIn)
		require.Nil(t, f.Total.Micros, "there is no price")

		most := uint64(0) // with replies as long as they may be
		conversation(t, sc, 50, func(m []llm.Message) { most += usage.Upper(length(m), len(m), 50) })
		require.GreaterOrEqual(t, *f.Total.Upper, most)
		if agents == 1 {
			require.Equal(t, most, *f.Total.Upper)
		}
	})
}

// A sample stands for all.
func TestWhatACodeAgentTakesIsNotKnown(t *testing.T) {
	sc := load(t, "version: 1\nname: outside\nrounds: 3\npopulation: {size: 5}\nmodels: {js: {provider: agent, host: js-1, agent: alice}}\n"+
		"agents: {all: {model: js}}\nturn: [{id: guess, ask: Which?, answer: {type: number}}]\n")
	f, err := Make(t.Context(), sc, Settings{BytesPerToken: 4, Sample: 2})
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, f.Table(&b, false))
	require.Contains(t, b.String(), "  js: code agent, 5 agents, 15 calls\n\nNo language model of the scenario is asked.\n"+
		"Note: what agent alice on host js-1 takes for model js is not known here.\n")
	require.Zero(t, f.Total.Calls)
}

func TestSamplesAreScaled(t *testing.T) {
	source := fmt.Sprintf(study, 3, 1000, systems[2], "all", "question, answer")
	whole, err := Make(t.Context(), load(t, source), Settings{BytesPerToken: 4, Repairs: 0.1, Sample: 1000})
	require.NoError(t, err)
	some, err := Make(t.Context(), load(t, source), Settings{BytesPerToken: 4, Repairs: 0.1, Sample: 20})
	require.NoError(t, err)
	require.Equal(t, whole.Total.Calls, some.Total.Calls)
	require.Equal(t, whole.Total.Repairs, some.Total.Repairs)
	require.Equal(t, uint64(600), some.Total.Repairs)
	require.InEpsilon(t, whole.Total.TokensIn, some.Total.TokensIn, 0.05)
	require.Equal(t, *whole.Total.Upper, *some.Total.Upper, "the longest prompts are in both")
}

const plain = `version: 1
name: plain
rounds: 2
population: {size: 10}
models: {player: {provider: openai, endpoints: ['http://localhost:9/v1', 'http://localhost:8/v1'], model: m%s}}
agents: {all: {model: player, system: "%s"}}
%s
turn: [{id: guess, ask: "%s", answer: {type: number}}]
`

// A prefix cache knows what another agent, or the same one before, has sent already.
func TestCachedTokens(t *testing.T) {
	system := strings.Repeat("s", 100)
	total := func(source string) Amount {
		f, err := Make(t.Context(), load(t, source), Settings{BytesPerToken: 1, Sample: 10})
		require.NoError(t, err)
		return f.Total
	}
	require.Equal(t, uint64(2*9*100), total(fmt.Sprintf(plain, "", system, "", "{{.self.number}}?")).Cached)
	require.Equal(t, uint64(2*9*110), total(fmt.Sprintf(plain, "", system, "", strings.Repeat("q", 10))).Cached, "equal prompts")
	require.Equal(t, uint64(2*9*100), total(fmt.Sprintf(plain, "", system+"{{.self.number}}", "", "q")).Cached, "their common beginning")
	require.Zero(t, total(fmt.Sprintf(strings.Replace(plain, "size: 10", "size: 1", 1), "", system, "", "q")).Cached, "there is nobody else")
	two := strings.Replace(plain, "turn: [", `turn: [{id: first, ask: "{{.self.number}}?", answer: {type: number}}, `, 1)
	got := total(fmt.Sprintf(two, "", "{{.self.number}}", "memory: {turns: all}", "q")).Cached // the question before and its reply, of the same agent
	first, later := 3+2*frameTokens+usualReply, 6+6*frameTokens+3*usualReply
	require.Equal(t, uint64(10*(first+later)), got)
}

// What is known decides what is said: prices, bounds, throughput, and whether the budget is enough.
func TestCostTimeAndBudget(t *testing.T) {
	prices := priced(t, "currency: EUR\nmodels: {m: {input: 1, output: 2}}\n")
	set := Settings{BytesPerToken: 1, ReplyTokens: 5, Sample: 10, Prices: prices}
	source := fmt.Sprintf(plain, ", max_tokens: 10", "s", "budget: {tokens: 300, money: 0.0001, models: {player: {tokens: 1900}}}", "q")
	f, err := Make(t.Context(), load(t, source), set)
	require.NoError(t, err)
	in := uint64(20 * (2 + 2*frameTokens))
	require.Equal(t, in, f.Total.TokensIn)
	require.Equal(t, uint64(100), f.Total.TokensOut)
	require.Equal(t, in+200, *f.Total.Micros)
	require.Equal(t, "EUR", f.Currency)
	most := 20 * usage.Upper(2, 2, 10)
	require.Equal(t, most, *f.Total.Upper)
	require.Equal(t, most+20*10, *f.Total.UpperCosts)
	require.Zero(t, f.Seconds)
	require.Equal(t, []string{Likely, Short, Likely}, verdicts(f))
	require.Equal(t, []string{WholeRun, WholeRun, "player"}, []string{f.Caps[0].Which, f.Caps[1].Which, f.Caps[2].Which})

	set.Prices = usage.Prices{}
	f, err = Make(t.Context(), load(t, strings.Replace(source, "1900", "2160", 1)), set)
	require.NoError(t, err)
	require.Nil(t, f.Total.Micros)
	require.Equal(t, []string{Likely, Unknown, Enough}, verdicts(f))

	free := fmt.Sprintf(plain, "", "s", "", "q")
	f, err = Make(t.Context(), load(t, free), Settings{BytesPerToken: 1, Sample: 10, TokensPerSecond: 50, Prices: prices})
	require.NoError(t, err)
	require.Nil(t, f.Total.Upper, "nothing bounds a reply")
	require.NotNil(t, f.Total.Micros)
	require.Contains(t, f.Notes[0], "max_tokens")
	require.InDelta(t, 20*100/50/2, f.Seconds, 1e-9, "two servers share the work")
	f, err = Make(t.Context(), load(t, free), Settings{BytesPerToken: 1, Sample: 10, CallsPerSecond: 2, Repairs: 0.5})
	require.NoError(t, err)
	require.InDelta(t, 30.0/2/2, f.Seconds, 1e-9)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Make(ctx, load(t, free), Settings{BytesPerToken: 1})
	require.ErrorIs(t, err, context.Canceled)
}

func verdicts(f Forecast) []string {
	var out []string
	for _, c := range f.Caps {
		out = append(out, c.Verdict)
	}
	return out
}

// Models that work beside each other on one server take their turns on it; on different ones they do not wait.
func TestTimeOfSeveralModels(t *testing.T) {
	source := `version: 1
name: two
population: {size: 20}
models:
  a: {provider: openai, endpoints: ['http://localhost:1/v1'], model: m, max_tokens: 10}
  b: {provider: openai, endpoints: ['http://localhost:%d/v1'], model: m, max_tokens: 10}
  c: {provider: dummy, latency: 1ms}
agents: {as: {model: a, count: 5}, bs: {model: b, count: 10}, cs: {model: c, count: 5}}
turn: [{id: guess, ask: "?", answer: {type: number, min: 0, max: 1}}]
`
	for port, want := range map[int]float64{1: 150, 2: 100} {
		f, err := Make(t.Context(), load(t, fmt.Sprintf(source, port)), Settings{BytesPerToken: 4, TokensPerSecond: 1})
		require.NoError(t, err)
		require.InDelta(t, want, f.Seconds, 1e-9)
		require.Equal(t, uint64(15), f.Total.Calls)
		require.Equal(t, uint64(5), f.Models[2].Calls)
		require.True(t, f.Models[2].Behavioural())
	}
}
