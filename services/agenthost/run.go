package agenthost

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/prompt"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// run is one run in which this host owns shards. Its control goroutine (follow) applies control records, its dispatcher
// (dispatch) sends the first calls of turns; results come in on the asker's goroutines.
type run struct {
	svc        *Service
	id         string
	logger     *slog.Logger
	scenario   *scenario.Scenario
	population *population.Population

	mu      sync.Mutex
	shards  map[int]*shard
	current *round
	bound   map[int]*prompt.Round // of past rounds that are remembered
	paused  bool
	halted  bool // asks nothing until the run is resumed: a model cannot be had
	over    bool
	reason  string // why it halted, to be told to the coordinator
	wakeup  chan struct{}
	subs    map[int]stopper
}

func newRun(svc *Service, id string) *run {
	return &run{
		svc: svc, id: id, logger: svc.log.With("run", id), shards: map[int]*shard{}, bound: map[int]*prompt.Round{},
		wakeup: make(chan struct{}, 1), subs: map[int]stopper{},
	}
}

// follow applies the run's control records until ctx is done or the run is over and forgotten.
func (r *run) follow(ctx context.Context) error {
	fold := runlog.NewFold(r.id)
	return runlog.Follow(ctx, r.svc.js, 0, []string{subjects.LogCtlAll(r.id)}, nil, func(e runlog.Entry) error {
		h, err := fold.Apply(e)
		if err != nil {
			return err
		}
		return r.apply(ctx, &fold.State, h)
	})
}

func (r *run) apply(ctx context.Context, s *runlog.State, h runlog.Header) error {
	switch h.Kind {
	case subjects.KindCreated:
		r.scenario = s.Scenario
	case subjects.KindLease:
		return r.lease(ctx, s)
	case subjects.KindOpened:
		return r.opened(s)
	case subjects.KindPaused:
		r.set(func() { r.paused = true })
	case subjects.KindResumed:
		r.set(func() { r.paused, r.halted, r.reason = false, false, "" })
	}
	if s.Phase.Over() {
		r.set(func() { r.over = true })
		r.svc.ended(r)
	}
	return nil
}

func (r *run) set(change func()) {
	r.mu.Lock()
	change()
	r.mu.Unlock()
	r.wake()
}

func (r *run) wake() {
	select {
	case r.wakeup <- struct{}{}:
	default:
	}
}

// lease takes over the shards this host was given and gives up those it has lost.
func (r *run) lease(ctx context.Context, s *runlog.State) error {
	if r.population == nil && slices.ContainsFunc(s.Grants, func(g runlog.Grant) bool { return g.Incarnation == r.svc.beat.Incarnation }) {
		p, err := remote.Load(ctx, r.svc.js, s.Population)
		if err != nil {
			return fmt.Errorf("agenthost: run %s: %w", r.id, err)
		}
		r.population = p
	}
	gained := map[int]*shard{}
	r.mu.Lock()
	for i, g := range s.Grants {
		have := r.shards[i]
		switch mine := g.Incarnation == r.svc.beat.Incarnation; {
		case mine && have == nil:
			first, end := s.ShardAgents(i)
			gained[i] = newShard(r, i, first, end-first, g.Epoch)
		case !mine && have != nil:
			delete(r.shards, i)
			r.subs[i].stop()
			delete(r.subs, i)
		}
	}
	r.mu.Unlock()
	if len(gained) == 0 {
		return nil
	}
	if s.Round > 0 {
		if err := r.recover(ctx, s, gained); err != nil {
			return err
		}
	}
	for i, sh := range gained {
		sub, err := r.listen(ctx, sh)
		if err != nil {
			return err
		}
		r.set(func() { r.shards[i], r.subs[i] = sh, sub })
	}
	return nil
}

// recover reads what the log holds of shards that had another owner, up to the lease that gave them to this host.
func (r *run) recover(ctx context.Context, s *runlog.State, gained map[int]*shard) error {
	filters := []string{subjects.LogCtlAll(r.id)}
	if len(gained) <= 32 {
		for i := range gained {
			filters = append(filters, subjects.LogAnswer(r.id, i), subjects.LogMessage(r.id, i))
		}
	} else {
		filters = append(filters, subjects.LogAnswerAll(r.id), subjects.LogMessageAll(r.id))
	}
	var fold *runlog.Fold
	fold = runlog.NewFold(r.id,
		runlog.WithShards(func(i int) bool { return gained[i] != nil }),
		runlog.WithAccept(func(_ int, a *runlog.Answers, positions []int) {
			for _, at := range positions {
				gained[a.Shard].record(a.Question, a.Agents[at], a.Status[at], a.Values[at], a.Text[at])
			}
		}))
	upto := s.CtlSeq
	err := runlog.Read(ctx, r.svc.js, 0, filters, func(e runlog.Entry) error {
		if e.Seq > upto {
			return nil
		}
		if at, err := subjects.ParseLog(e.Subject); err == nil && at.Class == subjects.ClassMessage {
			if sh := gained[at.Shard]; sh != nil {
				sh.replay(e)
			}
			return nil
		}
		h, err := fold.Apply(e)
		if err != nil {
			return err
		}
		if h.Kind != subjects.KindOpened {
			return nil
		}
		bound, err := r.bind(fold.Round, fold.Opened)
		for _, sh := range gained {
			sh.open(fold.Round, bound)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("agenthost: run %s: take over %d shards: %w", r.id, len(gained), err)
	}
	return nil
}

// bind returns the templates of a round, from memory where the round is remembered.
func (r *run) bind(number int, o runlog.Opened) (*prompt.Round, error) {
	if b := r.bound[number]; b != nil {
		return b, nil
	}
	b, err := prompt.NewRound(r.scenario, shared(r.scenario, number, o))
	if err != nil {
		return nil, err
	}
	r.bound[number] = b
	if keep := r.remember(); keep >= 0 {
		delete(r.bound, number-keep-1)
	}
	return b, nil
}

// remember is the number of past rounds a shard keeps; -1 is all.
func (r *run) remember() int {
	if r.scenario.Memory.Turns < 0 {
		return -1
	}
	return max(1, r.scenario.Memory.Turns)
}

func (r *run) opened(s *runlog.State) error {
	bound, err := r.bind(s.Round, s.Opened)
	var next *round
	if err == nil {
		next, err = newRound(r.scenario, s.Round, s.Opened, bound)
	}
	if err != nil { // a template that fails with this world: nobody can be asked
		r.halt(err.Error())
		return nil
	}
	r.mu.Lock()
	for _, sh := range r.shards {
		sh.open(s.Round, bound)
	}
	r.current = next
	r.mu.Unlock()
	r.wake()
	return nil
}

// halt stops asking and has the coordinator told why.
func (r *run) halt(reason string) {
	r.set(func() {
		if !r.halted {
			r.halted, r.reason = true, reason
		}
	})
}

func (r *run) trouble(block int, what string) {
	r.halt(fmt.Sprintf("model %s: %s", r.scenario.Blocks[block].Model, what))
}

// asking returns the round in which agents may be asked now, nil if none may.
func (r *run) asking() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.paused || r.halted || r.over {
		return nil
	}
	return r.current
}

// log appends the answers of items and sends their agents on to the next question.
func (r *run) log(b *batch, items []*item) {
	slices.SortFunc(items, func(a, c *item) int { return a.agent - c.agent })
	agents := make([]int, len(items))
	for i, it := range items {
		agents[i] = it.agent
	}
	s := b.shard
	r.mu.Lock()
	stale := r.shards[s.index] != s || r.current != b.round
	r.mu.Unlock()
	if stale {
		r.release(s, agents)
		return
	}
	s.mu.Lock()
	for _, it := range items {
		s.record(b.question, it.agent, it.status, it.value, it.reply)
	}
	s.mu.Unlock()
	if err := r.append(b, agents, items); err != nil {
		r.halt(err.Error())
	}
	if b.question+1 < len(r.scenario.Turn) && r.asking() == b.round {
		next := &batch{shard: s, round: b.round, block: b.block, question: b.question + 1, purpose: llm.PurposeAnswer}
		for _, a := range agents {
			next.items = append(next.items, &item{agent: a, attempt: b.round.attempt})
		}
		r.send(next)
		return
	}
	r.release(s, agents)
	if b.question+1 < len(r.scenario.Turn) {
		r.wake()
	}
}

func (r *run) append(b *batch, agents []int, items []*item) error {
	a := &runlog.Answers{Question: b.question, Shard: b.shard.index, Agents: agents}
	model := r.scenario.Blocks[b.block].Model
	n := len(items)
	a.Status, a.Values, a.Text = make([]stats.Status, n), make([]int64, n), make([]string, n)
	a.TokensIn, a.TokensOut = make([]uint32, n), make([]uint32, n)
	a.Calls, a.Retries, a.PromptSHA = make([]uint8, n), make([]uint8, n), make([]uint64, n)
	a.Model, a.Served = make([]string, n), make([]string, n)
	for i, it := range items {
		a.Status[i], a.Values[i], a.Text[i] = it.status, it.value, it.reply
		a.TokensIn[i], a.TokensOut[i] = it.in, it.out
		a.Calls[i], a.Retries[i], a.PromptSHA[i] = it.calls, it.retries, it.sha
		a.Model[i], a.Served[i] = model, it.served
		if len(it.attempts) > 1 {
			if a.Attempts == nil {
				a.Attempts = map[int][]runlog.Attempt{}
			}
			a.Attempts[i] = it.attempts
		}
	}
	h := runlog.Header{Run: r.id, Round: b.round.number, Writer: r.svc.beat.Incarnation, Epoch: b.shard.epoch}
	data, err := runlog.EncodeAnswers(h, a)
	if err != nil {
		return err
	}
	r.svc.appender.append(subjects.LogAnswer(r.id, b.shard.index), data)
	return nil
}

// release ends the turns of agents for now.
func (r *run) release(s *shard, agents []int) {
	s.release(agents)
	r.svc.flight.Release(int64(len(agents)))
	r.svc.inFlight.Add(-int64(len(agents)))
}
