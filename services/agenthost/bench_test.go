package agenthost

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
)

const benchAgents = 1024

// benchRun is a host without its goroutines that has a shard of agents in an open round.
func benchRun(b *testing.B, source string) (*Service, *run, *shard, *runlog.State) {
	s := newStage(b)
	h := s.host(patient())
	s.create(source, benchAgents, benchAgents, h)
	s.knows(h, func(r *run) bool { return len(r.listeners) > 0 })
	r := newRun(h, "r2")
	r.scenario = s.fold.Scenario
	var err error
	r.population, err = population.Draw(context.Background(), population.FromScenario(r.scenario), nil)
	require.NoError(b, err)
	sh := newShard(r, 0, 0, benchAgents, 1)
	r.shards[0] = sh
	state := s.fold.State
	state.Round = 1
	r.opened(&state)
	return h, r, sh, &state
}

func perAgent(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchAgents), "ns/agent")
}

// BenchmarkRound is a host's part of a round of 1,024 agents on one goroutine: claim, prompts, requests on the connection,
// results, reading, records for the log.
func BenchmarkRound(b *testing.B) {
	for name, source := range map[string]string{"shared": sharedAsk, "own": guess(benchAgents, "")} {
		b.Run(name, func(b *testing.B) { benchRound(b, source) })
	}
}

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
	h, r, sh, state := benchRun(b, source)
	block, question := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		r.opened(state)
		for agents := sh.claim(question); len(agents) > 0; {
			_, n := r.cut(agents)
			require.True(b, h.flight.TryAcquire(int64(n)))
			batch := newBatch(r.current, sh, block, question, agents[:n])
			batch.open, batch.left = make([]bool, n), n
			req, err := r.request(batch, batch.items)
			require.NoError(b, err)
			require.NoError(b, r.asked(batch))
			require.NoError(b, h.asker.send("nobody.listens", req, conversation(nil)))
			h.asker.forget(req.ID)
			result := benchResult(n)
			for i := range batch.open {
				batch.open[i] = true
			}
			batch.result(result)
			agents = agents[n:]
		}
		if sh.todo != 0 || sh.next(benchAgents-1) != 1 {
			b.Fatal("the round is not over")
		}
	}
	perAgent(b)
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
	for name, source := range map[string]string{"shared": sharedAsk, "own": guess(benchAgents, "")} {
		b.Run(name, func(b *testing.B) {
			_, r, sh, _ := benchRun(b, source)
			agents := make([]int, benchAgents)
			for i := range agents {
				agents[i] = i
			}
			batch := newBatch(r.current, sh, 0, 0, agents)
			b.ReportAllocs()
			for b.Loop() {
				for at := 0; at < benchAgents; {
					req, err := r.request(batch, batch.items[at:])
					require.NoError(b, err)
					at += len(req.Calls)
				}
			}
			perAgent(b)
		})
	}
}

// BenchmarkRecords is the encoding of answers for the log.
func BenchmarkRecords(b *testing.B) {
	_, r, sh, _ := benchRun(b, sharedAsk)
	agents := make([]int, 256)
	for i := range agents {
		agents[i] = i
	}
	batch := newBatch(r.current, sh, 0, 0, agents)
	for i, it := range batch.items {
		it.status, it.value, it.reply, it.calls = stats.Answered, int64(i)*1e6, benchReplies[i], 1
	}
	b.ReportAllocs()
	for b.Loop() {
		data, err := r.encode(batch, batch.items)
		require.NoError(b, err)
		if len(data) != 1 || len(data[0]) > runlog.MaxChunkBytes {
			b.Fatal("one record is enough")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(agents)), "ns/agent")
}
