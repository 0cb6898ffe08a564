package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Four agents, each of which takes a second, in two programs that differ in one line: one has its agents in itself, the
// other in three host processes. Both say the same, in three seconds and not in four.
func TestWorkflow(t *testing.T) {
	t.Parallel()
	var differ int
	local, distributed := sourceLines(t, "local"), sourceLines(t, "distributed")
	require.Len(t, distributed, len(local))
	for i := range local {
		if local[i] != distributed[i] {
			differ++
		}
	}
	require.Equal(t, 1, differ, "lines in which the programs differ")

	s := up(t, t.TempDir())
	env := []string{"MYRIAD_NATS_URL=" + s.nats}
	host := exampleProgram(t, "workflow/host")
	for _, id := range []string{"h1", "h2", "h3"} {
		h := call{env: env}.exec(t, host, "--id", id)
		h.says(t, &h.err, "serving agents")
	}
	want := "A made A(task)\nB made B(A(task))\nC made C(A(task))\nD made D(C(A(task)))\n"
	for name, where := range map[string]call{"local": {}, "distributed": {env: env}} {
		program := exampleProgram(t, "workflow/"+name)
		require.Eventually(t, func() bool {
			began := time.Now()
			require.Equal(t, want, where.exec(t, program).ok(t))
			return time.Since(began) < 4*time.Second
		}, patience, time.Millisecond, "the machine may be busy once, but it takes four seconds each time")
	}
}

func sourceLines(t testing.TB, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "examples", "workflow", name, "main.go"))
	require.NoError(t, err)
	return strings.Split(string(text), "\n")
}
