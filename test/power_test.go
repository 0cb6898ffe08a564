package test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// powerSeed chooses the moments at which the power fails and copies are made.
var powerSeed = flag.Uint64("power", 1, "seed of the tests of power loss")

// powerScenario is a run of some seconds.
const powerScenario = `
version: 1
name: power
seed: 3
rounds: 8
population: {size: 4000}
models: {sleeper: {provider: dummy, latency: 100ms}}
agents: {everyone: {model: sleeper, system: You are one of many.}}
memory: {turns: 1}
turn:
  - {id: guess, ask: Which number?, answer: {type: number, min: 'round == 1 ? 0 : world.low', max: 'round == 1 ? 1 : world.low + 2'}}
update: {world: {low: mean(answers.guess)}}
`

// A store is copied away while a run is going and a client writes: at one moment, and file by file while it changes, in the order
// of names and in a random one. What was acknowledged before is in the copy, and the run goes on there to the same end.
func TestSnapshotOfARunningStore(t *testing.T) {
	t.Parallel()
	fast := scenario.Overrides{Set: map[string]string{"models.sleeper.latency": "0s"}}
	want := startSystem(t, nil).play(t, control.Submission{Source: powerScenario, Overrides: fast})
	plan := rand.New(rand.NewPCG(*powerSeed, 1)) //nolint:gosec // not a secret

	c := call{dir: t.TempDir(), env: []string{"MYRIAD_AGENTHOST_IN_FLIGHT=400", "MYRIAD_AGENTHOST_BATCH=50"}}
	s := c.up(t)
	run := s.post(t, "", []byte(powerScenario))
	w := writeOn(t, s.jetStream(t), 0)
	type copied struct {
		dir   string
		acked uint64
	}
	var copies []copied
	for _, how := range []string{"stopped", "names", "random"} {
		before := w.acked.Load()
		more := before + 20 + plan.Uint64N(200)
		require.Eventually(t, func() bool { return w.acked.Load() > more }, patience, often)
		require.Contains(t, []string{"running", "finished"}, s.state(t, run).State) // the machine may be fast
		to := copied{t.TempDir(), w.acked.Load()}
		if how == "stopped" {
			require.NoError(t, s.cmd.Process.Signal(syscall.SIGSTOP))
			to.acked = w.acked.Load()
		}
		copyStore(t, filepath.Join(s.cmd.Dir, "myriad-data"), filepath.Join(to.dir, "myriad-data"), plan, how == "random")
		require.NoError(t, s.cmd.Process.Signal(syscall.SIGCONT))
		copies = append(copies, to)
	}
	w.end()
	require.Zero(t, s.stop(t))
	for _, copied := range copies {
		s := call{dir: copied.dir}.up(t)
		got := stored(t, s.jetStream(t))
		t.Logf("%d records acknowledged when the copy was made, %d there", copied.acked, got)
		require.GreaterOrEqual(t, got, copied.acked)
		s.events(t, run)
		require.Equal(t, fmt.Sprintf("%x", want.Hash), accounted(t, s.jetStream(t), run))
		require.Zero(t, s.stop(t))
	}
}

// copyStore copies a data directory. What says how far the log goes comes first, so that it promises nothing that the copy lacks.
func copyStore(t testing.TB, from, to string, plan *rand.Rand, shuffled bool) {
	t.Helper()
	var files []string
	require.NoError(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // a file that is gone by now
		}
		files = append(files, path)
		return nil
	}))
	slices.Sort(files)
	if shuffled {
		plan.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	}
	slices.SortStableFunc(files, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // consumers and temporary files come and go
		}
		name, err := filepath.Rel(from, path)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(to, name), data, 0o600))
	}
}

const powerStream, powerSubject = "POWER", "power.record"

// powerWriter writes numbered records, each after the one before was acknowledged.
type powerWriter struct {
	acked  atomic.Uint64
	cancel context.CancelFunc
	done   chan struct{}
}

func writeOn(t testing.TB, js jetstream.JetStream, from uint64) *powerWriter {
	t.Helper()
	_, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: powerStream, Subjects: []string{powerSubject}})
	require.NoError(t, err)
	w := &powerWriter{done: make(chan struct{})}
	w.acked.Store(from)
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	go func() {
		defer close(w.done)
		for n := from + 1; ; n++ {
			if _, err := js.Publish(ctx, powerSubject, record(n)); err != nil {
				return // the power has failed, or the writing ends
			}
			w.acked.Store(n)
		}
	}()
	return w
}

func (w *powerWriter) end() {
	w.cancel()
	<-w.done
}

// record is what record n holds.
func record(n uint64) []byte {
	return fmt.Appendf(nil, "%d %s", n, strings.Repeat("x", int(n%500)))
}

// stored is the number of the last record; all before it must be there, whole.
func stored(t testing.TB, js jetstream.JetStream) uint64 {
	t.Helper()
	s, err := js.Stream(t.Context(), powerStream)
	require.NoError(t, err)
	n := uint64(0)
	state := s.CachedInfo().State
	if state.Msgs == 0 {
		return 0
	}
	cons, err := s.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	require.NoError(t, err)
	for n < state.Msgs {
		batch, err := cons.Fetch(int(min(1000, state.Msgs-n)))
		require.NoError(t, err)
		for m := range batch.Messages() {
			n++
			require.True(t, bytes.Equal(record(n), m.Data()), "record %d of %d is not what was written", n, state.Msgs)
		}
		require.NoError(t, batch.Error())
	}
	return n
}
