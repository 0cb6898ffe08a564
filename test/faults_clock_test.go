package test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/results"
)

// clockJumps asks for TestClockThatJumps: `go tool task chaos`.
var clockJumps = flag.Bool("jumps", false, "play a run while all clocks jump; it builds the standard library anew")

// jumpingBinary builds the program with a clock on the wall that jumps: an hour ahead, back, an hour behind, back, every two
// seconds, in all processes at moments of their own. The monotonic clock runs on. It is the standard library's time package with
// one line more, which takes a minute or two to build everything on, so it is not part of the ordinary tests.
func jumpingBinary(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	require.NoError(t, err)
	file := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(file)
	require.NoError(t, err)
	const at = "	mono -= startNano\n"
	require.Equal(t, 1, strings.Count(string(source), at), "time.Now looks different in this version of Go")
	jumps := at + "	sec += [4]int64{0, 3600, 0, -3600}[mono/2e9%4]\n"
	changed := filepath.Join(dir, "time.go")
	require.NoError(t, os.WriteFile(changed, []byte(strings.Replace(string(source), at, jumps, 1)), 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
	require.NoError(t, err)
	list := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(list, overlay, 0o600))
	path := filepath.Join(dir, "myriad")
	began := time.Now()
	out, err := exec.Command("go", "build", "-overlay", list, "-o", path, "../cmd/myriad").CombinedOutput()
	require.NoError(t, err, string(out))
	t.Logf("built in %v", time.Since(began).Round(time.Second))
	return path
}

// The clock on the wall of every process, the broker's included, jumps by an hour and back all the time while a run plays. No
// host is taken for dead, nothing is lost, and the result is the same.
func TestClockThatJumps(t *testing.T) {
	if !*clockJumps {
		t.Skip("it builds the standard library anew: go tool task chaos")
	}
	want := calmHash(t)
	path := jumpingBinary(t)
	address, data := freeAddress(t), t.TempDir()
	env := append([]string{"MYRIAD_NATS_URL=nats://" + address, "MYRIAD_COORDINATOR_HTTP=127.0.0.1:0", "MYRIAD_AGENTHOST_IN_FLIGHT=80"}, fewInFlight[1:]...)
	all := []*process{call{}.exec(t, path, "up", "--services", "none", "--nats", address, "--data", data)}
	for _, name := range []string{"bgen", "llmproxy", "environment", "agenthost", "agenthost", "coordinator"} {
		all = append(all, call{env: env}.exec(t, path, name))
	}
	nc, err := bus.Connect(t.Context(), bus.ConnectConfig{URL: "nats://" + address, Name: t.Name()}, chaosLog(t))
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	s := &system{nc: nc, js: js}
	for _, p := range all[1:] {
		p.says(t, &p.err, "runs on nats://")
	}
	s.ready(t, 2)
	began := time.Now()
	run := s.submit(t, control.Submission{Source: faultScenario, ShardSize: 200})
	st := s.finished(t, run)
	t.Logf("the run took %v, and by its own account %v", time.Since(began), st.EndedAt.Sub(st.CreatedAt))
	require.Greater(t, time.Since(began), 8*time.Second, "the run was over before all jumps")
	require.Equal(t, want, accounted(t, js, run))
	require.Zero(t, st.Takeovers)
	require.Zero(t, results.Summary(st).Receipt.Faults, "%v", st.Faults)
	owners := map[string]bool{}
	for _, g := range st.Grants {
		owners[g.Incarnation] = true
	}
	require.Len(t, owners, 2)
}
