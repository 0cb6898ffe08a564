package test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/internal/stats"
)

// modelScenario asks every agent for a number in a way the model server understands. It has verbs for the name, the
// endpoint and more keys of the scenario.
const modelScenario = `
version: 1
name: %s
seed: 3
rounds: 2
population: {size: 1000}
models:
  player: {provider: openai, endpoints: [%q], model: ` + modelName + `, timeout: 2s, concurrency: 32, max_tokens: 64}
agents: {players: {model: player, system: "You are one of {{.size}} people who guess."}}
turn:
  - id: guess
    ask: "Agent {{.self.number}}, round {{.round}}: which number from 0 to 100 do you report?"
    answer: {type: number, min: 0, max: 100, decimals: 2, max_retries: 1}
update: {world: {mean: mean(answers.guess)}}
%s
`

// fault is what the server does wrong at the first asking of one agent in a hundred.
type fault int

const (
	prose     fault = iota // several numbers: only an extraction call can tell the answer
	fenced                 // JSON in a code fence
	truncated              // JSON that ends after its value
	limited                // 429 with Retry-After
	broken                 // 500
	empty                  // no choices
	hung                   // no response
	faults
)

// faultOf picks, for each fault, exactly one of any hundred agents in every round, and no agent for two faults.
func faultOf(agent, round int) fault { return fault((agent + 37*round) % 100) }

// meant is the answer that the server has in mind for an agent.
func meant(agent, round int) string {
	return fmt.Sprintf("%.2f", float64((agent*7919+round*104729)%10001)/100)
}

const retryAfter = time.Second

func faulty(a ask) reply {
	value := meant(a.agent, a.round)
	if a.extraction {
		return reply{text: value}
	}
	first := a.before == 0
	switch f := faultOf(a.agent, a.round); {
	case f == prose:
		return reply{text: "Some would say 50, and then 25 looks clever. I was between 33.4 and " + value + ", and others are at 12."}
	case f == fenced:
		return reply{text: "```json\n{\"reasoning\": \"half of 50, and half again\", \"guess\": " + value + "}\n```"}
	case f == truncated:
		return reply{text: "{\"guess\": " + value + ", \"reasoning\": \"half of 50, and then half ag"}
	case f == limited && first:
		return reply{status: 429, after: retryAfter}
	case f == broken && first:
		return reply{status: 500}
	case f == empty && first:
		return reply{empty: true}
	case f == hung && first:
		return reply{hang: true}
	}
	return reply{text: value}
}

// Every recorded value is what the server meant, and the counts are those of the faults.
func TestFaultyModelServer(t *testing.T) {
	t.Parallel()
	const agents = 300
	server := startModelServer(t, faulty)
	sys := startSystem(t, func(s *stack.Settings) {
		s.LLMProxy.Backoff, s.LLMProxy.BreakerWait = 50*time.Millisecond, 200*time.Millisecond
	})
	in := smaller(agents, 2)
	in.Source = fmt.Sprintf(modelScenario, "faulty", server.url, "")
	st := sys.play(t, in)
	require.Empty(t, server.complaints())

	const perFault = agents / 100 // in each round
	sum := results.Summary(st)
	require.Len(t, sum.Rounds, 2)
	for _, r := range sum.Rounds {
		q := r.Questions["guess"]
		require.Equal(t, agents, q.Valid, "round %d", r.Round)
		require.Zero(t, q.Missing+q.Fallback+q.Refused, "round %d", r.Round)
		require.Equal(t, perFault, q.Extracted, "round %d", r.Round)
		require.Equal(t, perFault, q.Repaired, "round %d", r.Round)
		require.Equal(t, 4*perFault, r.Retries, "round %d", r.Round) // limited, broken, empty, hung
		require.Equal(t, agents+perFault, r.Calls, "round %d", r.Round)
		require.Equal(t, 11*(agents+perFault), r.TokensIn, "round %d", r.Round)
	}
	require.Zero(t, sum.Receipt.RepeatedCalls)
	require.Zero(t, sum.Receipt.Duplicates)

	rows := sys.rows(t, st)
	require.Len(t, rows, 2*agents)
	status := map[fault]stats.Status{prose: stats.Extracted, truncated: stats.Repaired}
	for _, r := range rows {
		f := faultOf(r.Agent, r.Round)
		want := stats.Answered
		if s, ok := status[f]; ok {
			want = s
		}
		require.Equal(t, want, r.Status, "agent %d, round %d: %s", r.Agent, r.Round, r.Raw)
		require.Equal(t, meant(r.Agent, r.Round), r.Value.String(), "agent %d, round %d: %s", r.Agent, r.Round, r.Raw)
		require.Equal(t, modelName, r.ServedModel)
		asked := server.times(r.Agent, r.Round)
		switch {
		case f >= limited && f < faults:
			require.Len(t, asked, 2, "agent %d, round %d", r.Agent, r.Round)
		default:
			require.Len(t, asked, 1, "agent %d, round %d", r.Agent, r.Round)
		}
		if f == limited {
			require.GreaterOrEqual(t, asked[1].Sub(asked[0]), retryAfter, "agent %d, round %d", r.Agent, r.Round)
		}
		if f == prose {
			require.Contains(t, r.Raw, "others are at 12") // the reply itself is kept, not what was made of it
			require.Equal(t, 2, r.Attempts)
		}
	}
}
