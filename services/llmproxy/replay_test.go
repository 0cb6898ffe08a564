package llmproxy

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/reading"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// past writes a run into the log of a real broker: two shards of four agents, one question.
type past struct {
	t    testing.TB
	js   jetstream.JetStream
	fold *runlog.Fold
}

const pastScenario = `version: 1
name: past
rounds: 9
population: {size: 8}
models: {m: {provider: %s}}
agents: {all: {model: m}}
turn: [{id: guess, ask: Guess, answer: {type: number, min: 0, max: 100, decimals: 2}}]
`

func newPast(t testing.TB, js jetstream.JetStream, run, provider string) *past {
	t.Helper()
	p := &past{t, js, runlog.NewFold(run, runlog.WithAnswers())}
	p.control(subjects.KindCreated, 0, 0, runlog.Created{
		Name: "past", File: "past.yaml", Source: fmt.Appendf(nil, pastScenario, provider), Agents: 8, ShardSize: 4,
	})
	p.control(subjects.KindPopulated, 0, 0, runlog.Populated{Population: "p"})
	p.lease("h1")
	return p
}

func (p *past) control(kind string, round int, epoch uint64, body any) {
	p.t.Helper()
	h := runlog.Header{Kind: kind, Run: p.fold.Run, Round: round, Writer: "test", Epoch: epoch}
	_, err := runlog.AppendControl(p.t.Context(), p.js, h, body, p.fold.CtlSeq)
	require.NoError(p.t, err)
	p.read()
}

// read takes in what is new in the log.
func (p *past) read() {
	p.t.Helper()
	require.NoError(p.t, runlog.Read(p.t.Context(), p.js, p.fold.Seq+1, runlog.RunSubjects(p.fold.Run), func(e runlog.Entry) error {
		_, err := p.fold.Apply(e)
		return err
	}))
}

func (p *past) lease(host string) {
	p.t.Helper()
	p.control(subjects.KindLease, p.fold.Round, p.fold.Epoch+1, runlog.Lease{Host: host, Incarnation: host, Ranges: []runlog.Range{{First: 0, End: 2}}})
}

// open opens the next round, or the open one again.
func (p *past) open() {
	p.t.Helper()
	round, attempt := p.fold.Round+1, 0
	if p.fold.Phase == runlog.PhaseOpen {
		round, attempt = p.fold.Round, p.fold.Opened.Attempt+1
	}
	p.control(subjects.KindOpened, round, 0, runlog.Opened{World: map[string]float64{}, Previous: map[string]float64{}, Attempt: attempt})
}

// answers appends what agents of a shard said; attempts may be nil.
func (p *past) answers(epoch uint64, attempts map[int][]runlog.Attempt, text func(agent int) string, agents ...int) {
	p.t.Helper()
	a := &runlog.Answers{Shard: agents[0] / 4, Agents: agents, Attempts: map[int][]runlog.Attempt{}}
	for i, agent := range agents {
		a.Status, a.Values, a.Text = append(a.Status, stats.Answered), append(a.Values, 100), append(a.Text, text(agent))
		a.TokensIn, a.TokensOut = append(a.TokensIn, 1), append(a.TokensOut, 1)
		a.Calls, a.Retries, a.PromptSHA = append(a.Calls, 1), append(a.Retries, 0), append(a.PromptSHA, 0)
		a.Model, a.Served = append(a.Model, "m"), append(a.Served, "")
		if list, ok := attempts[agent]; ok {
			a.Attempts[i] = list
		}
	}
	data, err := runlog.EncodeAnswers(runlog.Header{Run: p.fold.Run, Round: p.fold.Round, Writer: "h", Epoch: epoch}, a)
	require.NoError(p.t, err)
	_, err = p.js.Publish(p.t.Context(), subjects.LogAnswer(p.fold.Run, a.Shard), data)
	require.NoError(p.t, err)
	p.read()
}

func (p *past) close() {
	p.t.Helper()
	c, err := p.fold.Close()
	require.NoError(p.t, err)
	p.control(subjects.KindClosed, p.fold.Round, 0, c)
	p.control(subjects.KindEnvState, p.fold.Round, 0, runlog.EnvState{World: map[string]float64{}})
}

func said1(round int) func(int) string {
	return func(agent int) string { return fmt.Sprintf("round %d: %d", round, agent) }
}

// replays starts a proxy on a broker with a log to write into.
func replays(t testing.TB, change func(*Config)) (*stack, jetstream.JetStream) {
	t.Helper()
	srv := natstest.Start(t)
	cfg := fast(t)
	if change != nil {
		change(&cfg)
	}
	svc, err := New(srv.InProcess(t), natstest.Logger(t), cfg)
	require.NoError(t, err)
	require.NoError(t, svc.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, svc.Stop(context.Background())) })
	return &stack{svc, srv.InProcess(t)}, srv.JetStream(t)
}

func replayOf(t testing.TB, run string, round int, purpose uint8, asks ...llm.Call) *llm.Request {
	t.Helper()
	r := request(t, scenario.Model{Name: "m", Provider: "replay", Run: run}, &llm.Facts{Round: round, Question: "guess", Type: scenario.TypeNumber}, 0)
	r.Purpose, r.Calls = purpose, asks
	return r
}

func calls(agents ...uint64) (out []llm.Call) {
	for _, a := range agents {
		out = append(out, llm.Call{Agent: a})
	}
	return out
}

// What counted in the log is what is said again, whichever opening, host and record it came from.
func TestReplaySaysWhatCounted(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int64{"in memory": 1 << 20, "read again": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, js := replays(t, func(c *Config) { c.ReplayBytes = limit })
			p := newPast(t, js, "past", "dummy, latency: 1s")
			other := newPast(t, js, "other", "dummy, latency: 1s")
			other.open()
			p.open()
			p.answers(1, nil, said1(-1), 0, 1) // of an opening that was given up
			p.open()
			p.answers(1, map[int][]runlog.Attempt{1: {
				{Kind: llm.PurposeAnswer, Number: 1 << 16, Text: "well"}, {Kind: llm.PurposeReask, Number: 1<<16 + 1, Text: "round 1: 1"},
			}}, said1(1), 0, 1)
			p.answers(1, nil, said1(-2), 1, 2) // 1 has answered before
			other.answers(1, nil, said1(-3), 0, 1, 2, 3)
			p.lease("h2")
			p.answers(1, nil, said1(-4), 3) // of a host that has lost its shards
			p.answers(2, nil, said1(1), 3)
			p.answers(2, nil, said1(1), 4, 5, 6, 7)
			p.close()
			p.open()
			p.answers(2, nil, said1(2), 0, 1, 2, 3)
			p.answers(2, nil, said1(2), 4, 5, 6, 7)
			p.close()

			got := s.ask(t, replayOf(t, "past", 1, llm.PurposeAnswer, calls(0, 1, 2, 3, 7, 4)...))
			require.Empty(t, got.refused)
			require.Equal(t, []string{"round 1: 0", "well", "round -2: 2", "round 1: 3", "round 1: 7", "round 1: 4"}, got.text)
			got = s.ask(t, replayOf(t, "past", 1, llm.PurposeReask, llm.Call{Agent: 1, Attempt: 1}))
			require.Equal(t, []string{"round 1: 1"}, got.text)
			got = s.ask(t, replayOf(t, "past", 1, llm.PurposeReask, llm.Call{Agent: 1, Attempt: 3<<16 + 1}))
			require.Equal(t, []string{"round 1: 1"}, got.text, "what counted is said in every opening")
			got = s.ask(t, replayOf(t, "past", 2, llm.PurposeAnswer, calls(3, 5)...))
			require.Equal(t, []string{"round 2: 3", "round 2: 5"}, got.text)
			s.svc.replay.library.pages.mu.Lock()
			defer s.svc.replay.library.pages.mu.Unlock()
			require.LessOrEqual(t, s.svc.replay.library.pages.order.Len(), map[int64]int{1: 1, 1 << 20: 9}[limit])
		})
	}
}

// Everything about a completion that decides how it is read comes back with it.
func TestReplayOfEveryAttempt(t *testing.T) {
	t.Parallel()
	s, js := replays(t, nil)
	p := newPast(t, js, "past", "openai, endpoints: ['http://localhost:1/v1'], model: x")
	long := strings.Repeat("é", reading.MaxReply/2-1) + "a"
	p.open()
	p.answers(1, map[int][]runlog.Attempt{
		0: {{Kind: llm.PurposeAnswer, Text: "12", Cut: true}, {Kind: llm.PurposeExtract, Number: 1, Refused: "not this"}, {Kind: llm.PurposeReask, Number: 1, Text: "13"}},
		1: {{Kind: llm.PurposeAnswer, Text: long, Clipped: true}},
		2: {{Kind: llm.PurposeAnswer, Refused: "not that"}},
	}, func(int) string { return "13" }, 0, 1, 2, 3)
	p.answers(1, nil, said1(1), 4, 5, 6, 7)
	p.close()
	got := s.ask(t, replayOf(t, "past", 1, llm.PurposeAnswer, calls(0, 1, 2, 3)...))
	require.Equal(t, []bool{true, false, false, false}, got.cut)
	require.Equal(t, "12", got.text[0])
	require.Greater(t, len(got.text[1]), reading.MaxReply)
	require.Equal(t, long, got.text[1][:len(long)])
	require.Equal(t, []string{"", "", "not that", ""}, got.errs)
	require.Equal(t, "13", got.text[3])
	require.Equal(t, []string{"not this"}, s.ask(t, replayOf(t, "past", 1, llm.PurposeExtract, llm.Call{Agent: 0, Attempt: 1})).errs)
	require.Equal(t, []string{"13"}, s.ask(t, replayOf(t, "past", 1, llm.PurposeReask, llm.Call{Agent: 0, Attempt: 1})).text)
}

// What was never said is named: the call, the round or the run.
func TestReplayOfWhatWasNeverSaid(t *testing.T) {
	t.Parallel()
	s, js := replays(t, nil)
	p := newPast(t, js, "past", "dummy, latency: 1s")
	p.open()
	p.answers(1, nil, said1(1), 0, 1, 2, 3)
	p.answers(1, nil, said1(1), 4, 5, 6, 7)
	p.close()

	got := s.ask(t, replayOf(t, "past", 1, llm.PurposeExtract, llm.Call{Agent: 2, Attempt: 1}, llm.Call{Agent: 8}))
	require.Equal(t, []string{
		"nothing to replay was recorded: run past, round 1, agent 2, question guess, attempt 1 (reading the reply)",
		"nothing to replay was recorded: run past, round 1, agent 8, question guess, attempt 0 (reading the reply)",
	}, got.errs)
	r := replayOf(t, "past", 1, llm.PurposeAnswer, calls(1)...)
	r.Facts = llm.EncodeFacts(&llm.Facts{Round: 1, Question: "mood", Type: scenario.TypeText})
	require.Contains(t, s.ask(t, r).errs[0], "question mood, attempt 0 (the question)")

	for want, r := range map[string]*llm.Request{
		"round 2; run past is running and its last closed round is 1": replayOf(t, "past", 2, llm.PurposeAnswer, calls(0)...),
		"there is no such run to replay: gone":                        replayOf(t, "gone", 1, llm.PurposeAnswer, calls(0)...),
		"a run cannot replay itself: r1":                              replayOf(t, "r1", 1, llm.PurposeAnswer, calls(0)...),
		"it names no run":                                             replayOf(t, "", 1, llm.PurposeAnswer, calls(0)...),
	} {
		require.Contains(t, s.ask(t, r).refused, want)
	}

	p.open() // a run that goes on can be replayed as far as it came
	p.answers(1, nil, said1(2), 0, 1, 2, 3)
	p.answers(1, nil, said1(2), 4, 5, 6, 7)
	p.close()
	require.Equal(t, []string{"round 2: 6"}, s.ask(t, replayOf(t, "past", 2, llm.PurposeAnswer, calls(6)...)).text)
}

// A reply is read as what spoke in the first place, however often it was replayed since.
func TestReplayTellsWhoSpoke(t *testing.T) {
	t.Parallel()
	s, js := replays(t, nil)
	for provider, plain := range map[string]bool{"dummy, latency: 1s": true, "openai, endpoints: ['http://localhost:1/v1'], model: x": false} {
		name, _, _ := strings.Cut(provider, ",")
		for run, of := range map[string]string{name: provider, name + "-again": "replay, run: " + name} {
			p := newPast(t, js, run, of)
			p.open()
			p.answers(1, nil, said1(1), 0, 1, 2, 3)
			p.answers(1, nil, said1(1), 4, 5, 6, 7)
			p.close()
		}
		for _, run := range []string{name, name + "-again"} {
			payload, err := llm.EncodeRequest(replayOf(t, run, 1, llm.PurposeAnswer, calls(1)...))
			require.NoError(t, err)
			sub := s.send(t, payload)
			r := answered(t, sub)
			require.Equal(t, []string{"round 1: 1"}, r.Text)
			require.Equal(t, plain, r.Plain, run)
		}
	}
	got := s.ask(t, replayOf(t, "dummy", 1, llm.PurposeInterview, calls(1)...))
	require.Contains(t, got.text[0], "what was said in run dummy")
}
