package test

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/monitor"
	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// TestMonitor follows the metrics of a stack through a run.
func TestMonitor(t *testing.T) {
	t.Parallel()
	s := startSystem(t, func(set *stack.Settings) { set.Monitor = monitor.Config{Addr: "127.0.0.1:0"} })
	url := "http://" + s.stack.MonitorAddr()
	said, err := monitor.Ask(t.Context(), url+monitor.PathReady)
	require.NoError(t, err)
	require.Equal(t, "ready", said)
	require.Zero(t, metric(t, url, "myriad_agenthost_shards"))

	run := s.submit(t, control.Submission{Source: tiny, Overrides: scenario.Overrides{
		Agents: new(3000), Models: map[string]string{"player": "dummy:2s"},
	}})
	require.Eventually(t, func() bool { return metric(t, url, "myriad_agenthost_agents_in_flight") == 3000 }, patience, often)
	require.Equal(t, 3.0, metric(t, url, "myriad_agenthost_shards"))
	require.Equal(t, 3000.0, metric(t, url, "myriad_agenthost_agents"))
	require.Equal(t, 3000.0, metric(t, url, "myriad_round_expected"))
	require.Equal(t, 1.0, metric(t, url, `myriad_runs{state="running"}`))
	require.Zero(t, metric(t, url, "myriad_agenthost_agents_queued"))

	require.Equal(t, "finished", s.settled(t, run).Status())
	require.Zero(t, metric(t, url, "myriad_agenthost_agents_in_flight"))
	require.Eventually(t, func() bool { return metric(t, url, "myriad_answers_accepted_total") >= 3000 }, patience, often)
	require.Equal(t, 3000.0, metric(t, url, "myriad_bgen_agents_drawn_total"))
}

// TestHealthCommand: what a container's health check says of processes that wait for a broker, work, and lose it.
func TestHealthCommand(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	asked := call{env: []string{"MYRIAD_MONITOR=" + addr}}
	require.Contains(t, asked.run(t, "health").fails(t, 1), "connection refused")
	require.Contains(t, call{}.run(t, "health").fails(t, 1), "MYRIAD_MONITOR")

	broker := up(t, t.TempDir())
	service := call{env: []string{"MYRIAD_MONITOR=" + addr, "MYRIAD_NATS_URL=" + broker.nats}}.start(t, "llmproxy")
	service.says(t, &service.err, "llmproxy runs")
	require.Equal(t, "ready\n", asked.run(t, "health").ok(t))

	broker.stop(t)
	require.Contains(t, asked.run(t, "health").fails(t, 1), "not connected to the NATS server")
	require.Equal(t, "alive\n", asked.run(t, "health", "--url", "http://"+addr+"/healthz").ok(t))
	service.stop(t)
}

// metric is a figure of a monitor now.
func metric(t testing.TB, url, name string) float64 {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+monitor.PathMetrics, nil)
	require.NoError(t, err)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(string(all))
	require.NotNil(t, found, "%s in:\n%s", name, all)
	v, err := strconv.ParseFloat(found[1], 64)
	require.NoError(t, err)
	return v
}
