package agenthost

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/prompt"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// run is one run in which this host owns shards. Its control goroutine (follow) applies control records, its lanes send the
// first calls of turns; results come in on the asker's goroutines. Locks are taken in the order pendingCall, batch, run,
// shard.
type run struct {
	svc        *Service
	id         string
	logger     *slog.Logger
	scenario   *scenario.Scenario
	population *population.Population
	lanes      []*lane        // by block; those of blocks with the same model are the same
	marks      []*runlog.Fold // folds that stand behind the last rounds, oldest first; the control goroutine's

	mu        sync.Mutex
	bound     map[int]*prompt.Round // of rounds that are remembered
	shards    map[int]*shard
	listeners map[int]listener // by shard
	current   *round           // nil before the first, and when the open one cannot be played
	paused    bool
	budgets   map[string][]byte // by model: what may be spent, as requests say it; nil: as much as it takes
	halted    bool              // asks nothing until the run is resumed: a model cannot be had
	hopeless  bool              // resuming would not help
	unfunded  bool              // halted because the budget is spent
	reason    string            // why it halted, to be told to the coordinator
	behind    bool              // the log is not read on until the population can be had: that the run is paused may be long past
	over      bool
	wakeup    chan struct{}

	read atomic.Uint64 // the last control record that was applied

	faults incidents
}

func newRun(svc *Service, id string) *run {
	return &run{
		svc: svc, id: id, logger: svc.log.With("run", id), shards: map[int]*shard{}, bound: map[int]*prompt.Round{},
		wakeup: make(chan struct{}, 1), listeners: map[int]listener{}, faults: incidents{wakeup: make(chan struct{}, 1)},
	}
}

// follow applies the run's control records until ctx is done. It returns early only when the log says what cannot be.
func (r *run) follow(ctx context.Context) error {
	fold := runlog.NewFold(r.id)
	return runlog.FollowRun(ctx, r.svc.js, r.id, runlog.ControlSubjects, nil, func(e runlog.Entry) error {
		h, err := fold.Apply(e)
		if err != nil {
			return err
		}
		if h.Kind == subjects.KindEnvState {
			r.mark(fold)
		}
		if h.Run != r.id { // of a run that this one is a fork of
			return nil
		}
		if err := r.apply(ctx, &fold.State, h); err != nil {
			return err
		}
		r.read.Store(e.Seq)
		return nil
	})
}

func (r *run) apply(ctx context.Context, s *runlog.State, h runlog.Header) error {
	switch h.Kind {
	case subjects.KindCreated:
		r.scenario = s.Scenario
		lanes := newLanes(r)
		r.set(func() { r.lanes, r.budgets = lanes, budgets(s) })
		r.start(ctx)
	case subjects.KindLease:
		return r.lease(ctx, s)
	case subjects.KindOpened:
		r.opened(s)
	case subjects.KindPaused:
		r.set(func() { r.paused = true })
	case subjects.KindResumed:
		r.set(func() {
			if r.paused = false; !r.hopeless {
				r.halted, r.unfunded, r.reason = false, false, ""
			}
			r.budgets = budgets(s)
		})
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

// wake has everything looked at that may be done now.
func (r *run) wake() {
	r.mu.Lock()
	lanes := r.lanes
	r.mu.Unlock()
	for _, l := range lanes {
		l.wake()
	}
	select {
	case r.wakeup <- struct{}{}:
	default:
	}
}

// bind returns the templates of a round, from memory where the round is remembered.
func (r *run) bind(s *runlog.State) (*prompt.Round, error) {
	number := s.Round
	r.mu.Lock()
	b := r.bound[number]
	r.mu.Unlock()
	if b != nil {
		return b, nil
	}
	b, err := prompt.NewRound(s.Scenario, shared(s.Scenario, number, s.Opened)) // an inherited round has the scenario of its run
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bound[number] = b
	if keep := r.scenario.Memory.Turns; keep >= 0 {
		delete(r.bound, number-keep-2)
	}
	return b, nil
}

// block is the number of the block an agent belongs to.
func (r *run) block(agent int) int {
	b := r.scenario.BlockOf(agent)
	for i := range r.scenario.Blocks {
		if &r.scenario.Blocks[i] == b {
			return i
		}
	}
	return 0
}

func (r *run) opened(s *runlog.State) {
	bound, err := r.bind(s)
	var next *round
	if err == nil {
		next, err = newRound(r.scenario, s.Round, s.Opened, bound)
	}
	r.set(func() {
		r.current = next
		for _, sh := range r.shards {
			if err == nil {
				sh.open(s.Round, bound)
			}
		}
	})
	if err != nil { // a template or a bound that fails with this world
		r.giveUp(err.Error())
	}
}

// halt stops asking and has the coordinator told why.
func (r *run) halt(reason string) {
	r.set(func() {
		if !r.halted {
			r.halted, r.reason = true, reason
		}
	})
}

// giveUp is halt for what would be the same after a resume.
func (r *run) giveUp(reason string) {
	r.set(func() {
		if !r.hopeless {
			r.halted, r.hopeless, r.reason = true, true, reason
		}
	})
}

// spent is halt for a budget that is used up.
func (r *run) spent(reason string) {
	r.set(func() {
		if !r.halted {
			r.halted, r.unfunded, r.reason = true, true, reason
		}
	})
}

func (r *run) trouble(block int, what string) {
	r.halt(fmt.Sprintf("model %s: %s", r.scenario.Blocks[block].Model, what))
}

// asking returns the round in which agents may be asked now, nil if none may.
func (r *run) asking() *round {
	if r.svc.resting() {
		return nil
	}
	return r.playing()
}

// playing is the round that the run is in, nil if it must not go on now.
func (r *run) playing() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.paused || r.halted || r.over {
		return nil
	}
	return r.current
}

// owns reports whether this host still owns a shard.
func (r *run) owns(s *shard) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shards[s.index] == s
}

// fresh reports whether answers of a batch still belong to the open round and to a shard of this host.
func (r *run) fresh(b *batch) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current == b.round && r.shards[b.shard.index] == b.shard
}

// owned are the shards of this host, in order.
func (r *run) owned() []*shard {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.shards), func(a, b *shard) int { return a.index - b.index })
}

// counts are the agents of this host, and its shards while the run goes on.
func (r *run) counts() (agents, shards int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.shards {
		agents += s.n
	}
	if !r.over {
		shards = len(r.shards)
	}
	return agents, shards
}

func (r *run) isOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over
}
