package agenthost

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const benchAgents = 1024

// benchRun is a host without its goroutines that has a shard of agents in an open round.
func benchRun(b *testing.B, source string) (*Service, *run, *shard, *runlog.State) {
	s := newStage(b)
	cfg := patient()
	cfg.Batch, cfg.InFlightBytes = benchAgents, 1<<28
	h := s.host(cfg)
	_, err := s.nc.Subscribe(subjects.ChatAll(), func(*nats.Msg) {}) // or the broker says that nobody takes the calls
	require.NoError(b, err)
	require.NoError(b, s.nc.Flush())
	s.create(source, benchAgents, benchAgents, h)
	s.knows(h, func(r *run) bool { return len(r.listeners) > 0 })
	r := newRun(h, "r2")
	r.scenario = s.fold.Scenario
	r.population, err = population.Draw(context.Background(), population.FromScenario(r.scenario), nil)
	require.NoError(b, err)
	r.lanes = newLanes(r)
	sh := newShard(r, 0, 0, benchAgents, 1)
	r.shards[0] = sh
	state := s.fold.State
	state.Round = 1
	r.opened(&state)
	return h, r, sh, &state
}

// perAgent begins to count what a benchmark takes for each agent, and returns what reports it.
func perAgent(b *testing.B) (report func()) {
	b.ReportAllocs()
	objects := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.Mallocs
	}
	before := objects()
	return func() {
		agents := float64(b.N * benchAgents)
		b.ReportMetric(float64(objects()-before)/agents, "allocs/agent")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/agents, "ns/agent")
	}
}

// BenchmarkRound is a host's part of a round of 1,024 agents on one goroutine: claim, prompts, requests on the connection,
// results, reading, records for the log.
func BenchmarkRound(b *testing.B) {
	for name, source := range map[string]string{"shared": sharedAsk, "own": guess(benchAgents, ""), "persona": personaAsk} {
		b.Run(name, func(b *testing.B) { benchRound(b, source) })
	}
}

var personaAsk = fmt.Sprintf(`version: 1
name: t
rounds: 9
population: {size: %d, distributions: [{name: school, categories: [{name: high school, proportion: 1/2}, {name: Ph.D., proportion: 1/2}]}, {template: age}]}
models: {m: {provider: dummy}}
agents: {all: {model: m, system: "You play a game: report a number from 0 to 100; who is closest to 2/3 of the average wins."}}
turn:
  - {id: guess, ask: "You are {{.persona.age}} and went to {{.persona.school}}. What do you report?", answer: {type: number, min: 0, max: 100}}
`, benchAgents)

var sharedAsk = fmt.Sprintf(`version: 1
name: t
rounds: 9
population: {size: %d}
models: {m: {provider: dummy}}
agents: {all: {model: m, system: "You play a game: report a number from 0 to 100; who is closest to 2/3 of the average wins."}}
turn:
  - {id: guess, ask: "Round {{.round}}. What do you report?", answer: {type: number, min: 0, max: 100}}
`, benchAgents)

func benchRound(b *testing.B, source string) {
	_, r, sh, state := benchRun(b, source)
	l := r.lanes[0]
	report := perAgent(b)
	for b.Loop() {
		r.opened(state)
		a := asking{lane: l, now: r.current}
		require.NoError(b, a.shard(b.Context(), sh))
		batches := slices.Clone(a.batches)
		require.Len(b, batches, 1)
		a.send(b.Context())
		r.svc.asker.forget(batches[0])
		batches[0].result(benchResult(benchAgents))
		if sh.todo != 0 || sh.next(benchAgents-1) != 1 {
			b.Fatal("the round is not over")
		}
	}
	report()
}

// forget drops the request of a batch, which nobody answers.
func (a *asker) forget(b *batch) {
	for id, p := range a.pending {
		if p.to == replies(b) {
			a.over(id, p)
		}
	}
}

var benchReplies = func() (out []string) {
	for i := range benchAgents {
		out = append(out, fmt.Sprintf("%d.%06d", i%100, i))
	}
	return out
}()

func benchResult(n int) *llm.Result {
	r := &llm.Result{Done: true, Text: benchReplies[:n], TokensIn: make([]uint32, n), TokensOut: make([]uint32, n), Retries: make([]uint8, n)}
	for i := range n {
		r.Index = append(r.Index, uint32(i))
	}
	return r
}

// BenchmarkRequest is the building of prompts and their request alone.
func BenchmarkRequest(b *testing.B) {
	for name, source := range map[string]string{"shared": sharedAsk, "own": guess(benchAgents, ""), "persona": personaAsk} {
		b.Run(name, func(b *testing.B) {
			_, r, sh, _ := benchRun(b, source)
			batch := newBatch(r.current, sh, sh.rounds, 0, 0, upTo(benchAgents))
			w := new(writer)
			report := perAgent(b)
			for b.Loop() {
				shas, err := r.write(w, 1, batch, 0)
				require.NoError(b, err)
				require.Len(b, shas, benchAgents)
			}
			report()
		})
	}
}

// BenchmarkRecords is the encoding of answers for the log.
func BenchmarkRecords(b *testing.B) {
	_, r, sh, _ := benchRun(b, sharedAsk)
	batch := newBatch(r.current, sh, sh.rounds, 0, 0, upTo(benchAgents))
	c := newColumns(benchAgents)
	for i := range benchAgents {
		c.first(i, stats.Answered, int64(i)*1e6, benchReplies[i], benchResult(benchAgents), i)
		c.Agents[i], c.Model[i] = i, "m"
	}
	report := perAgent(b)
	for b.Loop() {
		data, err := r.encode(batch, &c.Answers)
		require.NoError(b, err)
		if len(data) != 1 || len(data[0]) > runlog.MaxChunkBytes {
			b.Fatal("one record is enough")
		}
	}
	report()
}
