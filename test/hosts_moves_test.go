package test

import (
	"context"
	"encoding/hex"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// slowGame takes as long as its rounds times the latency.
func slowGame(rounds int, latency time.Duration) string {
	return fmt.Sprintf(`version: 1
name: moves
seed: 5
rounds: %d
population: {size: 2000}
models: {player: {provider: dummy, latency: %s}}
agents: {all: {model: player}}
turn: [{id: guess, ask: Which number?, answer: {type: number, min: 0, max: 100}}]
update: {world: {mean: mean(answers.guess)}}
`, rounds, latency)
}

// hosts asks a coordinator for the living hosts.
func (s *system) hosts(t testing.TB) map[string]hosts.Status {
	t.Helper()
	var l hosts.Listing
	require.NoError(t, control.Ask(t.Context(), s.nc, hosts.EndpointList, struct{}{}, &l))
	out := map[string]hosts.Status{}
	for _, h := range l.Hosts {
		out[h.ID] = h
	}
	return out
}

// leader is the coordinator that decided last in a run.
func (s *system) leader(t testing.TB, run string) (id string) {
	t.Helper()
	require.NoError(t, runlog.Read(t.Context(), s.js, 0, []string{subjects.LogCtlAll(run)}, func(e runlog.Entry) error {
		h, _, err := runlog.Decode(e.Data)
		if h.Kind != subjects.KindEnvState && h.Kind != subjects.KindFault {
			id = h.Writer
		}
		return err
	}))
	return id
}

// Under load a host is drained, another joins, the coordinator that leads is killed, a host is killed and the drained one
// comes back: the result is that of an undisturbed run, nothing is lost, and what is planned repeats nothing.
func TestHostsAndCoordinatorsComeAndGo(t *testing.T) {
	t.Parallel()
	const rounds = 40
	undisturbed := startSystem(t, nil).play(t, control.Submission{Source: slowGame(rounds, time.Millisecond)})

	server := natstest.Start(t)
	start := func(name, id string) *process {
		return call{env: []string{
			"MYRIAD_NATS_URL=" + server.URL(), "MYRIAD_COORDINATOR_HTTP=127.0.0.1:0", "MYRIAD_COORDINATOR_ID=" + id, "MYRIAD_AGENTHOST_ID=" + id,
		}}.start(t, name)
	}
	command := func(args ...string) *process {
		return call{env: []string{"MYRIAD_NATS_URL=" + server.URL()}}.run(t, args...)
	}
	for _, name := range []string{"bgen", "llmproxy", "environment"} {
		start(name, "")
	}
	a, b := start("agenthost", "a"), start("agenthost", "b")
	coordinators := map[string]*process{"c1": start("coordinator", "c1"), "c2": start("coordinator", "c2")}
	s := connect(t, server)
	s.ready(t, 2)
	require.Eventually(t, func() bool { return len(s.hosts(t)) == 2 }, patience, often)
	run := s.submit(t, control.Submission{Source: slowGame(rounds, 300*time.Millisecond), ShardSize: 50})
	reaches := func(round int) {
		t.Helper()
		require.Eventually(t, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // a coordinator that is killed answers nothing
			defer cancel()
			var i control.Info
			return control.Ask(ctx, s.nc, control.Status, control.Order{Run: run}, &i) == nil && i.Round >= round
		}, patience, often)
	}
	reaches(2)
	require.Eventually(t, func() bool { return s.hosts(t)["a"].Shards == 20 && s.hosts(t)["b"].Shards == 20 }, patience, often)

	drained := command("hosts", "drain", "a", "--wait", "60s").ok(t)
	require.Contains(t, drained, "a is drained.")
	require.Zero(t, s.hosts(t)["a"].Shards)
	listed := regexp.MustCompile(`(?m)^a +\S+ +drained +0 +0 +0 `)
	require.Eventually(t, func() bool { return listed.MatchString(command("hosts").ok(t)) }, patience, often, "either coordinator may answer")
	require.Contains(t, command("hosts", "drain", "b").fails(t, 1), "b is the only host that takes work")

	start("agenthost", "c")
	require.Eventually(t, func() bool { return s.hosts(t)["c"].Shards == 20 }, patience, often, "a host that joins gets its part")
	st, err := runlog.ReadControl(t.Context(), s.js, run)
	require.NoError(t, err)
	require.Equal(t, []int{40, 0, 0}, []int{st.Moves, st.Takeovers, st.LostHosts}, "20 of a, 20 to c; no fault")

	leader := s.leader(t, run)
	require.NoError(t, coordinators[leader].cmd.Process.Kill())
	killed, round := time.Now(), st.Round
	reaches(round + 2)
	t.Logf("the other coordinator went on within %v", time.Since(killed))
	require.Less(t, time.Since(killed), 5*time.Second)
	require.NotEqual(t, leader, s.leader(t, run))

	require.NoError(t, a.cmd.Process.Kill())
	start("agenthost", "a") // and drains no more
	require.NoError(t, b.cmd.Process.Kill())
	killed = time.Now()
	require.Eventually(t, func() bool { _, lives := s.hosts(t)["b"]; return !lives }, patience, often)
	took := time.Since(killed)
	t.Logf("b is taken for dead %v after the kill", took)
	require.Less(t, took, hosts.TTL+3*time.Second/2+slack)
	require.Eventually(t, func() bool { return s.hosts(t)["a"].Shards > 0 }, patience, often)

	st = s.settled(t, run)
	require.Equal(t, "finished", st.Status(), st.Reason)
	require.Equal(t, hex.EncodeToString(undisturbed.Hash), answersOnce(t, s.js, run))
	receipt := results.Summary(st).Receipt
	require.Zero(t, receipt.Lost)
	require.Equal(t, 1, st.LostHosts, "b; a had nothing")
	require.Less(t, receipt.RepeatedCalls, 1500, "the shards of b, and little else")
	t.Logf("%d calls repeated, %d answers dropped, %d shards moved, %d taken over", receipt.RepeatedCalls, receipt.Duplicates, st.Moves, st.Takeovers)
}
