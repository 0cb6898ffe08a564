package test

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bench"
)

// The benchmark measures every part, at sizes and latencies that keep this test short; how fast anything is does not matter.
func TestBench(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	scratch := filepath.Join(dir, "scratch")
	b := call{dir: dir}.run(t, "bench", "--sizes", "200", "--repeat", "1", "--latency", "20ms", "--dir", scratch,
		"--json", "bench.json", "--markdown", "bench.md", "--svg", "bench.svg")
	text := b.ok(t)
	require.Contains(t, b.err.String(), "cores")

	file := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return string(data)
	}
	r := parsed[bench.Report](t, file("bench.json"))
	measured := map[string]int{}
	for _, m := range r.Results {
		if m.Skipped != "" { // there may be no Python
			require.Equal(t, "asyncio", m.Part)
			continue
		}
		require.Len(t, m.Samples, 1, m.Part)
		for name, v := range m.Samples[0] {
			require.Positive(t, v, "%s, %s", m.Part, name)
		}
		measured[m.Part]++
	}
	for _, p := range bench.Parts() {
		if p[0] != "asyncio" && p[0] != "scaleout" {
			require.Equal(t, 1, measured[p[0]], p[0])
		}
	}
	for _, title := range []string{"One round", "Start-up", "How the cost", "answers at once", "The limits", "levelk"} {
		require.Contains(t, text, title)
		require.Contains(t, file("bench.md"), title)
	}
	require.NoError(t, xml.Unmarshal([]byte(file("bench.svg")), new(struct{})))
	left, err := os.ReadDir(scratch)
	require.NoError(t, err)
	require.Empty(t, left, "measurements clean up after themselves")
}

// With more hosts as many more calls are in flight, and no more than that.
func TestBenchScaleOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := call{dir: dir}.run(t, "bench", "--only", "scaleout", "--latency", "20ms", "--json", "bench.json").ok(t)
	require.Contains(t, text, "More hosts, the same agents")
	require.Contains(t, text, "More hosts, as many agents each")
	data, err := os.ReadFile(filepath.Join(dir, "bench.json"))
	require.NoError(t, err)
	r := parsed[bench.Report](t, string(data))
	require.Len(t, r.Results, 5)
	for _, m := range r.Results {
		require.Len(t, m.Samples, 1)
		turns := float64(m.Agents) / float64(m.Hosts) / 2048 // of calls, one after the other
		require.GreaterOrEqual(t, m.Samples[0][bench.Seconds], turns*0.02, "%d agents on %d hosts", m.Agents, m.Hosts)
	}
}

func TestBenchRefuses(t *testing.T) {
	t.Parallel()
	require.Contains(t, call{}.run(t, "bench", "--only", "speed").fails(t, 1), `there is no part "speed"`)
	require.Contains(t, call{}.run(t, "bench", "--sizes", "many").fails(t, 1), `size "many"`)
}

// Ctrl-C ends the measurement that is running, with its processes, and removes their data.
func TestBenchInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := call{}.start(t, "bench", "--only", "goroutines", "--sizes", "10", "--latency", "1h", "--dir", dir)
	b.says(t, &b.err, "goroutines, 10 agents …")
	require.NoError(t, b.cmd.Process.Signal(syscall.SIGINT))
	require.Contains(t, b.fails(t, 130), "Stopped.")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
