package agenthost

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// lane sends the first calls of the turns of all agents that one model speaks for. Each model has its own, so that a slow
// one holds up nobody else's agents.
type lane struct {
	run      *run
	blocks   []int // of the scenario
	batch    int   // agents a request at most
	least    int64 // places worth waiting for: requests of single agents would cost more than they bring
	inFlight *gate
	wakeup   chan struct{}
}

// newLanes makes the lanes of a run and returns them by block.
func newLanes(r *run) []*lane {
	cfg := &r.svc.cfg
	byModel := map[string]*lane{}
	var out []*lane
	for i, b := range r.scenario.Blocks {
		l := byModel[b.Model]
		if l == nil {
			limit := cfg.InFlight
			if !r.scenario.Model(b.Model).Behavioural() {
				limit = min(limit, cfg.ModelInFlight)
			}
			l = &lane{run: r, batch: min(cfg.Batch, limit), least: int64(max(1, limit/64)), inFlight: newGate(int64(limit)), wakeup: make(chan struct{}, 1)}
			byModel[b.Model] = l
		}
		l.blocks = append(l.blocks, i)
		out = append(out, l)
	}
	return out
}

// start runs the lanes until ctx is done.
func (r *run) start(ctx context.Context) {
	var lanes []*lane
	for _, l := range r.lanes {
		if !slices.Contains(lanes, l) {
			lanes = append(lanes, l)
		}
	}
	for _, l := range lanes {
		r.svc.goUnlessStopped(func() { l.work(ctx) })
	}
}

func (l *lane) wake() {
	select {
	case l.wakeup <- struct{}{}:
	default:
	}
}

// work asks, whenever something woke it, all agents that may be asked, as fast as the bounds on what is in flight allow.
func (l *lane) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wakeup:
		}
		if now := l.run.asking(); now != nil {
			l.pass(ctx, now, l.run.owned())
		}
	}
}

// mostShards is how many shards one goroutine works on at a time at most: what it asks of them together is one record of
// the log.
const mostShards = 16

// pass goes over shards once. Prompts are built on as many processors as there are.
func (l *lane) pass(ctx context.Context, now *round, shards []*shard) {
	processors := runtime.GOMAXPROCS(0)
	each := min(max(1, len(shards)/(4*processors)), mostShards)
	groups := (len(shards) + each - 1) / each
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(processors, groups) {
		workers.Go(func() {
			a := asking{lane: l, now: now}
			for g := int(next.Add(1)) - 1; g < groups; g = int(next.Add(1)) - 1 {
				for _, s := range shards[g*each : min(len(shards), (g+1)*each)] {
					if err := a.shard(ctx, s); err != nil {
						if ctx.Err() == nil { // its agents would be asked over and over
							l.run.giveUp(err.Error())
						}
						break
					}
				}
				a.send(ctx)
			}
		})
	}
	workers.Wait()
}

// asking gathers batches whose agents have their places in flight.
type asking struct {
	lane    *lane
	now     *round
	batches []*batch
}

// shard gathers the agents of a shard that may be asked, and sends what was gathered where it has to wait. The error is
// that of ctx, or says that what the agents remember cannot be had.
func (a *asking) shard(ctx context.Context, s *shard) error {
	r := a.lane.run
	var rounds []*pastRound // looked up once there is somebody to ask
	for _, block := range a.lane.blocks {
		bounds := r.scenario.Blocks[block]
		for q := range r.scenario.Turn {
			agents := s.claim(q, bounds.First, bounds.First+bounds.Count)
			if len(agents) > 0 && rounds == nil {
				var err error
				if rounds, err = r.remembered(ctx, s); err != nil {
					r.unclaim(s, agents)
					return err
				}
			}
			for len(agents) > 0 {
				n := a.place(ctx, min(len(agents), a.lane.batch))
				if n == 0 {
					r.unclaim(s, agents)
					return ctx.Err()
				}
				a.batches = append(a.batches, newBatch(a.now, s, rounds, block, q, agents[:n:n]))
				agents = agents[n:]
			}
		}
	}
	return nil
}

// unclaim ends the turns of agents that have no place in flight yet.
func (r *run) unclaim(s *shard, agents []int) {
	if s.release(agents) {
		r.wake()
	}
}

// place takes places in flight for some of n agents and returns for how many: for none once ctx is done. What was gathered
// is sent before it waits.
func (a *asking) place(ctx context.Context, n int) int {
	own, all := a.lane.inFlight, a.lane.run.svc.flight
	most := int64(n)
	least := min(most, a.lane.least)
	got := own.try(least, most)
	if got == 0 {
		a.send(ctx)
		if got = own.take(ctx.Done(), least, most); got == 0 {
			return 0
		}
	}
	least = min(least, got)
	placed := all.try(least, got)
	if placed == 0 {
		a.send(ctx)
		placed = all.take(ctx.Done(), least, got)
	}
	own.give(got - placed)
	return int(placed)
}

// send says in the log what is about to be asked, and asks it.
func (a *asking) send(ctx context.Context) {
	r := a.lane.run
	if len(a.batches) == 0 {
		return
	}
	if r.asking() == a.now { // else send gives them back
		if err := r.logAsked(a.batches); err != nil {
			r.giveUp(err.Error())
		}
	}
	for _, b := range a.batches {
		r.sendWhen(b, func(n int64) bool { return r.svc.asker.bytes.take(ctx.Done(), n, n) > 0 })
	}
	clear(a.batches)
	a.batches = a.batches[:0]
}

// logAsked says in the log that the agents of some batches of a round are about to be asked: one record a question, on the
// subject of the first shard.
func (r *run) logAsked(batches []*batch) error {
	for q := range r.scenario.Turn {
		var first *batch
		var agents []int
		for _, b := range batches {
			if b.question == q {
				if first == nil {
					first = b
				}
				agents = append(agents, b.agents...)
				b.asked = true
			}
		}
		if first == nil {
			continue
		}
		slices.Sort(agents) // blocks and questions of a shard may be out of order
		h := runlog.Header{Run: r.id, Round: first.round.number, Writer: r.svc.beat.Incarnation, Epoch: first.shard.epoch}
		data, err := runlog.EncodeAsked(h, runlog.Asked{Question: q, Shard: first.shard.index, Agents: runlog.AskedRanges(agents)})
		if err != nil {
			return err
		}
		r.svc.appender.append(subjects.LogAsked(r.id, first.shard.index), data)
	}
	return nil
}
