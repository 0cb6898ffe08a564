package test

import (
	"encoding/hex"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// faultScenario is a run of some seconds in which the order of rounds shows: what was answered bounds the next answers.
const faultScenario = `
version: 1
name: faults
seed: 5
rounds: 5
population: {size: 4000}
models: {sleeper: {provider: dummy, latency: 100ms}}
agents: {everyone: {model: sleeper, system: You are one of many.}}
memory: {turns: 1}
turn:
  - {id: guess, ask: Which number?, answer: {type: number, min: 'round == 1 ? 0 : world.low', max: 'round == 1 ? 1 : world.low + 2'}}
update: {world: {low: mean(answers.guess)}}
`

// calmHash is the result hash of faultScenario when nothing goes wrong.
func calmHash(t testing.TB) string {
	t.Helper()
	fast := scenario.Overrides{Set: map[string]string{"models.sleeper.latency": "0s"}}
	return hex.EncodeToString(startSystem(t, nil).play(t, control.Submission{Source: faultScenario, Overrides: fast}).Hash)
}

// fewInFlight makes a host take its time.
var fewInFlight = []string{"MYRIAD_AGENTHOST_IN_FLIGHT=160", "MYRIAD_AGENTHOST_BATCH=20"}

// finished waits for the end of a run, which must be a good one, and returns what the log says.
func (s *system) finished(t testing.TB, run string) *runlog.State {
	t.Helper()
	st := s.settled(t, run)
	require.Equal(t, "finished", st.Status(), st.Reason)
	require.Zero(t, results.Summary(st).Receipt.Lost)
	return st
}

// A host that is stopped in the middle of a round, as a machine that hangs, loses its shards; when it wakes it finds that, and
// what it still says does not count.
func TestHostThatSleeps(t *testing.T) {
	t.Parallel()
	want := calmHash(t)
	server := natstest.Start(t)
	env := append([]string{"MYRIAD_NATS_URL=" + server.URL(), "MYRIAD_COORDINATOR_HTTP=127.0.0.1:0"}, fewInFlight...)
	for _, name := range []string{"bgen", "llmproxy", "environment", "coordinator"} {
		call{env: env}.start(t, name)
	}
	hosts := map[string]*process{}
	for _, id := range []string{"host-a", "host-b"} {
		hosts[id] = call{env: append(env, "MYRIAD_AGENTHOST_ID="+id)}.start(t, "agenthost")
	}
	s := connect(t, server)
	s.ready(t, 2)
	run := s.submit(t, control.Submission{Source: faultScenario, ShardSize: 200})
	owned := func(id string) (n int) {
		st, err := runlog.ReadControl(t.Context(), s.js, run)
		require.NoError(t, err)
		for _, g := range st.Grants {
			if g.Host == id {
				n++
			}
		}
		return n
	}
	require.Eventually(t, func() bool {
		return s.order(t, control.Status, control.Order{Run: run}).Round == 2 && owned("host-b") > 0
	}, patience, often)

	sleeper := hosts["host-b"].cmd.Process
	slept := time.Now()
	require.NoError(t, sleeper.Signal(syscall.SIGSTOP))
	require.Eventually(t, func() bool { return owned("host-b") == 0 }, patience, often)
	taken := time.Since(slept)
	require.Eventually(t, func() bool { return time.Since(slept) > 8*time.Second }, patience, often)
	require.NoError(t, sleeper.Signal(syscall.SIGCONT))
	st := s.finished(t, run)
	t.Logf("its shards had other owners after %v; %d duplicates, %d takeovers", taken, st.Duplicates, st.Takeovers)
	require.Positive(t, st.Takeovers)
	require.Less(t, taken, 8*time.Second)
	require.Equal(t, want, accounted(t, s.js, run))
	require.Zero(t, hosts["host-b"].stop(t), "it is alive and well")
}

// Two coordinators decide about the same run, and each in turn is killed in the middle of it and started again. Each decision is in the log once.
func TestTwoCoordinators(t *testing.T) {
	t.Parallel()
	want := calmHash(t)
	server := natstest.Start(t)
	env := append([]string{"MYRIAD_NATS_URL=" + server.URL(), "MYRIAD_COORDINATOR_HTTP=127.0.0.1:0"}, fewInFlight...)
	for _, name := range []string{"bgen", "llmproxy", "environment", "agenthost"} {
		call{env: env}.start(t, name)
	}
	lives := 0
	start := func() *process {
		lives++
		return call{env: append(env, fmt.Sprintf("MYRIAD_COORDINATOR_ID=coordinator-%d", lives))}.start(t, "coordinator")
	}
	pair := []*process{start(), start()}
	s := connect(t, server)
	s.ready(t, 1)
	for _, p := range pair {
		p.says(t, &p.err, "coordinator runs on")
	}
	run := s.submit(t, control.Submission{Source: faultScenario, ShardSize: 200})
	for round := 2; round <= 4; round++ {
		require.Eventually(t, func() bool {
			st, err := runlog.ReadControl(t.Context(), s.js, run)
			return err == nil && st.Round == round
		}, patience, often)
		at := round % len(pair)
		require.NoError(t, pair[at].cmd.Process.Kill())
		<-pair[at].done
		pair[at] = start()
	}
	st := s.finished(t, run)
	require.Equal(t, want, accounted(t, s.js, run))
	kinds := map[string]int{}
	require.NoError(t, runlog.Read(t.Context(), s.js, 0, []string{subjects.LogCtlAll(run)}, func(e runlog.Entry) error {
		h, _, err := runlog.Decode(e.Data)
		kinds[h.Kind]++
		return err
	}))
	for _, kind := range []string{subjects.KindOpened, subjects.KindClosed, subjects.KindEnvState} {
		require.Equal(t, 5, kinds[kind], kind)
	}
	require.Equal(t, 1, kinds[subjects.KindFinished])
	require.Zero(t, st.Duplicates)
}
