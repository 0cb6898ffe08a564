package results

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const source = `version: 1
name: test
seed: 7
rounds: 3
population:
  size: SIZE
  distributions: [{name: education, categories: [{name: school, proportion: 1/2}, {name: Ph.D., proportion: 1/2}]}]
models:
  m: {provider: openai, endpoints: ['http://localhost:1/v1'], model: x}
  d: {provider: dummy, latency: 2s}
agents: {left: {share: 1/2, model: m}, right: {share: 1/2, model: m}}
turn:
  - {id: guess, ask: "Guess {{.round}}", answer: {type: number, min: 0, max: 100, decimals: 2}}
  - {id: mood, ask: Mood, answer: {type: choice, choices: [good, bad]}}
  - {id: agree, ask: Agree, answer: {type: likert, points: 3}}
  - {id: why, ask: Why, answer: {type: text}}
update: {world: {mean: mean(answers.guess)}}
report: {winners: {nearest: world.mean, within: 1}}
`

// log writes the log of a run as the services would.
type log struct {
	testing.TB
	js   jetstream.JetStream
	fold *runlog.Fold
}

func newLog(t testing.TB, run string, agents, shardSize int) *log {
	t.Helper()
	return newLogOf(t, source, run, agents, shardSize)
}

// newLogOf has another scenario, of so many agents where it says SIZE.
func newLogOf(t testing.TB, source, run string, agents, shardSize int) *log {
	t.Helper()
	l := &log{TB: t, js: natstest.Start(t).JetStream(t), fold: runlog.NewFold(run, runlog.WithAnswers())}
	src := []byte(strings.Replace(source, "SIZE", fmt.Sprint(agents), 1))
	l.control(subjects.KindCreated, 0, runlog.Created{Name: "test", File: "test.yaml", Source: src, Agents: agents, ShardSize: shardSize})
	pop, err := population.Draw(t.Context(), population.FromScenario(l.fold.Scenario), nil)
	require.NoError(t, err)
	store, err := l.js.ObjectStore(t.Context(), subjects.StorePersonas)
	require.NoError(t, err)
	hash, _, err := remote.Store(t.Context(), store, pop)
	require.NoError(t, err)
	l.control(subjects.KindPopulated, 0, runlog.Populated{Population: hash})
	l.lease("h1")
	return l
}

func (l *log) read() *runlog.State {
	l.Helper()
	s, err := runlog.ReadControl(l.Context(), l.js, l.fold.Run)
	require.NoError(l, err)
	return s
}

func (l *log) control(kind string, epoch uint64, body any) {
	l.Helper()
	round := l.fold.Round
	if o, ok := body.(runlog.Opened); ok && o.Attempt == 0 {
		round++
	}
	h := runlog.Header{Kind: kind, Run: l.fold.Run, Round: round, Writer: "test", Epoch: epoch}
	_, err := runlog.AppendControl(l.Context(), l.js, h, body, l.fold.CtlSeq)
	require.NoError(l, err)
	l.catchUp()
}

// catchUp applies what is new in the log.
func (l *log) catchUp() {
	l.Helper()
	err := runlog.Read(l.Context(), l.js, l.fold.Seq+1, runlog.RunSubjects(l.fold.Run), func(e runlog.Entry) error {
		_, err := l.fold.Apply(e)
		return err
	})
	require.NoError(l, err)
}

func (l *log) lease(host string) {
	l.Helper()
	l.control(subjects.KindLease, l.fold.Epoch+1, runlog.Lease{Host: host, Incarnation: host, Ranges: []runlog.Range{{First: 0, End: l.fold.Shards()}}})
}

func (l *log) open(attempt int) {
	l.Helper()
	l.control(subjects.KindOpened, 0, runlog.Opened{World: l.fold.World, Attempt: attempt})
}

// said is what an agent answers: status, value, text.
func said(round, agent, question, nonce int) (stats.Status, int64, string) {
	switch question {
	case 0:
		if agent == 1 {
			return stats.Missing, 0, "no idea"
		}
		return stats.Answered, int64(100*agent + round + nonce), fmt.Sprintf("%d.%02d", agent, round+nonce)
	case 1:
		return stats.Extracted, int64(agent % 2), "mood"
	case 2:
		return stats.Repaired, int64(1 + agent%3), "agree"
	}
	return stats.Answered, 0, fmt.Sprintf("because %d", agent)
}

// had is how an agent comes to its answer: the agent that was asked in its place, or -1, whether its tokens are a share of a
// batch, and why it has none.
func had(agent, question int) (shared int, apportioned bool, reason string) {
	switch {
	case question == 0 && agent == 1:
		return -1, false, "content filter"
	case question == 3 && agent%2 == 1:
		return agent - 1, agent%3 == 0, ""
	}
	return -1, question == 1, ""
}

// answer answers all questions for the agents of one shard.
func (l *log) answer(shard, nonce int) {
	l.Helper()
	first, end := l.fold.ShardAgents(shard)
	l.answerFor(shard, first, end, nonce)
}

// answerFor is answer for the agents from first to end (not included).
func (l *log) answerFor(shard, first, end, nonce int) {
	l.Helper()
	for q := range l.fold.Scenario.Turn {
		a := &runlog.Answers{Question: q, Shard: shard}
		for agent := first; agent < end; agent++ {
			status, value, text := said(l.fold.Round, agent, q, nonce)
			a.Agents, a.Status, a.Values, a.Text = append(a.Agents, agent), append(a.Status, status), append(a.Values, value), append(a.Text, text)
			a.TokensIn, a.TokensOut = append(a.TokensIn, uint32(agent)), append(a.TokensOut, 2)                        //nolint:gosec // small
			a.Calls, a.Retries, a.PromptSHA = append(a.Calls, 3), append(a.Retries, 1), append(a.PromptSHA, uint64(q)) //nolint:gosec // small
			a.Model, a.Served = append(a.Model, "m"), append(a.Served, "x-served")
			shared, apportioned, reason := had(agent, q)
			a.Shared, a.Apportioned = append(a.Shared, int32(shared)), append(a.Apportioned, apportioned) //nolint:gosec // small
			if reason != "" {
				a.Reasons = map[int]string{a.Len() - 1: reason}
			}
		}
		h := runlog.Header{Run: l.fold.Run, Round: l.fold.Round, Writer: "h1", Epoch: l.fold.Grants[shard].Epoch}
		data, err := runlog.EncodeAnswers(h, a)
		require.NoError(l, err)
		_, err = l.js.Publish(l.Context(), subjects.LogAnswer(l.fold.Run, shard), data)
		require.NoError(l, err)
	}
}

// play plays a round to its end.
func (l *log) play() {
	l.Helper()
	l.open(0)
	for shard := range l.fold.Shards() {
		l.answer(shard, 0)
	}
	l.close()
}

func (l *log) close() {
	l.Helper()
	l.catchUp()
	c, err := l.fold.Close()
	require.NoError(l, err)
	l.control(subjects.KindClosed, 0, c)
	mean := c.Questions[0].Summary.Mean
	l.control(subjects.KindEnvState, 0, runlog.EnvState{
		World: map[string]float64{"mean": mean}, Winners: map[string]runlog.Winners{"guess": {Target: mean, Nearest: 2, Agents: []int{2, 3}, Within: 4}},
	})
}
