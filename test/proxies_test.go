package test

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/fakevllm"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/stack"
)

// services are the five services as processes on a NATS server, with two llmproxies.
type services struct {
	*system
	proxies [2]*process
}

func startServices(t testing.TB, env ...string) services {
	t.Helper()
	server := natstest.Start(t)
	c := call{env: append(env, "MYRIAD_NATS_URL="+server.URL(), "MYRIAD_COORDINATOR_HTTP=127.0.0.1:0")}
	var s services
	for _, name := range stack.Names {
		p := c.start(t, name)
		if name == "llmproxy" {
			s.proxies[0] = p
		}
	}
	s.proxies[1] = c.start(t, "llmproxy")
	s.system = connect(t, server)
	s.ready(t, 1)
	for _, p := range s.proxies {
		p.says(t, &p.err, "llmproxy runs on ")
	}
	return s
}

// noticed is how soon a host knows that its llmproxy is gone; the machine of a test may be busy.
const noticed, slack = 3 * time.Second, 1500 * time.Millisecond

// An llmproxy that is killed in the middle of a round: the host notices soon, and asks the other one what is not answered
// yet, and nothing else.
func TestKilledProxy(t *testing.T) {
	t.Parallel()
	const agents = 400
	source := func(name, url string) string { return guessingOn(name, 2, agents, "concurrency: 400,", "", url) }
	_, quick := startVLLM(t, fakevllm.Options{Deterministic: true})
	undisturbed := startSystem(t, nil).play(t, control.Submission{Source: source("undisturbed", quick)})

	// Two agents in five are answered when the proxy dies.
	server, url := startVLLM(t, fakevllm.Options{Deterministic: true, NoBatch: true, PerToken: 600 * time.Millisecond, MaxSeqs: 160})
	s := startServices(t, "MYRIAD_AGENTHOST_BATCH=20")
	run := s.submit(t, control.Submission{Source: source("disturbed", url)})
	var before fakevllm.Stats
	require.Eventually(t, func() bool { // what the proxy has it has passed on
		before = still(t, 1, server)
		return before.Completions > 0 && s.order(t, control.Status, control.Order{Run: run}).Answered == int(before.Completions)
	}, patience, often)
	require.Equal(t, uint64(agents), before.Asked, "everybody is asked before the proxy dies")
	killed := time.Now()
	require.NoError(t, s.proxies[0].cmd.Process.Kill())
	require.Eventually(t, func() bool { return server.Stats().Asked > agents }, patience, often/4)
	took := time.Since(killed)
	t.Logf("asked again %v after the kill", took)
	require.LessOrEqual(t, took, noticed+slack)

	st := s.settled(t, run)
	require.Equal(t, "finished", st.Status(), st.Reason)
	require.Equal(t, hex.EncodeToString(undisturbed.Hash), answersOnce(t, s.js, run))
	sum := results.Summary(st)
	repeated := uint64(sum.Receipt.RepeatedCalls)
	require.GreaterOrEqual(t, repeated, server.Stats().Aborted)
	require.Positive(t, repeated, "the proxy that was killed had nothing to do")
	require.Less(t, repeated, uint64(before.InFlight), "the other one had nothing to do")
	require.Equal(t, 2*agents+repeated, server.Stats().Asked, "what was answered is not asked again")
	require.Zero(t, sum.Receipt.Lost)
	require.Zero(t, sum.Receipt.Duplicates)
	require.Zero(t, sum.Receipt.Retries, "no model server failed")
	require.Len(t, sum.Receipt.FaultList, 1)
	fault := sum.Receipt.FaultList[0]
	require.Equal(t, "llmproxy", fault.Who)
	require.Contains(t, fault.What, "fell silent; calls that it had went out again: ")
	require.WithinDuration(t, killed, fault.At, slack)
	require.WithinDuration(t, killed.Add(noticed), *fault.Until, slack)
}
