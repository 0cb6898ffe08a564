package llmproxy

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// BenchmarkDummy is the path of the million-agent round: from the bytes of a request of 256 calls to its result on the
// connection, with a model that takes no time.
func BenchmarkDummy(b *testing.B) { benchmark(b, dummyModel, nil) }

// BenchmarkLevelK is the same path with the behavioural player.
func BenchmarkLevelK(b *testing.B) {
	g := guessAverage(2./3, 0)
	benchmark(b, scenario.Model{Name: "player", Provider: "levelk", Tau: "1.5"}, &g)
}

func benchmark(b *testing.B, m scenario.Model, g *llm.GameFacts) {
	srv := natstest.Start(b)
	svc, err := New(srv.InProcess(b), slog.New(slog.DiscardHandler), fast(b))
	require.NoError(b, err)
	f := numberFacts(0, 100)
	f.Game = g
	req := request(b, m, f, llm.ChunkCalls)
	req.System = strings.Repeat("You play a game. ", 20)
	payload, err := llm.EncodeRequest(req)
	require.NoError(b, err)
	msg := &nats.Msg{Subject: "myriad.llm.player.chat", Reply: "nobody.listens", Data: payload}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		svc.receive(ctx, msg)
		svc.queue.tasks[0]()
		svc.queue.tasks = svc.queue.tasks[:0]
	}
	require.Zero(b, accepted(svc))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*llm.ChunkCalls), "ns/call")
}
