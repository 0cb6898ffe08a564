package test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/report"
)

// What a person does with a stack that is kept running: start a run, follow it, read what came of it, stop the stack, and
// find everything again.
func TestUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := up(t, dir)
	traffic := listen(t, s.connect(t))
	source := []byte(gameSource(t))

	run := s.post(t, "?agents=500", source)
	all := s.events(t, run)
	var kinds []string
	for _, e := range all {
		if e.kind != "progress" {
			require.NotEmpty(t, e.id)
			kinds = append(kinds, e.kind)
		}
	}
	round := []string{"opened", "closed", "env.state"}
	require.Equal(t, slices.Concat([]string{"created", "populated", "lease"}, slices.Repeat(round, 5), []string{"finished"}), kinds)

	got := parsed[runAnswer](t, s.get(t, "/v1/runs/"+run))
	require.Equal(t, "finished", got.State)
	require.Equal(t, 500, got.Agents)
	require.Len(t, got.Summary.Rounds, 5)
	require.Equal(t, got.Hash, got.Summary.ResultHash)
	require.Contains(t, all[len(all)-1].data, got.Hash)
	require.Len(t, parsed[[]control.Info](t, s.get(t, "/v1/runs")), 1)

	lines, table := s.get(t, "/v1/runs/"+run+"/results"), s.get(t, "/v1/runs/"+run+"/results?format=csv")
	require.Equal(t, 5*500, strings.Count(lines, "\n"))
	require.Equal(t, 1+5*500, strings.Count(table, "\n"))
	require.Contains(t, s.get(t, "/v1/runs/"+run+"/report"), got.Hash)
	require.Contains(t, s.get(t, "/metrics"), `myriad_llmproxy_calls_total{model="player",outcome="answered",provider="levelk"} 2500`)
	require.Contains(t, s.get(t, "/openapi.json"), `"openapi": "3.1.0"`)
	require.Contains(t, s.get(t, "/healthz"), "ok")
	require.Contains(t, s.get(t, "/readyz"), "ready")

	t.Run("traffic", func(t *testing.T) { traffic.check(t, run) })
	t.Run("commands", func(t *testing.T) { checkCommands(t, dir, run, got) })
	t.Run("refusals", func(t *testing.T) { checkRefusals(t, s, source, run) })
	t.Run("cancel", func(t *testing.T) {
		slow, err := os.ReadFile(example(t, "dummy-1s.yaml"))
		require.NoError(t, err)
		other := s.post(t, "?agents=10&rounds=1000", slow)
		cancel := s.do(t, http.MethodPost, "/v1/runs/"+other+"/cancel", nil)
		require.Equal(t, http.StatusOK, cancel.status, cancel.body)
		events := s.events(t, other)
		require.Equal(t, "cancelled", events[len(events)-1].kind)
		require.Equal(t, "cancelled", parsed[runAnswer](t, s.get(t, "/v1/runs/"+other)).State)
		require.Equal(t, "over", s.problem(t, http.MethodPost, "/v1/runs/"+other+"/resume", nil).Code)
	})

	// Ended and started again on the same data, nothing is missing.
	require.Zero(t, s.stop(t))
	offline := call{dir: dir}.run(t, "runs").ok(t)
	require.Contains(t, offline, run)
	require.Contains(t, offline, "cancelled")
	s = up(t, dir)
	require.Len(t, parsed[[]control.Info](t, s.get(t, "/v1/runs")), 2)
	require.Equal(t, got, parsed[runAnswer](t, s.get(t, "/v1/runs/"+run)))
	require.Equal(t, lines, s.get(t, "/v1/runs/"+run+"/results?format=jsonl"))
	again := s.post(t, "?agents=500", source)
	s.events(t, again)
	require.Equal(t, got.Hash, parsed[runAnswer](t, s.get(t, "/v1/runs/"+again)).Hash)
}

// A stack that is killed goes on with its unfinished runs when it is up again: but not with those that were paused or
// cancelled. Their receipts tell what happened, and orders reach it on the data directory, a server or over HTTP.
func TestUpAfterAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	slow, err := os.ReadFile(example(t, "dummy-1s.yaml"))
	require.NoError(t, err)
	s := up(t, dir)
	const query = "?agents=2000&rounds=3"
	whole, going := s.post(t, "?agents=2000&rounds=3&set=models.sleeper.latency=0s", slow), s.post(t, query, slow)
	paused, cancelled := s.post(t, query, slow), s.post(t, query, slow)
	require.Eventually(t, func() bool { return s.state(t, going).Round == 2 && s.state(t, paused).Round > 0 }, patience, often)
	c := call{dir: dir}
	require.Contains(t, c.run(t, "pause", paused).ok(t), paused+" is paused")
	require.Contains(t, c.run(t, "cancel", cancelled, "--server", s.nats).ok(t), cancelled+" is cancelled")
	s.events(t, whole)
	want := s.state(t, whole).Hash
	require.NotEmpty(t, want)
	require.NoError(t, s.cmd.Process.Kill())
	<-s.done

	s = up(t, dir)
	said := s.out.String()
	require.Contains(t, said, "1 unfinished run goes on: "+going+"\n")
	require.Contains(t, said, "1 run is paused: "+paused+"; go on with: ")
	require.NotContains(t, said, cancelled)
	s.events(t, going)
	got := s.state(t, going)
	require.Equal(t, "finished", got.State, got.Reason)
	require.Equal(t, want, got.Hash)
	receipt := got.Summary.Receipt
	require.Zero(t, receipt.Lost)
	var who []string
	for _, f := range receipt.FaultList {
		who = append(who, f.Who)
		require.WithinDuration(t, time.Now(), f.At, patience)
		if f.Who == "coordinator" {
			require.True(t, f.Until.After(f.At))
		}
	}
	require.ElementsMatch(t, []string{"coordinator", "agenthost local"}, who)
	require.Equal(t, []int{2, 2, 1}, []int{receipt.Faults, receipt.Takeovers, receipt.LostHosts}) // two shards
	require.Contains(t, s.get(t, "/v1/runs/"+going+"/report"), `<td class="who">coordinator</td>`)
	require.Contains(t, c.run(t, "show", going, "--faults").ok(t), "agenthost local: lost; its shards were given to others")

	require.Equal(t, "paused", s.state(t, paused).State)
	require.Equal(t, "cancelled", s.state(t, cancelled).State)
	out := c.run(t, "resume", paused, "--out", "resumed").ok(t) // is followed to its end
	require.Contains(t, out, "Stack: nats://")
	require.Contains(t, out, want)
	for _, f := range parsed[report.Summary](t, readFile(t, filepath.Join(dir, "resumed"), "summary.json")).Receipt.FaultList {
		require.NotEqual(t, "coordinator", f.Who, "it cannot be missed while a run is paused")
	}

	replay := s.do(t, http.MethodPost, "/v1/runs/"+going+"/replay", nil)
	require.Equal(t, http.StatusAccepted, replay.status, replay.body)
	again := parsed[control.Info](t, replay.body).ID
	require.Equal(t, "/v1/runs/"+again, replay.header.Get("Location"))
	s.events(t, again)
	require.Equal(t, want, s.state(t, again).Hash)
	require.Contains(t, c.run(t, "replay", going, "--out", "again").ok(t), "Same result hash as run "+going+": "+want)
	require.Equal(t, http.StatusNotFound, s.do(t, http.MethodPost, "/v1/runs/gone/replay", nil).status)
}

// checkCommands looks at the run with the command line, which finds the stack by its data directory.
func checkCommands(t *testing.T, dir, run string, want runAnswer) {
	c := call{dir: dir}
	list := c.run(t, "runs").ok(t)
	require.Regexp(t, regexp.QuoteMeta(run)+` +finished +5/5 +500 +7 `, list)
	require.Contains(t, list, want.Hash[:16])

	shown := c.run(t, "show", run, "--out", "shown").ok(t)
	require.Contains(t, shown, want.Hash)
	require.Contains(t, shown, "finished")
	checkFiles(t, filepath.Join(dir, "shown"), *want.Summary)

	agent := c.run(t, "show", run, "--agent", "17").ok(t)
	require.Contains(t, agent, "Agent 17 of "+run)
	require.Contains(t, agent, "education: ")
	for round := range 5 {
		require.Contains(t, agent, "Round "+strconv.Itoa(round+1)+", guess: ")
	}
	require.Contains(t, c.run(t, "show", run, "--agent", "500").fails(t, 1), "0..499")
	require.Contains(t, c.run(t, "show", "no-such-run").fails(t, 1), `there is no run "no-such-run"`)
}

// checkRefusals checks what a stack says to what it cannot do.
func checkRefusals(t *testing.T, s *upStack, source []byte, run string) {
	before := len(parsed[[]control.Info](t, s.get(t, "/v1/runs")))
	wrong := []byte(strings.Replace(string(source), "proportion: 1/2", "proportion: 1/3", 1))
	p := s.problem(t, http.MethodPost, "/v1/runs", wrong)
	require.Equal(t, http.StatusUnprocessableEntity, p.Status)
	require.Equal(t, "invalid", p.Code)
	require.Len(t, p.Errors, 1)
	require.Contains(t, p.Errors[0].Detail, "must sum to 1")
	line := 1 + strings.Count(string(source[:strings.Index(string(source), "categories:")]), "\n")
	require.InDelta(t, line, p.Errors[0].Line, 1)
	require.Positive(t, p.Errors[0].Column)
	require.NotEmpty(t, p.Errors[0].SourceLine)

	require.Equal(t, http.StatusUnprocessableEntity, s.problem(t, http.MethodPost, "/v1/runs?agents=0", source).Status)
	require.Len(t, parsed[[]control.Info](t, s.get(t, "/v1/runs")), before)
	require.Equal(t, "not_found", s.problem(t, http.MethodGet, "/v1/runs/no-such-run", nil).Code)
	require.Equal(t, "over", s.problem(t, http.MethodPost, "/v1/runs/"+run+"/cancel", nil).Code)
	require.Equal(t, http.StatusNotFound, s.problem(t, http.MethodGet, "/v1/nothing", nil).Status)

	// Another process cannot have the same addresses, nor the same data.
	at := strings.TrimPrefix(s.http, "http://")
	taken := call{}.run(t, "up", "--http", at, "--nats", "127.0.0.1:0").fails(t, 1)
	require.Contains(t, taken, at)
	require.Contains(t, taken, "taken")
	require.Contains(t, taken, "--http")
	at = strings.TrimPrefix(s.nats, "nats://")
	taken = call{}.run(t, "up", "--http", "127.0.0.1:0", "--nats", at).fails(t, 1)
	require.Contains(t, taken, at)
	require.Contains(t, taken, "--nats")
	for _, args := range [][]string{{"up", "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0"}, {"run", example(t, game)}} {
		used := call{dir: s.cmd.Dir}.run(t, args...).fails(t, 1)
		require.Contains(t, used, "is used by process "+strconv.Itoa(s.cmd.Process.Pid))
		require.Contains(t, used, "--data")
	}
	require.Contains(t, call{}.run(t, "up", "--http", "0.0.0.0:8080", "--nats", "127.0.0.1:0").fails(t, 1), "this machine only")
}

// wiretap is all that a plain subscriber saw.
type wiretap struct {
	mu   sync.Mutex
	seen map[string]*nats.Msg // the first message of each kind of subject
}

func listen(t testing.TB, nc *nats.Conn) *wiretap {
	t.Helper()
	w := &wiretap{seen: map[string]*nats.Msg{}}
	_, err := nc.Subscribe("myriad.>", func(m *nats.Msg) {
		w.mu.Lock()
		defer w.mu.Unlock()
		kind := digits.ReplaceAllString(m.Subject, "N")
		if w.seen[kind] == nil {
			w.seen[kind] = m
		}
	})
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	return w
}

var digits = regexp.MustCompile(`\b\d+\b`)

// check checks that all kinds of traffic of a run were seen, and that the decode command reads them.
func (w *wiretap) check(t *testing.T, run string) {
	log := "myriad.run." + run + ".log."
	kinds := []string{
		log + "ctl.created", log + "ctl.populated", log + "ctl.lease", log + "ctl.opened", log + "ctl.closed", log + "ctl.env.state",
		log + "ctl.finished", log + "asked.N", log + "answer.N", "myriad.llm.player.chat",
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, kind := range kinds {
		require.Contains(t, w.seen, kind)
	}
	for kind, needs := range map[string][]string{
		log + "ctl.opened":       {`"kind":"opened"`, `"round":1`, `"attempt":0`},
		log + "answer.N":         {`"kind":"answer"`, `"question":0`, `"agents":[`, `"status":["answered"`, `"values":[`},
		"myriad.llm.player.chat": {run},
	} {
		line := call{stdin: w.seen[kind].Data}.run(t, "decode").ok(t)
		require.Equal(t, 1, strings.Count(line, "\n"), line)
		parsed[any](t, line)
		for _, part := range needs {
			require.Contains(t, line, part, kind)
		}
	}
}
