package runlog

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// questions are the turn of test scenarios: the first n of them.
var questions = []string{
	"{id: guess, ask: Guess, answer: {type: number, min: 0, max: 100, decimals: 2}}",
	"{id: mood, ask: Mood, answer: {type: choice, choices: [good, bad]}}",
	"{id: agree, ask: Agree, answer: {type: likert, points: 5}}",
	"{id: why, ask: Why, answer: {type: text}}",
}

// source is a scenario with the first n questions.
func source(agents, n int) []byte {
	return fmt.Appendf(nil, `version: 1
name: test
rounds: 9
population: {size: %d}
models: {m: {provider: openai, endpoints: ['http://localhost:1/v1'], model: x}}
agents: {all: {model: m}}
turn: [%s]
update: {world: {mean: mean(answers.guess)}}
`, agents, strings.Join(questions[:n], ", "))
}

func created(agents, n, shardSize int) Created {
	return Created{Name: "test", File: "test.yaml", Source: source(agents, n), Agents: agents, ShardSize: shardSize}
}

// epoch is the time of the first record of a book; the others follow a second apart.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// book is the log of a run in memory, with a fold that has read all of it.
type book struct {
	t       require.TestingT
	entries []Entry
	fold    *Fold

	sequel func() uint64 // the sequence of the next record; nil: three more than the last
	added  func(Entry)   // is told of each record; nil: nobody
}

func newBook(t require.TestingT, opts ...Option) *book {
	if len(opts) == 0 {
		opts = []Option{WithAnswers()}
	}
	return &book{t: t, fold: NewFold("r1", opts...)}
}

// entry is the next record, not yet in the book.
func (b *book) entry(subject string, data []byte) Entry {
	n := len(b.entries)
	seq := uint64(3 * (n + 1)) //nolint:gosec // small
	if b.sequel != nil {
		seq = b.sequel()
	}
	return Entry{Subject: subject, Seq: seq, Time: epoch.Add(time.Duration(n) * time.Second), Data: data}
}

func (b *book) add(e Entry) Header {
	h, err := b.fold.Apply(e)
	require.NoError(b.t, err)
	b.entries = append(b.entries, e)
	if b.added != nil {
		b.added(e)
	}
	return h
}

// control is the next control record.
func (b *book) control(kind string, round int, epoch uint64, body any) Entry {
	data, err := Encode(Header{Kind: kind, Run: b.fold.Run, Round: round, Writer: "test", Epoch: epoch}, body)
	require.NoError(b.t, err)
	return b.entry(subjects.LogCtl(b.fold.Run, kind), data)
}

// begin writes a run up to its first lease, of all shards.
func (b *book) begin(agents, n, shardSize int) {
	b.add(b.control(subjects.KindCreated, 0, 0, created(agents, n, shardSize)))
	b.add(b.control(subjects.KindPopulated, 0, 0, Populated{Population: "p"}))
	b.lease("h1", Range{0, b.fold.Shards()})
}

func (b *book) lease(host string, ranges ...Range) {
	b.add(b.control(subjects.KindLease, b.fold.Round, b.fold.Epoch+1, Lease{Host: host, Incarnation: host + "-1", Ranges: ranges}))
}

func (b *book) open() {
	round, attempt := b.fold.Round+1, 0
	if b.fold.Phase == PhaseOpen {
		round, attempt = b.fold.Round, b.fold.Opened.Attempt+1
	}
	b.add(b.control(subjects.KindOpened, round, 0, Opened{World: b.fold.World, Previous: b.fold.Previous, Attempt: attempt}))
}

// close closes the round and adds the world after it.
func (b *book) close() Closed {
	c, err := b.fold.Close()
	require.NoError(b.t, err)
	b.add(b.control(subjects.KindClosed, b.fold.Round, 0, c))
	b.add(b.control(subjects.KindEnvState, b.fold.Round, 0, EnvState{World: map[string]float64{"mean": float64(b.fold.Round)}, Counted: c.Counted}))
	return c
}

// one is an answer.
type one struct {
	agent  int
	status stats.Status
	value  int64
	text   string
}

// plain is an answered number: agent a says a in round r.
func plain(round, agent int) one {
	return one{agent, stats.Answered, int64(100*agent + round), fmt.Sprintf("I say %d", agent)}
}

func chunkOf(question, shard int, list ...one) *Answers {
	a := &Answers{Question: question, Shard: shard}
	for _, o := range list {
		a.Agents, a.Status, a.Values = append(a.Agents, o.agent), append(a.Status, o.status), append(a.Values, o.value)
		a.Text, a.TokensIn, a.TokensOut = append(a.Text, o.text), append(a.TokensIn, 10), append(a.TokensOut, 2)
		a.Calls, a.Retries, a.PromptSHA = append(a.Calls, 1), append(a.Retries, 0), append(a.PromptSHA, uint64(o.agent)) //nolint:gosec // small
		a.Model, a.Served = append(a.Model, "m"), append(a.Served, "served")
	}
	return a
}

func (b *book) answers(round int, epoch uint64, a *Answers) Entry {
	data, err := EncodeAnswers(Header{Run: b.fold.Run, Round: round, Writer: "h1-1", Epoch: epoch}, a)
	require.NoError(b.t, err)
	return b.entry(subjects.LogAnswer(b.fold.Run, a.Shard), data)
}

// answerAll answers the first question for all agents of all shards, plainly.
func (b *book) answerAll() {
	for shard := range b.fold.Shards() {
		b.add(b.answers(b.fold.Round, b.fold.Grants[shard].Epoch, b.plainShard(shard)))
	}
}

func (b *book) plainShard(shard int) *Answers {
	var list []one
	first, end := b.fold.ShardAgents(shard)
	for agent := first; agent < end; agent++ {
		list = append(list, plain(b.fold.Round, agent))
	}
	return chunkOf(0, shard, list...)
}

// bare is a state without the compiled scenarios, which cannot be compared.
func bare(s State) State {
	s.Scenario = nil
	s.Past = slices.Clone(s.Past)
	for i := range s.Past {
		s.Past[i].Scenario = nil
	}
	return s
}

// fork goes on with the book as a fork of its run after the last round.
func (b *book) fork(run string, change func(*Created)) {
	c := b.fold.Created
	c.Fork = &ForkOf{Run: b.fold.Run, Round: b.fold.Round, Seq: b.fold.CtlSeq}
	if change != nil {
		change(&c)
	}
	b.fold.Run = run // a fold of the fork: it was given the records of the parent first
	b.add(b.control(subjects.KindCreated, 0, 0, c))
}

// replay folds entries anew.
func replay(t testing.TB, entries []Entry, opts ...Option) *Fold {
	t.Helper()
	f := NewFold("r1", opts...)
	for _, e := range entries {
		_, err := f.Apply(e)
		require.NoError(t, err)
	}
	return f
}
