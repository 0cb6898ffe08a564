package coordinator

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

const waitFor, pollEvery = 10 * time.Second, 5 * time.Millisecond

const game = `version: 1
name: guess
seed: 7
rounds: 2
vars: {ratio: 2/3}
population:
  size: 4
  distributions: [{name: education, categories: [{name: school, proportion: 1/2}, {name: Ph.D., proportion: 1/2}]}]
models:
  player: {provider: dummy, latency: 1ms}
agents:
  players: {model: player}
turn:
  - id: guess
    ask: Which number?
    answer: {type: number, min: 0, max: 100}
update:
  world: {target: vars.ratio * mean(answers.guess)}
report: {winners: {nearest: world.target, within: 1}}
`

// stack is a NATS server and, once started, a coordinator whose API a test calls.
type stack struct {
	t   *testing.T
	nat *natstest.Server
	js  jetstream.JetStream
	svc *Service
}

func newStack(t *testing.T) *stack {
	nat := natstest.Start(t)
	return &stack{t: t, nat: nat, js: nat.JetStream(t)}
}

// start starts the coordinator. It leaves runs alone that are in the log already.
func (k *stack) start() {
	svc, err := New(k.nat.InProcess(k.t), natstest.Logger(k.t), Config{ID: "test", HTTP: "127.0.0.1:0", ShardSize: 1024})
	require.NoError(k.t, err)
	require.NoError(k.t, svc.Start(k.t.Context()))
	k.svc = svc
	k.t.Cleanup(k.stop)
}

func (k *stack) stop() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.t.Context()), 5*time.Second)
	defer cancel()
	require.NoError(k.t, k.svc.Stop(ctx))
}

func (k *stack) url(path string) string { return "http://" + k.svc.HTTPAddr() + path }

// client keeps no connection, so that none outlives its test.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}

// answer is a response with its whole body.
type answer struct {
	*http.Response
	text string
}

func (k *stack) do(r *http.Request) answer {
	k.t.Helper()
	res, err := client.Do(r)
	require.NoError(k.t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(k.t, err)
	return answer{res, string(data)}
}

func (k *stack) request(method, path, body string) *http.Request {
	k.t.Helper()
	r, err := http.NewRequestWithContext(k.t.Context(), method, k.url(path), strings.NewReader(body))
	require.NoError(k.t, err)
	return r
}

func (k *stack) get(path string) answer { return k.do(k.request(http.MethodGet, path, "")) }

func (k *stack) post(path, body string) answer { return k.do(k.request(http.MethodPost, path, body)) }

// writer writes the log of a run as the services would, checked by a fold.
type writer struct {
	*stack
	fold *runlog.Fold
}

func (k *stack) write(run string) *writer {
	return &writer{stack: k, fold: runlog.NewFold(run, runlog.WithAnswers())}
}

func (w *writer) control(kind string, round int, body any) {
	w.t.Helper()
	h := runlog.Header{Kind: kind, Run: w.fold.Run, Round: round, Writer: "test", Epoch: 1}
	seq, err := runlog.AppendControl(w.t.Context(), w.js, h, body, w.fold.CtlSeq)
	require.NoError(w.t, err)
	data, err := runlog.Encode(h, body)
	require.NoError(w.t, err)
	w.apply(subjects.LogCtl(w.fold.Run, kind), seq, data)
}

func (w *writer) apply(subject string, seq uint64, data []byte) {
	w.t.Helper()
	h, err := w.fold.Apply(runlog.Entry{Subject: subject, Seq: seq, Time: time.Now(), Data: data})
	require.NoError(w.t, err)
	if h.Kind != subjects.KindPaused { // which counts as a fault; a dropped answer would be one too
		require.Empty(w.t, w.fold.Faults)
	}
}

// begin writes a run up to its leases.
func (w *writer) begin(size int) {
	w.t.Helper()
	source := strings.Replace(game, "size: 4", fmt.Sprintf("size: %d", size), 1)
	w.control(subjects.KindCreated, 0, runlog.Created{Name: "guess", File: "game.yaml", Source: []byte(source), Agents: size, ShardSize: 1024})
	pop, err := population.Draw(w.t.Context(), population.FromScenario(w.fold.Scenario), nil)
	require.NoError(w.t, err)
	store, err := w.js.ObjectStore(w.t.Context(), subjects.StorePersonas)
	require.NoError(w.t, err)
	hash, _, err := remote.Store(w.t.Context(), store, pop)
	require.NoError(w.t, err)
	w.control(subjects.KindPopulated, 0, runlog.Populated{Population: hash})
	w.control(subjects.KindLease, 0, runlog.Lease{Host: "h", Incarnation: "gone", Ranges: []runlog.Range{{First: 0, End: w.fold.Shards()}}})
}

func (w *writer) open(round int) {
	w.control(subjects.KindOpened, round, runlog.Opened{World: w.fold.World})
}

// answers writes the same answer for some agents of a shard.
func (w *writer) answers(round, shard, first, end int, value int64, text string) {
	w.t.Helper()
	a := &runlog.Answers{Shard: shard}
	for agent := first; agent < end; agent++ {
		a.Agents, a.Status = append(a.Agents, agent), append(a.Status, stats.Answered)
		a.Values, a.Text = append(a.Values, value*1_000_000), append(a.Text, text)
		a.TokensIn, a.TokensOut = append(a.TokensIn, 10), append(a.TokensOut, 2)
		a.Calls, a.Retries = append(a.Calls, 1), append(a.Retries, 0)
		a.PromptSHA, a.Model, a.Served = append(a.PromptSHA, 1), append(a.Model, "player"), append(a.Served, "")
	}
	data, err := runlog.EncodeAnswers(runlog.Header{Run: w.fold.Run, Round: round, Writer: "h", Epoch: 1}, a)
	require.NoError(w.t, err)
	subject := subjects.LogAnswer(w.fold.Run, shard)
	ack, err := w.js.Publish(w.t.Context(), subject, data)
	require.NoError(w.t, err)
	w.apply(subject, ack.Sequence, data)
}

func (w *writer) close(round int) {
	w.t.Helper()
	c, err := w.fold.Close()
	require.NoError(w.t, err)
	w.control(subjects.KindClosed, round, c)
	target := c.Questions[0].Summary.Mean * 2 / 3
	w.control(subjects.KindEnvState, round, runlog.EnvState{
		World: map[string]float64{"target": target}, Winners: map[string]runlog.Winners{"guess": {Target: target, Nearest: 1, Agents: []int{0}}},
	})
}

// round writes a whole round in which each agent says what its number is.
func (w *writer) round(n int) {
	w.t.Helper()
	w.open(n)
	for agent := range w.fold.Created.Agents {
		w.answers(n, 0, agent, agent+1, int64(10*agent), fmt.Sprintf("I say %d", 10*agent))
	}
	w.close(n)
}

func (w *writer) finish() {
	w.t.Helper()
	w.control(subjects.KindFinished, w.fold.Round, runlog.Reason{Reason: "all played", Hash: w.fold.Chain})
}

// played writes a run that is over.
func (k *stack) played(run string) *writer {
	k.t.Helper()
	w := k.write(run)
	w.begin(4)
	w.round(1)
	w.round(2)
	w.finish()
	return w
}

// overridesOf has six agents and what else is set.
func overridesOf(t *testing.T, set map[string]string) scenario.Overrides {
	t.Helper()
	agents := 6
	o := scenario.Overrides{Agents: &agents, Set: set}
	_, err := scenario.Load("game.yaml", []byte(game), o)
	require.NoError(t, err)
	return o
}
