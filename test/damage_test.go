package test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
)

// slowly has answers come in one after the other, so that a kill finds a round half answered.
const slowly = `
version: 1
name: slowly
rounds: 4
population: {size: 600}
models: {player: {provider: dummy, latency: 100ms}}
agents: {players: {model: player}}
turn:
  - id: guess
    ask: Which number?
    answer: {type: number, min: 0, max: 100}
update: {world: {mean: mean(answers.guess)}}
`

// scene is a data directory with a finished run, whose log fills more than a block, and two that a kill interrupted in their
// second round.
type scene struct {
	dir                   string
	finished, hit, second string
}

func (s scene) copy(t *testing.T) scene {
	t.Helper()
	s2 := s
	s2.dir = t.TempDir()
	require.NoError(t, os.CopyFS(s2.dir, os.DirFS(s.dir)))
	return s2
}

func (s scene) blocks(t *testing.T, stream string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(s.dir, "myriad-data/nats/jetstream/$G/streams", stream, "msgs/*.blk"))
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

// flip changes one bit in the nth record on a subject, behind its header.
func (s scene) flip(t *testing.T, stream, subject string, n int) {
	t.Helper()
	for _, path := range s.blocks(t, stream) {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		for at := 0; ; at++ {
			i := bytes.Index(data[at:], []byte(subject))
			if i < 0 {
				break
			}
			at += i
			if n--; n == 0 {
				data[at+len(subject)+40] ^= 4
				require.NoError(t, os.WriteFile(path, data, 0o600))
				return
			}
		}
	}
	require.Fail(t, "no such record", subject)
}

func makeScene(t *testing.T) scene {
	t.Helper()
	s := scene{dir: t.TempDir()}
	call{dir: s.dir}.run(t, "run", example(t, game), "--agents", "60000", "--rounds", "5", "--json").ok(t)
	stack := call{dir: s.dir, env: []string{"MYRIAD_AGENTHOST_IN_FLIGHT=60", "MYRIAD_COORDINATOR_SHARD_SIZE=100"}}.up(t)
	s.finished = parsed[[]control.Info](t, stack.get(t, "/v1/runs"))[0].ID
	s.hit, s.second = stack.post(t, "", []byte(slowly)), stack.post(t, "", []byte(slowly))
	half := func(run string) bool {
		i := stack.state(t, run)
		return i.Round == 2 && i.Answered > 200 && i.Answered < 500
	}
	require.Eventually(t, func() bool { return half(s.hit) && half(s.second) }, patience, often)
	require.NoError(t, stack.cmd.Process.Kill())
	stack.wait(t)
	require.Len(t, s.blocks(t, "MYRIAD_LOG"), 2)
	return s
}

// One flipped bit, wherever it is, and a block that was cut off: verify names the record and what it touches, the run is not
// gone on with, and other runs are as they were.
func TestDamageOnDisk(t *testing.T) {
	t.Parallel()
	base := makeScene(t)
	call{dir: base.copy(t).dir}.run(t, "verify", "--all").ok(t)
	t.Run("the end of the log", func(t *testing.T) { t.Parallel(); endOfLogLost(t, base.copy(t)) })
	t.Run("a population", func(t *testing.T) { t.Parallel(); damagedPopulation(t, base.copy(t)) })
	log := func(run, record string) string { return "myriad.run." + run + ".log." + record }
	for name, c := range map[string]struct {
		damage func(t *testing.T, s scene)
		of     func(s scene) string
		says   string
		goOn   bool // try whether the other interrupted run goes on
	}{
		"an answer of a closed round": {func(t *testing.T, s scene) { s.flip(t, "MYRIAD_LOG", log(s.hit, "answer.3"), 1) },
			func(s scene) string { return s.hit }, `record \d+ on \S+\.log\.answer\.3: its bytes .* shard 3, round 1, answers of up to 100 agents`, false},
		"an answer of the open round": {func(t *testing.T, s scene) { s.flip(t, "MYRIAD_LOG", log(s.hit, "answer.0"), s.count(t, "answer.0")) },
			func(s scene) string { return s.hit }, `record \d+ on \S+\.log\.answer\.0: its bytes .* shard 0, round 2`, false},
		"a control record": {func(t *testing.T, s scene) { s.flip(t, "MYRIAD_LOG", log(s.hit, "ctl.opened"), 1) },
			func(s scene) string { return s.hit }, `record \d+ on \S+\.log\.ctl\.opened: its bytes`, true},
		"the first record of a run": {func(t *testing.T, s scene) { s.flip(t, "MYRIAD_LOG", log(s.hit, "ctl.created"), 1) },
			func(s scene) string { return s.hit }, `record \d+ on \S+\.log\.ctl\.created: its bytes`, false},
		"a block that is cut off": {func(t *testing.T, s scene) { require.NoError(t, os.Truncate(s.blocks(t, "MYRIAD_LOG")[0], 4<<20)) },
			func(s scene) string { return s.finished }, `record \d+ on \S+: the file breaks off within it .*\n.*records \d+ to \d+: nothing is stored where they were`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := base.copy(t)
			c.damage(t, s)
			do := call{dir: s.dir}
			run := c.of(s)
			report := do.run(t, "verify", run)
			require.Equal(t, 1, report.wait(t), report.err.String())
			require.Regexp(t, `(?s)`+regexp.QuoteMeta(run)+`: DAMAGED.*`+c.says, report.out.String())
			require.Contains(t, report.err.String(), "DAMAGED DATA", "the start says it, too")
			if run == s.hit {
				require.Contains(t, do.run(t, "resume", run).fails(t, 1), "the log of the run is damaged")
				require.Regexp(t, run+` +damaged `, do.run(t, "runs").ok(t))
			}
			do.run(t, "verify", s.second).ok(t)
			if c.goOn {
				require.Contains(t, do.run(t, "resume", s.second).ok(t), "Result hash")
			}
		})
	}
}

// count is how many records there are on a subject of the interrupted run.
func (s scene) count(t *testing.T, record string) int {
	t.Helper()
	n := 0
	for _, path := range s.blocks(t, "MYRIAD_LOG") {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		n += bytes.Count(data, []byte("myriad.run."+s.hit+".log."+record))
	}
	return n
}

// The end of the log is lost: nobody can tell whose the lost records were, so every run that was under way then is given up,
// and none that was over. A stack that is started on it says so, and takes new runs.
func endOfLogLost(t *testing.T, s scene) {
	t.Helper()
	last := s.blocks(t, "MYRIAD_LOG")[1]
	data, err := os.ReadFile(last)
	require.NoError(t, err)
	opened := bytes.Index(data, []byte("myriad.run."+s.second+".log.ctl.opened")) // more than a second before the kill
	require.Positive(t, opened)
	require.NoError(t, os.Truncate(last, int64(opened)))
	stack := up(t, s.dir)
	states := map[string]string{}
	for _, i := range parsed[[]control.Info](t, stack.get(t, "/v1/runs")) {
		states[i.ID] = i.State
	}
	require.Equal(t, map[string]string{s.finished: "finished", s.hit: "damaged", s.second: "damaged"}, states)
	require.Equal(t, "damaged", stack.problem(t, "POST", "/v1/runs/"+s.hit+"/resume", nil).Code)
	stack.finish(t, stack.post(t, "", []byte(slowly)))
	reports := call{dir: s.dir}.run(t, "verify", "--all", "--json")
	require.Equal(t, 1, reports.wait(t), reports.err.String())
	intact := map[bool]int{}
	for line := range strings.Lines(reports.out.String()) {
		var r struct{ Intact bool }
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		intact[r.Intact]++
	}
	require.Equal(t, map[bool]int{true: 2, false: 2}, intact)
}

// A damaged population is not drawn upon: verify names it, and the run waits and says why.
func damagedPopulation(t *testing.T, s scene) {
	t.Helper()
	blocks := s.blocks(t, "OBJ_myriad_personas")
	slices.Reverse(blocks)
	data, err := os.ReadFile(blocks[0])
	require.NoError(t, err)
	at := bytes.Index(data, []byte("$O.myriad_personas.C."))
	require.Positive(t, at)
	data[at+300] ^= 1
	require.NoError(t, os.WriteFile(blocks[0], data, 0o600))
	report := call{dir: s.dir}.run(t, "verify", "--all")
	require.Equal(t, 1, report.wait(t))
	require.Contains(t, report.out.String(), "the population: ")
}
