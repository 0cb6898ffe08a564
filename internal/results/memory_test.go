package results

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const oneNumber = `version: 1
name: one
seed: 7
rounds: 3
population:
  size: SIZE
  distributions:
    - {name: education, categories: [{name: school, proportion: 1/2}, {name: Ph.D., proportion: 1/2}]}
    - {name: age, categories: [{name: young, proportion: 1/2}, {name: old, proportion: 1/2}]}
models:
  m: {provider: openai, endpoints: ['http://localhost:1/v1'], model: x}
agents: {players: {model: m}}
turn:
  - {id: guess, ask: "Guess", answer: {type: number, min: 0, max: 100}}
update: {world: {mean: mean(answers.guess)}}
report: {winners: {nearest: world.mean, within: 1}}
`

// chunk is how many answers a host writes at a time.
const chunk = 256

// playNumbers plays rounds in which each agent says a number.
func (l *log) playNumbers(rounds int) {
	l.Helper()
	for range rounds {
		l.open(0)
		for first := 0; first < l.fold.Created.Agents; first += chunk {
			a := &runlog.Answers{Shard: first / l.fold.Created.ShardSize}
			for agent := first; agent < min(first+chunk, l.fold.Created.Agents); agent++ {
				a.Agents, a.Status, a.Values = append(a.Agents, agent), append(a.Status, stats.Answered), append(a.Values, int64(agent%100)*1_000_000)
				a.Text, a.TokensIn, a.TokensOut = append(a.Text, fmt.Sprintf("%d.000000", agent%100)), append(a.TokensIn, 0), append(a.TokensOut, 0)
				a.Calls, a.Retries, a.PromptSHA = append(a.Calls, 1), append(a.Retries, 0), append(a.PromptSHA, uint64(agent)) //nolint:gosec // positive
				a.Model, a.Served = append(a.Model, "m"), append(a.Served, "")
			}
			data, err := runlog.EncodeAnswers(runlog.Header{Run: l.fold.Run, Round: l.fold.Round, Writer: "h1", Epoch: 1}, a)
			require.NoError(l, err)
			_, err = l.js.PublishAsync(subjects.LogAnswer(l.fold.Run, a.Shard), data)
			require.NoError(l, err)
		}
		<-l.js.PublishAsyncComplete()
		l.close()
	}
}

// What Rows holds does not grow with rounds, and with agents only by what a fold holds of them: 9 bytes each, where the
// answers of a round would take 125.
func TestRowsHoldNoRound(t *testing.T) {
	const agents, rounds = 200_000, 3
	l := newLogOf(t, oneNumber, "r1", agents, 1024)
	l.playNumbers(rounds)
	s := l.read()
	l.fold = nil
	heap := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc) //nolint:gosec // far less
	}
	before, most, n := heap(), 0, 0
	require.NoError(t, Rows(t.Context(), l.js, s, func(*report.Row) error {
		if n++; n%50_000 == 0 {
			most = max(most, heap()-before)
		}
		return nil
	}))
	require.Equal(t, agents*rounds, n)
	require.Less(t, most, 16<<20)
}
