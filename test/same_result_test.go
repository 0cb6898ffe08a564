package test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

const game = "guess-two-thirds.yaml"

// gameSource is the source of the example.
func gameSource(t testing.TB) string {
	t.Helper()
	source, err := os.ReadFile(example(t, game))
	require.NoError(t, err)
	return string(source)
}

// The result hash of the example does not depend on how it is played. The first run is the one a newcomer makes; its
// files are checked too.
func TestSameResultHoweverItIsPlayed(t *testing.T) {
	dir := t.TempDir()
	stdout := call{dir: dir}.run(t, "run", example(t, game), "--out", "out", "--json").ok(t)
	first := parsed[report.Summary](t, stdout)
	require.Equal(t, "finished", first.State)
	require.Equal(t, 1000, first.Agents)
	require.Len(t, first.Rounds, 5)
	require.Equal(t, report.Receipt{}, first.Receipt)
	require.Len(t, first.ResultHash, 64)
	checkFiles(t, filepath.Join(dir, "out"), first)
	same := func(t *testing.T, st *runlog.State) {
		t.Helper()
		sum := results.Summary(st)
		require.Equal(t, first.ResultHash, sum.ResultHash)
		require.NotEqual(t, first.Run, sum.Run)
	}

	t.Run("again on one processor", func(t *testing.T) {
		c := call{env: []string{"GOMAXPROCS=1"}}
		again := parsed[report.Summary](t, c.run(t, "run", example(t, game), "--json").ok(t))
		require.Equal(t, first.ResultHash, again.ResultHash)
		require.NotEqual(t, first.Run, again.Run)
	})
	t.Run("another seed is another result", func(t *testing.T) {
		other := parsed[report.Summary](t, call{}.run(t, "run", example(t, game), "--seed", "8", "--json").ok(t))
		require.NotEqual(t, first.ResultHash, other.ResultHash)
	})
	t.Run("shards", func(t *testing.T) {
		sys := startSystem(t, nil)
		for _, size := range []int{1024, 77} {
			st := sys.play(t, control.Submission{Source: gameSource(t), ShardSize: size})
			require.Equal(t, (1000+size-1)/size, st.Shards())
			same(t, st)
		}
		few := scenario.Overrides{Agents: new(150)} // each shard has its own records, and each record is synced to disk
		one := sys.play(t, control.Submission{Source: gameSource(t), ShardSize: 1, Overrides: few})
		require.Equal(t, 150, one.Shards())
		require.Equal(t, sys.play(t, control.Submission{Source: gameSource(t), Overrides: few}).Hash, one.Hash)
		require.NotEmpty(t, one.Hash)
	})
	t.Run("batches of 7", func(t *testing.T) {
		sys := startSystem(t, func(s *stack.Settings) { s.AgentHost.Batch = 7 })
		same(t, sys.play(t, control.Submission{Source: gameSource(t)}))
	})
	t.Run("five processes, and a second host", func(t *testing.T) {
		server := natstest.Start(t)
		env := []string{"MYRIAD_NATS_URL=" + server.URL(), "MYRIAD_COORDINATOR_HTTP=127.0.0.1:0"}
		var services []*process
		for _, name := range stack.Names {
			services = append(services, call{env: env}.start(t, name))
		}
		sys := connect(t, server)
		// The coordinator looks at the register every second, so the first run after a host came may not use it.
		play := func(hosts int) {
			sys.ready(t, hosts)
			owners := map[string]bool{}
			for tries := 0; len(owners) != hosts; tries++ {
				require.Less(t, tries, 20, "the coordinator never used %d hosts", hosts)
				st := sys.play(t, control.Submission{Source: gameSource(t), ShardSize: 100})
				same(t, st)
				clear(owners)
				for _, g := range st.Grants {
					owners[g.Incarnation] = true
				}
			}
		}
		play(1)
		services = append(services, call{env: env}.start(t, "agenthost"))
		play(2)
		for _, p := range slices.Backward(services) {
			require.Zero(t, p.stop(t))
		}
	})
}
