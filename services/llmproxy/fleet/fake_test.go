package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/modelserver"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// request as the scripted server sees it.
type asked struct {
	at      time.Time
	batch   bool
	params  modelserver.Params
	systems []string
	texts   []string // of the last messages
}

// scripted is a server whose behaviour a test writes.
type scripted struct {
	url string
	// answer is asked for each conversation of a request; nil: "re: " and the text.
	answer func(ctx context.Context, text string) (modelserver.Completion, error)
	// before is asked for each request; an error is the request's.
	before  func(ctx context.Context, a asked) error
	healthy func() error
	load    func() (modelserver.Load, error)

	mu        sync.Mutex
	got       []asked
	now, most int // conversations
	open      int // requests
	mostOpen  int
	probes    []time.Time
	loads     int
}

func (s *scripted) enter(a asked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, a)
	s.now += len(a.texts)
	s.most = max(s.most, s.now)
	s.open++
	s.mostOpen = max(s.mostOpen, s.open)
}

func (s *scripted) leave(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now -= n
	s.open--
}

func (s *scripted) requests() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]asked(nil), s.got...)
}

func (s *scripted) serve(ctx context.Context, batch bool, p *modelserver.Params, list []modelserver.Conversation) (modelserver.Batch, error) {
	a := asked{at: time.Now(), batch: batch, params: *p}
	for _, c := range list {
		a.systems = append(a.systems, c.System)
		a.texts = append(a.texts, c.Messages[len(c.Messages)-1].Content)
	}
	s.enter(a)
	defer s.leave(len(list))
	if s.before != nil {
		if err := s.before(ctx, a); err != nil {
			return modelserver.Batch{}, err
		}
	}
	out := modelserver.Batch{}
	for _, text := range a.texts {
		done, err := modelserver.Completion{Text: "re: " + text, TokensIn: 10, TokensOut: 3, Served: "served"}, error(nil)
		if s.answer != nil {
			done, err = s.answer(ctx, text)
		}
		if err != nil {
			return modelserver.Batch{}, err
		}
		out.Completions = append(out.Completions, done)
		out.TokensIn += uint64(done.TokensIn)
		out.TokensOut += uint64(done.TokensOut)
	}
	return out, nil
}

func (s *scripted) Chat(ctx context.Context, p *modelserver.Params, c modelserver.Conversation) (modelserver.Completion, error) {
	b, err := s.serve(ctx, false, p, []modelserver.Conversation{c})
	if err != nil {
		return modelserver.Completion{}, err
	}
	return b.Completions[0], nil
}

func (s *scripted) Batch(ctx context.Context, p *modelserver.Params, list []modelserver.Conversation) (modelserver.Batch, error) {
	return s.serve(ctx, true, p, list)
}

func (s *scripted) Healthy(context.Context) error {
	s.mu.Lock()
	s.probes = append(s.probes, time.Now())
	s.mu.Unlock()
	if s.healthy != nil {
		return s.healthy()
	}
	return nil
}

func (s *scripted) Load(context.Context) (modelserver.Load, error) {
	s.mu.Lock()
	s.loads++
	s.mu.Unlock()
	if s.load != nil {
		return s.load()
	}
	return modelserver.Load{}, modelserver.ErrNoMetrics
}

// seen is what the server has counted so far.
func (s *scripted) seen() (now, most, loads int, probes []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.most, s.loads, append([]time.Time(nil), s.probes...)
}

func oops(k modelserver.Kind, text string) error { return &modelserver.Error{Kind: k, Text: text} }

// lacking makes a server without a batch endpoint.
func lacking(_ context.Context, a asked) error {
	if a.batch {
		return oops(modelserver.Lacking, "no such path")
	}
	return nil
}

// after answers in a time.
func after(d time.Duration) func(context.Context, asked) error {
	return func(ctx context.Context, _ asked) error { return pass(ctx, d) }
}

func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return &modelserver.Error{Kind: modelserver.Lost, Text: "time is up"}
	case <-time.After(d):
		return nil
	}
}

// ledger is a book in memory.
type ledger struct {
	mu       sync.Mutex
	cap      uint64 // tokens
	reserved uint64
	used     usage.Use
	added    usage.Use
	most     uint64 // ever used and reserved
	waits    int    // reservations that are answered with ErrWait
	wakes    []func()
}

func (l *ledger) Reserve(run, model string, b llm.Budget, need usage.Amount, wake func()) (Hold, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waits > 0 {
		l.waits--
		l.wakes = append(l.wakes, wake)
		return nil, usage.ErrWait
	}
	left := max(l.cap, b.Run.Tokens) - l.used.Amount().Tokens - l.reserved
	if need.Tokens > left {
		if l.reserved > 0 {
			l.wakes = append(l.wakes, wake)
			return nil, usage.ErrWait
		}
		return nil, &usage.Spent{Run: run, Model: model, Unit: usage.Tokens, Cap: l.cap, Left: left, Need: need.Tokens}
	}
	l.reserved += need.Tokens
	l.most = max(l.most, l.reserved+l.used.Amount().Tokens)
	return &hold{l, need}, nil
}

func (l *ledger) Add(_, _ string, u usage.Use) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.added = l.added.Plus(u)
}

// total is what was settled and added.
func (l *ledger) total() usage.Use {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.used.Plus(l.added)
}

type hold struct {
	l    *ledger
	need usage.Amount
}

func (h *hold) Settle(u usage.Use) {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	h.l.reserved -= h.need.Tokens
	h.l.used = h.l.used.Plus(u)
	for _, wake := range h.l.wakes {
		go wake()
	}
	h.l.wakes = nil
}

// news notes what a reporter hears.
type news struct {
	mu   sync.Mutex
	told []string
}

func (n *news) Down(run, model, why string) { n.note("down " + run + " " + model + ": " + why) }
func (n *news) Up(run, model string)        { n.note("up " + run + " " + model) }

func (n *news) note(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, s)
}

func (n *news) count(prefix string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := 0
	for _, s := range n.told {
		if strings.HasPrefix(s, prefix) {
			c++
		}
	}
	return c
}

// stage is a fleet with scripted servers.
type stage struct {
	*Fleet
	t       testing.TB
	cfg     Config
	servers map[string]*scripted
	book    *ledger
	heard   *news
}

func config() Config {
	return Config{
		ModelCalls: 1 << 18, Concurrency: 64, MaxConcurrency: 16384, MaxBatch: 512, BatchMaxTokens: 2048, Affinity: true, SpillFactor: 1.25,
		MaxAttempts: 8, RetryFor: 10 * time.Minute, Backoff: 500 * time.Millisecond, BackoffMax: time.Minute, RetryAfterMax: 2 * time.Minute,
		BreakerFailures: 5, BreakerWait: 5 * time.Second, DownAfter: 2 * time.Second,
	}
}

// play makes and starts a fleet whose servers are found by URL. It is stopped by s.Stop, which a synctest calls itself.
func play(t testing.TB, cfg Config, servers ...*scripted) *stage {
	t.Helper()
	s := &stage{t: t, servers: map[string]*scripted{}, book: &ledger{cap: 1 << 60}, heard: &news{}}
	for i, srv := range servers {
		srv.url = fmt.Sprintf("http://s%d", i)
		s.servers[srv.url] = srv
	}
	cfg.Dial = func(e Endpoint) Server { return s.servers[e.URL] }
	f, err := New(cfg, natstest.Logger(t), s.book, s.heard)
	require.NoError(t, err)
	s.Fleet, s.cfg = f, cfg
	require.NoError(t, f.Start(t.Context()))
	return s
}

func (s *stage) spec() *Spec {
	m := &Spec{Name: "player", Params: modelserver.Params{Model: "tiny", MaxTokens: 64}, Timeout: 2 * time.Minute}
	for i := range len(s.servers) {
		m.Endpoints = append(m.Endpoints, Endpoint{URL: fmt.Sprintf("http://s%d", i)})
	}
	return m
}

// result is what came back for a request.
type result struct {
	mu      sync.Mutex
	t       testing.TB
	done    []Completion
	ended   []bool
	left    int
	refused string
	over    chan struct{}
	retried int
}

func (r *result) wait() *result {
	r.t.Helper()
	select {
	case <-r.over:
	case <-time.After(3 * time.Hour): // of synctest's time; a real test ends by its own limit
		require.Fail(r.t, "calls have no end", "%d of %d", r.left, len(r.done))
	}
	return r
}

func (r *result) texts() []string {
	out := make([]string, len(r.done))
	for i, c := range r.done {
		out[i] = c.Text
	}
	return out
}

func (r *result) count(ok func(Completion) bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for i, c := range r.done {
		if r.ended[i] && ok(c) {
			n++
		}
	}
	return n
}

// ask submits calls with the given texts. Change may change the request before.
func (s *stage) ask(spec *Spec, texts []string, change ...func(*Request)) *result {
	s.t.Helper()
	r, ok := s.try(spec, texts, change...)
	require.True(s.t, ok)
	return r
}

func (s *stage) try(spec *Spec, texts []string, change ...func(*Request)) (*result, bool) {
	n := len(texts)
	r := &result{t: s.t, done: make([]Completion, n), ended: make([]bool, n), left: n, over: make(chan struct{})}
	q := &Request{
		Run: "r1", Round: 1, Len: n,
		Messages: func(i int) []llm.Message { return []llm.Message{{Role: llm.RoleUser, Content: texts[i]}} },
		Bytes:    func(i int) (int, int) { return len(texts[i]), 1 },
		Agent:    func(i int) uint64 { return uint64(i) },
		Complete: func(i int, c Completion) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.ended[i] || r.refused != "" {
				s.t.Errorf("call %d ended twice", i)
				return
			}
			r.ended[i], r.done[i] = true, c
			if r.left--; r.left == 0 {
				close(r.over)
			}
		},
		Refuse: func(why string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.refused != "" || r.left == 0 {
				s.t.Errorf("refused twice, or after the last: %s", why)
				return
			}
			r.refused = why
			close(r.over)
		},
		Retried: func(n int) { r.retried += n },
	}
	for _, f := range change {
		f(q)
	}
	return r, s.Submit(spec, q)
}

// numbered are n texts.
func numbered(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return out
}

func replies(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = "re: " + t
	}
	return out
}

func run(id string) func(*Request)      { return func(q *Request) { q.Run = id } }
func system(text string) func(*Request) { return func(q *Request) { q.System = text } }
func purpose(p uint8) func(*Request)    { return func(q *Request) { q.Purpose = p } }
func budget(tokens uint64) func(*Request) {
	return func(q *Request) { q.Budget = &llm.Budget{Seq: 1, Run: llm.Cap{Tokens: tokens}} }
}

var quiet = slog.New(slog.DiscardHandler)
