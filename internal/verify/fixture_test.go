package verify_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/internal/verify"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

const (
	agents    = 4
	shardSize = 2
)

const game = `version: 1
name: guess
rounds: 9
population: {size: 4, distributions: [{name: education, categories: [{name: school, proportion: 1/2}, {name: Ph.D., proportion: 1/2}]}]}
models: {player: {provider: dummy}}
agents: {players: {model: player}}
turn: [{id: guess, ask: Which number?, answer: {type: number, min: 0, max: 1000}}]
update: {world: {mean: mean(answers.guess)}}
`

// archive is a broker on which a test writes runs as the services would.
type archive struct {
	*testing.T
	srv *natstest.Server
	js  jetstream.JetStream
}

func newArchive(t *testing.T) *archive {
	srv := natstest.Start(t)
	return &archive{T: t, srv: srv, js: srv.JetStream(t)}
}

func (a *archive) verify(run string) *verify.Report {
	a.Helper()
	r, err := verify.Run(a.Context(), a.js, run, verify.Options{})
	require.NoError(a, err)
	require.Equal(a, run, r.Run)
	return r
}

// writer writes the log of a run. Its fold has what should be there; what is there may be bent.
type writer struct {
	*archive
	fold  *runlog.Fold
	all   []uint64     // all records
	wrong map[int]bend // by number of the record, from 0
}

// bend is what is stored in the place of a record; nil: nothing of this run.
type bend func(data []byte) []byte

// gone takes a record out.
func gone([]byte) []byte { return nil }

// flipped has a bit of the body flipped.
func flipped(data []byte) []byte {
	data[len(data)-3] ^= 1
	return data
}

func (a *archive) write(run string) *writer {
	return &writer{archive: a, fold: runlog.NewFold(run, runlog.WithAnswers()), wrong: map[int]bend{}}
}

// put stores a record and has the fold take it in.
func (w *writer) put(subject string, data []byte) {
	w.Helper()
	stored, at := append([]byte(nil), data...), subject
	if bend := w.wrong[len(w.all)]; bend != nil {
		if stored = bend(stored); stored == nil {
			stored, at = []byte{0x90}, subjects.LogMessage("bystander", 0) // somebody else's has the sequence
		}
	}
	ack, err := w.js.Publish(w.Context(), at, stored)
	require.NoError(w, err)
	w.all = append(w.all, ack.Sequence)
	_, err = w.fold.Apply(runlog.Entry{Subject: subject, Seq: ack.Sequence, Time: time.Now(), Data: data})
	require.NoError(w, err)
}

func (w *writer) control(kind string, round int, epoch uint64, body any) {
	w.Helper()
	data, err := runlog.Encode(runlog.Header{Kind: kind, Run: w.fold.Run, Round: round, Writer: "test", Epoch: epoch}, body)
	require.NoError(w, err)
	w.put(subjects.LogCtl(w.fold.Run, kind), data)
}

func created(fork *runlog.ForkOf) runlog.Created {
	return runlog.Created{Name: "guess", File: "game.yaml", Source: []byte(game), Agents: agents, ShardSize: shardSize, Fork: fork}
}

// begin writes a run up to its lease: the records 0 to 2.
func (w *writer) begin() {
	w.Helper()
	w.control(subjects.KindCreated, 0, 0, created(nil))
	pop, err := population.Draw(w.Context(), population.FromScenario(w.fold.Scenario), nil)
	require.NoError(w, err)
	store, err := w.js.ObjectStore(w.Context(), subjects.StorePersonas)
	require.NoError(w, err)
	hash, _, err := remote.Store(w.Context(), store, pop)
	require.NoError(w, err)
	w.control(subjects.KindPopulated, 0, 0, runlog.Populated{Population: hash})
	w.lease()
}

func (w *writer) lease() {
	w.Helper()
	w.control(subjects.KindLease, w.fold.Round, w.fold.Epoch+1, runlog.Lease{Host: "h", Incarnation: "h-1", Ranges: []runlog.Range{{First: 0, End: w.fold.Shards()}}})
}

// perRound is how many records a round has: opened, an answer of each shard, a message, closed, env.state.
const perRound = 6

// round writes a round.
func (w *writer) round() {
	w.Helper()
	n := w.fold.Round + 1
	w.control(subjects.KindOpened, n, 0, runlog.Opened{World: w.fold.World, Previous: w.fold.Previous})
	for shard := range w.fold.Shards() {
		w.answers(n, shard)
	}
	said, err := runlog.Encode(runlog.Header{Kind: runlog.KindMessage, Run: w.fold.Run, Round: n, Writer: "h-1", Epoch: w.fold.Epoch}, "hello")
	require.NoError(w, err)
	w.put(subjects.LogMessage(w.fold.Run, 0), said)
	c, err := w.fold.Close()
	require.NoError(w, err)
	w.control(subjects.KindClosed, n, 0, c)
	w.control(subjects.KindEnvState, n, 0, runlog.EnvState{World: map[string]float64{"mean": c.Questions[0].Summary.Mean}, Counted: c.Counted})
}

func (w *writer) answers(round, shard int) {
	w.Helper()
	a := &runlog.Answers{Shard: shard}
	first, end := w.fold.ShardAgents(shard)
	for agent := first; agent < end; agent++ {
		a.Agents, a.Status = append(a.Agents, agent), append(a.Status, stats.Answered)
		a.Values, a.Text = append(a.Values, int64(round*100+agent)), append(a.Text, fmt.Sprintf("%d by agent %d", round, agent))
		a.TokensIn, a.TokensOut = append(a.TokensIn, 10), append(a.TokensOut, 2)
		a.Calls, a.Retries, a.PromptSHA = append(a.Calls, 1), append(a.Retries, 0), append(a.PromptSHA, 1)
		a.Model, a.Served = append(a.Model, "player"), append(a.Served, "")
	}
	data, err := runlog.EncodeAnswers(runlog.Header{Run: w.fold.Run, Round: round, Writer: "h-1", Epoch: w.fold.Grants[shard].Epoch}, a)
	require.NoError(w, err)
	w.put(subjects.LogAnswer(w.fold.Run, shard), data)
}

func (w *writer) finish() {
	w.Helper()
	w.control(subjects.KindFinished, w.fold.Round, 0, runlog.Reason{Reason: "all played", Hash: w.fold.Chain})
}

// The records of a run of two rounds, by number.
const (
	recCreated, recPopulated, recLease = 0, 1, 2
	recOpened1, recAnswer1, recAnswer2 = 3, 4, 5
	recMessage1, recClosed1, recEnv1   = 6, 7, 8
	recFinished                        = 3 + 2*perRound
)

// ofRound2 is the number of a record of the second round.
func ofRound2(ofRound1 int) int { return ofRound1 + perRound }

// played writes a run of two rounds that is over.
func (a *archive) played(run string, wrong map[int]bend) *writer {
	a.Helper()
	w := a.write(run)
	w.wrong = wrong
	w.begin()
	w.round()
	w.round()
	w.finish()
	require.Len(a, w.all, recFinished+1)
	return w
}

// fork begins a run with the first rounds of another, which has just ended such a round.
func (w *writer) fork(run string) *writer {
	w.Helper()
	st, err := runlog.ReadControl(w.Context(), w.js, w.fold.Run)
	require.NoError(w, err)
	of, err := st.ForkAt(w.fold.Round)
	require.NoError(w, err)
	f := w.archive.write(run)
	require.NoError(w, runlog.ReadRun(w.Context(), w.js, w.fold.Run, runlog.RunSubjects, func(e runlog.Entry) error {
		if e.Seq > of.Seq {
			return nil
		}
		_, err := f.fold.Apply(e)
		return err
	}))
	f.fold.Run = run
	f.control(subjects.KindCreated, 0, 0, created(&of))
	f.lease()
	return f
}
