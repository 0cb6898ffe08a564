package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/conformance"
)

// installed is a copy of the example agent in JavaScript with its packages. Without Node.js, or a registry that has them,
// the test is skipped.
func installed(t testing.TB) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the agent in JavaScript is not tested: %v", err)
		}
	}
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("..", "examples", "agents", "javascript"))))
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil {
		return dir // somebody has installed them in the example itself
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=20000")
	npm.Dir = dir
	npm.WaitDelay = time.Second
	if out, err := npm.CombinedOutput(); err != nil {
		t.Skipf("the agent in JavaScript is not tested: npm ci: %v\n%s", err, out)
	}
	return dir
}

// An agent in another language, written against docs/protocol.md, keeps what the page says, and plays a seat of a game
// beside 999 agents of the game's own.
func TestAgentInJavaScript(t *testing.T) {
	t.Parallel()
	dir := installed(t)
	s := up(t, t.TempDir())
	agent := call{dir: dir, env: []string{"MYRIAD_NATS_URL=" + s.nats}}.exec(t, "node", "agent.mjs")
	agent.says(t, &agent.out, "alice of js-1 listens on myriad.run.*.code.js-1.alice.*")

	checked := call{}.run(t, "conformance", "code.js-1.alice", "--run", "try-1", "--server", s.nats, "--json").ok(t)
	got := parsed[conformance.Report](t, checked)
	require.Equal(t, conformance.LevelJSON, got.Level)
	for _, c := range got.Results {
		if c.Kind == "must" {
			require.Equal(t, conformance.Passed, c.Status, "%+v", c)
		}
	}

	source, err := os.ReadFile(filepath.Join(dir, "guess-with-guest.yaml"))
	require.NoError(t, err)
	run := s.post(t, "", source)
	s.events(t, run)
	end := s.state(t, run)
	require.Equal(t, "finished", end.State, end.Reason)
	require.Zero(t, end.Summary.Receipt.Lost)
	require.Len(t, end.Summary.Rounds, 5)
	guest, players := guests(t, s.get(t, "/v1/runs/"+run+"/results"))
	require.Equal(t, 5*999, players)
	require.Len(t, guest, 5)

	// The seat's answers are those of the agent's own strategy, and those that it remembers.
	crowd := 50.0
	for i, r := range end.Summary.Rounds {
		require.Equal(t, 1000, r.Questions["guess"].Valid)
		require.InDelta(t, crowd*4/9, guest[i], 0.02, "round %d", i+1)
		crowd = *r.Questions["guess"].Mean
	}
	require.Equal(t, guest, remembered(t, s.connect(t), run))
	require.Zero(t, agent.stop(t))
}

// guests are the answers of the code agent by round, and how many answers there are of others.
func guests(t testing.TB, lines string) (guest []float64, others int) {
	t.Helper()
	for line := range strings.Lines(lines) {
		var row struct {
			Round, Agent  int
			Block, Status string
			Value         float64
		}
		require.NoError(t, json.Unmarshal([]byte(line), &row), line)
		if row.Block != "guest" {
			others++
			continue
		}
		require.Equal(t, 999, row.Agent)
		require.Equal(t, len(guest)+1, row.Round)
		require.Equal(t, "answered", row.Status)
		guest = append(guest, row.Value)
	}
	return guest, others
}

// remembered are the guesses that the agent says it has made in a run.
func remembered(t testing.TB, nc *nats.Conn, run string) (out []float64) {
	t.Helper()
	m := nats.NewMsg("myriad.run." + run + ".code.js-1.alice.state")
	m.Header.Set("Content-Type", "application/json")
	reply, err := nc.RequestMsg(m, patience)
	require.NoError(t, err)
	var state struct {
		Content struct {
			Heard   []any
			Guesses []struct {
				Round int
				Guess float64
			}
		}
	}
	require.NoError(t, json.Unmarshal(reply.Data, &state), string(reply.Data))
	require.Empty(t, state.Content.Heard, "what it was told in another run")
	for _, g := range state.Content.Guesses {
		out = append(out, g.Guess)
	}
	return out
}
