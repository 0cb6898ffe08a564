package agenthost

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

const waitFor, pollEvery = 15 * time.Second, 2 * time.Millisecond

// stage is a broker with the log, the fold of one run, and who else is on it.
type stage struct {
	testing.TB
	srv  *natstest.Server
	nc   *nats.Conn
	js   jetstream.JetStream
	fold *runlog.Fold

	texts map[[3]int]string // accepted replies by round, question and agent
	last  *runlog.Answers   // last accepted record

	mu      sync.Mutex
	entries []runlog.Entry // read and not folded
	stream  jetstream.Stream
	store   func(*population.Population) string // stores a population and returns its hash
}

func newStage(t testing.TB) *stage {
	s := &stage{TB: t, srv: natstest.Start(t), texts: map[[3]int]string{}}
	s.nc = s.srv.InProcess(t)
	js, err := jetstream.New(s.nc)
	require.NoError(t, err)
	s.js = js
	s.fold = runlog.NewFold("r1", runlog.WithAccept(func(round int, a *runlog.Answers, positions []int) {
		s.last = a
		for _, at := range positions {
			s.texts[[3]int{round, a.Question, a.Agents[at]}] = a.Text[at]
		}
	}))
	s.store = func(p *population.Population) string {
		store, err := js.ObjectStore(t.Context(), subjects.StorePersonas)
		require.NoError(t, err)
		hash, _, err := remote.Store(t.Context(), store, p)
		require.NoError(t, err)
		return hash
	}
	s.stream, err = js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	follows := make(chan struct{})
	caughtUp := func() error {
		close(follows)
		return nil
	}
	done.Go(func() {
		err := runlog.Follow(ctx, js, 0, []string{subjects.LogAll("r1")}, caughtUp, func(e runlog.Entry) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.entries = append(s.entries, e)
			return nil
		})
		if ctx.Err() == nil {
			t.Errorf("log not followed: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		done.Wait()
	})
	<-follows
	return s
}

func quick() Config {
	return Config{InFlight: 4096, ModelInFlight: 4096, InFlightBytes: 1 << 20, Batch: 256, KeepRuns: 2, Heartbeat: 50 * time.Millisecond, Flush: 5 * time.Millisecond, Lost: 600 * time.Millisecond}
}

// host starts a host that stops with the test.
func (s *stage) host(cfg Config) *Service {
	s.Helper()
	h, err := New(s.srv.InProcess(s), natstest.Logger(s), cfg)
	require.NoError(s, err)
	require.NoError(s, h.Start(s.Context()))
	s.Cleanup(func() { s.stop(h) })
	return h
}

func (s *stage) stop(h *Service) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), 10*time.Second)
	defer cancel()
	require.NoError(s, h.Stop(ctx))
}

// control appends a control record as a coordinator would.
func (s *stage) control(kind string, round int, epoch uint64, body any) {
	s.Helper()
	s.catchUp()
	_, err := runlog.AppendControl(s.Context(), s.js, runlog.Header{Kind: kind, Run: s.fold.Run, Round: round, Writer: "test", Epoch: epoch}, body, s.fold.CtlSeq)
	require.NoError(s, err)
	s.catchUp()
}

// catchUp folds all that is in the log.
func (s *stage) catchUp() {
	s.Helper()
	last, err := s.stream.GetLastMsgForSubject(s.Context(), subjects.LogAll("r1"))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return
	}
	require.NoError(s, err)
	require.Eventually(s, func() bool { return s.fold.Seq >= last.Sequence || s.apply() >= last.Sequence }, waitFor, time.Millisecond)
}

// apply folds what was read and returns the sequence of the last record.
func (s *stage) apply() (seq uint64) {
	s.mu.Lock()
	entries := s.entries
	s.entries = nil
	s.mu.Unlock()
	for _, e := range entries {
		_, err := s.fold.Apply(e)
		require.NoError(s, err)
	}
	return s.fold.Seq
}

// create makes the run and gives each host its shards.
func (s *stage) create(source string, agents, shardSize int, owner *Service) {
	s.Helper()
	s.control(subjects.KindCreated, 0, 0, runlog.Created{Name: "t", File: "t.yaml", Source: []byte(source), Agents: agents, ShardSize: shardSize})
	pop, err := population.Draw(s.Context(), population.FromScenario(s.fold.Scenario), nil)
	require.NoError(s, err)
	s.control(subjects.KindPopulated, 0, 0, runlog.Populated{Population: s.store(pop)})
	s.lease(owner, 0, s.fold.Shards())
}

func (s *stage) lease(h *Service, first, end int) {
	s.Helper()
	s.control(subjects.KindLease, s.fold.Round, s.fold.Epoch+1, runlog.Lease{
		Host: h.beat.ID, Incarnation: h.beat.Incarnation, Ranges: []runlog.Range{{First: first, End: end}},
	})
}

func (s *stage) open() {
	s.Helper()
	s.control(subjects.KindOpened, s.fold.Round+1, 0, runlog.Opened{World: s.fold.World, Previous: s.fold.Previous})
}

// complete waits until the open round has all its answers.
func (s *stage) complete() {
	s.Helper()
	s.eventually(func() bool { return s.fold.Complete() }, "the round is complete")
}

func (s *stage) eventually(ok func() bool, what string) {
	s.Helper()
	require.Eventually(s, func() bool {
		s.catchUp()
		return ok()
	}, waitFor, pollEvery, what)
	require.Empty(s, s.damaged())
}

// damaged are the faults of the log itself that are not pauses.
func (s *stage) damaged() (out []runlog.Fault) {
	for _, f := range s.fold.Faults {
		if f.Who == "" && !strings.HasPrefix(f.What, "paused") {
			out = append(out, f)
		}
	}
	return out
}

// close closes the round and moves the world on.
func (s *stage) close(world map[string]float64) {
	s.Helper()
	c, err := s.fold.Close()
	require.NoError(s, err)
	s.control(subjects.KindClosed, s.fold.Round, 0, c)
	s.control(subjects.KindEnvState, s.fold.Round, 0, runlog.EnvState{World: world})
}

func (s *stage) pause() {
	s.control(subjects.KindPaused, s.fold.Round, 0, runlog.Reason{Reason: "test"})
}
func (s *stage) resume() { s.control(subjects.KindResumed, s.fold.Round, 0, runlog.Reason{}) }

// status and value of an agent's answer in the present round.
func (s *stage) status(question, agent int) stats.Status {
	return s.fold.Columns()[question].Status[agent]
}
func (s *stage) value(question, agent int) float64 {
	c := s.fold.Columns()[question]
	return stats.Float(c.Values[agent], c.Decimals)
}

// idle waits until the host has no agent in flight and every place in flight is free.
func (s *stage) idle(h *Service) {
	s.Helper()
	require.Eventually(s, func() bool { return h.flight.inUse() == 0 }, waitFor, pollEvery)
	require.Zero(s, h.asker.bytes.inUse(), "bytes in flight were lost")
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, held := range h.runs {
		held.run.mu.Lock()
		for _, l := range held.run.lanes {
			require.Zero(s, l.inFlight.inUse(), "places of a model were lost")
		}
		held.run.mu.Unlock()
	}
}

// proxy is a scripted llmproxy. It keeps all requests.
type proxy struct {
	stage *stage
	sub   *nats.Subscription
	calls atomic.Int64

	mu       sync.Mutex
	requests []*llm.Request
	prompts  map[string]int // by text of the whole conversation
}

// asked is a request and where its results go.
type asked struct {
	*llm.Request
	proxy *proxy
	inbox string
}

// proxy starts one that has each request handled on a goroutine of its own subscription.
func (s *stage) proxy(handle func(asked)) *proxy {
	s.Helper()
	p := &proxy{stage: s, prompts: map[string]int{}}
	sub, err := s.nc.QueueSubscribe(subjects.ChatAll(), subjects.ChatQueue, func(m *nats.Msg) {
		req, err := llm.DecodeRequest(m.Data)
		if err != nil {
			s.Errorf("request: %v", err)
			return
		}
		p.mu.Lock()
		p.requests = append(p.requests, req)
		p.mu.Unlock()
		p.calls.Add(int64(len(req.Calls)))
		handle(asked{req, p, m.Reply})
	})
	require.NoError(s, err)
	require.NoError(s, s.nc.Flush())
	p.sub = sub
	s.Cleanup(p.stop)
	return p
}

func (p *proxy) stop() { _ = p.sub.Unsubscribe() }

// seen are the requests so far.
func (p *proxy) seen() []*llm.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*llm.Request(nil), p.requests...)
}

// dialogue is all that a model is sent for a call.
func dialogue(r *llm.Request, i int) string {
	text := ""
	if r.System != "" {
		text = "system: " + r.System + "\n"
	}
	for _, m := range r.Calls[i].Messages {
		text += m.Role + ": " + m.Content + "\n"
	}
	return text
}

// some answers the calls at positions.
func (a asked) some(done bool, text func(i int) string, positions ...int) {
	r := &llm.Result{ID: a.ID, Done: done, Served: "served-model"}
	for _, i := range positions {
		r.Index, r.Text = append(r.Index, uint32(i)), append(r.Text, text(i))
		r.TokensIn, r.TokensOut, r.Retries = append(r.TokensIn, 10), append(r.TokensOut, 2), append(r.Retries, 0)
	}
	a.send(r)
}

func (a asked) send(r *llm.Result) {
	data, err := llm.EncodeResult(r)
	if err == nil {
		err = a.proxy.stage.nc.Publish(a.inbox, data)
	}
	if err != nil {
		a.proxy.stage.Errorf("result: %v", err)
	}
}

// all answers every call at once.
func (a asked) all(text func(i int) string) {
	positions := make([]int, len(a.Calls))
	for i := range positions {
		positions[i] = i
	}
	a.some(true, text, positions...)
}

// numbers answers every call with a number that follows from agent and round.
func numbers(a asked) {
	a.all(func(i int) string { return fmt.Sprint(number(a.Round, int(a.Calls[i].Agent))) })
}

func number(round, agent int) int { return (agent*7 + round*13) % 101 }

// guess is a scenario with one question; extra lines come at its end.
func guess(agents int, extra string) string {
	return fmt.Sprintf(`version: 1
name: t
seed: 3
rounds: 9
population: {size: %d}
models: {m: {provider: openai, model: x, endpoints: ["http://127.0.0.1:1/v1"]}}
agents: {all: {model: m, system: "You play."}}
turn:
  - {id: guess, ask: "Round {{.round}}, agent {{.self.number}}: which number?", answer: {type: number, min: 0, max: 100}}
%s`, agents, extra)
}
