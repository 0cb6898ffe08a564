//go:build containers

package test

import (
	"encoding/hex"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// Times of the promise: what is broken stays so for breakage, and all is well again within healing of its end.
const (
	breakage = 10 * time.Second
	healing  = 20 * time.Second
)

// inContainers is a game for 20,000 agents that each wait for their model, so that there is time to break something.
const inContainers = "?agents=20000&rounds=6&model=player%3Ddummy%3A4s"

// TestContainers plays the same game on images built from this tree, on the cluster of deployments/compose.yaml: undisturbed,
// with a broker killed, with a broker that stands still, and with an agent host that is cut off the network.
func TestContainers(t *testing.T) {
	engine := containerEngine(t)
	source, err := os.ReadFile(example(t, game))
	require.NoError(t, err)
	want := alone(t, source)
	buildImages(t, engine)
	c := startCluster(t, engine)

	t.Run("undisturbed", func(t *testing.T) {
		run := c.submit(t, "?agents=20000&rounds=6&model=player%3Ddummy%3A0s", source)
		require.Equal(t, want, c.finished(t, run).Hash)
	})
	t.Run("a broker is killed", func(t *testing.T) {
		c.disturbed(t, source, want, func() {
			c.kill(t, "nats-1")
			stays(t, breakage)
			c.restart(t, "nats-1")
		}, func() bool { return c.well(t, "nats-1") })
	})
	t.Run("a broker stands still", func(t *testing.T) {
		c.disturbed(t, source, want, func() {
			c.pause(t, "nats-2")
			stays(t, breakage)
			c.unpause(t, "nats-2")
		}, func() bool { return c.well(t, "nats-2") })
	})
	t.Run("an agent host is cut off", func(t *testing.T) {
		c.disturbed(t, source, want, func() {
			c.cut(t, "agenthost-1", "back")
			stays(t, breakage)
			c.join(t, "agenthost-1", "back")
		}, func() bool {
			beat, alive := c.listed(t, "agenthost-1")
			return alive && beat.Agents > 0 && c.well(t, "agenthost-1")
		})
	})
}

// containerEngine is the Docker engine of this machine. Only where there is none the test is skipped.
func containerEngine(t *testing.T) *testcontainers.DockerProvider {
	t.Helper()
	engine, err := testcontainers.NewDockerProvider()
	if err == nil {
		t.Cleanup(func() { _ = engine.Close() })
		err = engine.Health(t.Context())
	}
	if err != nil {
		t.Skip("no container engine answers:", err)
	}
	return engine
}

// alone is the hash that the stack in one process gives.
func alone(t *testing.T, source []byte) string {
	t.Helper()
	s := startSystem(t, nil)
	st := s.play(t, control.Submission{Source: string(source), Overrides: scenario.Overrides{
		Agents: new(20000), Rounds: new(6), Models: map[string]string{"player": "dummy:0s"},
	}})
	return hex.EncodeToString(st.Hash)
}

// stays lets time pass.
func stays(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// disturbed starts a run, breaks and heals something once the run is in its second round, and waits until what was broken is
// well and the run makes progress; then the run has to end as if nothing had been.
func (c *cluster) disturbed(t *testing.T, source []byte, want string, fault func(), well func() bool) {
	t.Helper()
	run := c.submit(t, inContainers, source)
	require.Eventually(t, func() bool { r, ok := c.state(t, run); return ok && r.Round >= 2 }, time.Minute, often)
	fault()
	began := time.Now()
	before, known := runAnswer{}, false
	for !known && time.Since(began) < healing {
		before, known = c.state(t, run)
	}
	require.Eventually(t, func() bool {
		now, ok := c.state(t, run)
		return ok && (now.Round > before.Round || now.Round == before.Round && now.Answered > before.Answered || now.Over()) && well()
	}, healing-time.Since(began), often, "not well again")
	t.Logf("recovered %v after the fault had ended", time.Since(began).Round(10*time.Millisecond))
	end := c.finished(t, run)
	require.Equal(t, want, end.Hash)
	t.Logf("receipt: %+v", end.Summary.Receipt)
}

// finished waits for the end of a run.
func (c *cluster) finished(t *testing.T, run string) runAnswer {
	t.Helper()
	var r runAnswer
	require.Eventually(t, func() bool {
		now, ok := c.state(t, run)
		r = now
		return ok && now.Over()
	}, 2*time.Minute, often, "run %s", run)
	require.Equal(t, "finished", r.State, r.Reason)
	require.Zero(t, r.Summary.Receipt.Lost)
	return r
}
