package test

import (
	"flag"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

var durabilityAgents = flag.Int("agents", 20_000, "agents of BenchmarkDurability: a million for docs/performance.md")

// What syncing costs: rounds of a run on a broker that syncs each record before it acknowledges it, as Myriad's does, and on
// one that syncs every two minutes, as NATS does by itself. The two take turns, so that what else the machine does hits both.
// The figure is seconds a round, of which the model takes one.
func BenchmarkDurability(b *testing.B) {
	const rounds = 3
	sides := map[string]*system{}
	for name, sync := range map[string]bool{"synced": true, "unsynced": false} {
		sides[name] = onServer(b, &server.Options{
			Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: b.TempDir(), SyncAlways: sync, SyncInterval: 2 * time.Minute,
			MaxPayload: bus.MaxPayload, MaxPending: 256 << 20, NoSigs: true, NoLog: true,
		})
	}
	source := `
version: 1
name: durability
rounds: 3
population: {size: 1000}
models: {sleeper: {provider: dummy, latency: 1s}}
agents: {everyone: {model: sleeper, system: You are one of many.}}
turn:
  - {id: guess, ask: 'You are {{.self.number}}. Which number?', answer: {type: number, min: 0, max: 100, decimals: 2}}
update: {world: {mean: mean(answers.guess)}}
`
	took := map[string]time.Duration{}
	for b.Loop() {
		for _, name := range []string{"synced", "unsynced"} {
			st := sides[name].play(b, control.Submission{Source: source, Overrides: scenario.Overrides{Agents: durabilityAgents}})
			took[name] += st.Rounds[rounds-1].ClosedAt.Sub(st.Rounds[0].OpenedAt)
		}
	}
	for name, d := range took {
		b.ReportMetric(d.Seconds()/float64(b.N*rounds), "s/round-"+name)
	}
	b.ReportMetric(float64(took["synced"])/float64(took["unsynced"]), "synced/unsynced")
	b.ReportMetric(0, "ns/op")
}

// onServer starts the services on a NATS server with settings of its own.
func onServer(t testing.TB, o *server.Options) *system {
	t.Helper()
	ns, err := server.NewServer(o)
	require.NoError(t, err)
	ns.Start()
	t.Cleanup(func() {
		ns.Shutdown()
		ns.WaitForShutdown()
	})
	require.True(t, ns.ReadyForConnections(patience))
	set, err := stack.FromEnv()
	require.NoError(t, err)
	set.Coordinator.HTTP = ""
	set.LLMProxy.Registerer = prometheus.NewRegistry()
	log := slog.New(slog.DiscardHandler)
	st, err := stack.Start(t.Context(), stack.Config{Settings: set, Connect: bus.ConnectConfig{URL: ns.ClientURL()}}, log)
	require.NoError(t, err)
	js, err := jetstream.New(st.Conn())
	require.NoError(t, err)
	sys := &system{st.Conn(), js, st}
	t.Cleanup(func() { sys.close(t) })
	return sys
}
