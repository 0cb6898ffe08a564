package agenthost

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// againAfter is the pause before calls that nobody took are sent again.
const againAfter = 300 * time.Millisecond

// dispatch sends the first calls of the turns of all shards, as fast as the bound on agents in flight allows, whenever
// something woke it. It returns when ctx is done.
func (r *run) dispatch(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.wakeup:
		}
		r.mu.Lock()
		shards := make([]*shard, 0, len(r.shards))
		for _, s := range r.shards {
			shards = append(shards, s)
		}
		halted, reason := r.halted && !r.paused && !r.over, r.reason
		r.mu.Unlock()
		if halted {
			r.svc.tell(ctx, r, reason)
			continue
		}
		slices.SortFunc(shards, func(a, b *shard) int { return a.index - b.index })
		for _, s := range shards {
			now := r.asking()
			if now == nil {
				break
			}
			if err := r.dispatchShard(ctx, s, now); err != nil {
				return err
			}
		}
	}
}

func (r *run) dispatchShard(ctx context.Context, s *shard, now *round) error {
	for q := range r.scenario.Turn {
		agents := s.claim(q)
		for len(agents) > 0 {
			block, n := r.cut(agents)
			part := agents[:n]
			agents = agents[n:]
			if err := r.svc.flight.Acquire(ctx, int64(n)); err != nil {
				s.release(slices.Concat(part, agents))
				return err
			}
			r.svc.inFlight.Add(int64(n))
			b := &batch{shard: s, round: now, block: block, question: q, purpose: llm.PurposeAnswer}
			for _, a := range part {
				b.items = append(b.items, &item{agent: a, attempt: now.attempt})
			}
			r.send(b)
		}
	}
	return nil
}

// cut returns the block of the first agent and how many of the agents, at most a batch, belong to it.
func (r *run) cut(agents []int) (block, n int) {
	b := r.scenario.BlockOf(agents[0])
	for i := range r.scenario.Blocks {
		if r.scenario.Blocks[i].Name == b.Name {
			block = i
		}
	}
	for n < len(agents) && n < r.svc.cfg.Batch && agents[n] < b.First+b.Count {
		n++
	}
	return block, n
}

// send asks for the calls of a batch, in as many requests as the byte limit needs. The agents' turns are claimed.
func (r *run) send(b *batch) {
	if r.asking() != b.round {
		r.giveBack(b, b.items)
		return
	}
	for rest := b.items; len(rest) > 0; {
		part := &batch{shard: b.shard, round: b.round, block: b.block, question: b.question, purpose: b.purpose}
		req, n, err := r.request(part, rest)
		if err == nil {
			part.items = rest[:n]
			part.open = make([]bool, n)
			for i := range part.open {
				part.open[i] = true
			}
			if b.purpose == llm.PurposeAnswer {
				err = r.asked(part)
			}
		}
		if err == nil {
			err = r.svc.asker.send(b.round.subjects[b.block], req, part)
		}
		if err != nil {
			r.giveBack(b, rest)
			r.halt(err.Error())
			return
		}
		rest = rest[n:]
	}
}

// request builds the message for as many of the items as fit into one.
func (r *run) request(b *batch, items []*item) (*llm.Request, int, error) {
	now := b.round
	req := &llm.Request{
		V: llm.Version, Run: r.id, Round: now.number, Model: now.models[b.block], Purpose: b.purpose, Facts: now.facts[b.question],
	}
	system := now.prompts.SharedSystem(b.block)
	if b.purpose != llm.PurposeExtract {
		req.System = system
	}
	bytes := 0
	for i, it := range items {
		messages, err := b.messages(it)
		if err != nil {
			return nil, 0, err
		}
		size := 0
		for _, m := range messages {
			size += len(m.Content)
		}
		if i > 0 && bytes+size > llm.ChunkBytes {
			break
		}
		bytes += size
		if b.purpose == llm.PurposeAnswer {
			it.sha = promptSHA(system, messages)
		}
		c := llm.Call{Agent: uint64(it.agent), Attempt: it.attempt, Messages: messages} //nolint:gosec // agent numbers are positive
		if now.persona[b.block] {
			c.Persona = r.population.Attributes(it.agent)
		}
		if now.own[b.block] {
			b.shard.mu.Lock()
			c.Own = b.shard.view(it.agent).own()
			b.shard.mu.Unlock()
		}
		req.Calls = append(req.Calls, c)
	}
	return req, len(req.Calls), nil
}

// asked says in the log that the agents of a batch are about to be asked.
func (r *run) asked(b *batch) error {
	agents := make([]int, len(b.items))
	for i, it := range b.items {
		agents[i] = it.agent
	}
	h := runlog.Header{Run: r.id, Round: b.round.number, Writer: r.svc.beat.Incarnation, Epoch: b.shard.epoch}
	data, err := runlog.EncodeAsked(h, runlog.Asked{Question: b.question, Shard: b.shard.index, Agents: runlog.AskedRanges(agents)})
	if err != nil {
		return err
	}
	r.svc.appender.append(subjects.LogAsked(r.id, b.shard.index), data)
	return nil
}

// followUp sends the calls that items need after their last completion, by purpose.
func (r *run) followUp(b *batch, items []*item) {
	for _, purpose := range []uint8{llm.PurposeExtract, llm.PurposeReask} {
		next := &batch{shard: b.shard, round: b.round, block: b.block, question: b.question, purpose: purpose}
		for _, it := range items {
			if it.purpose == purpose {
				next.items = append(next.items, it)
			}
		}
		if len(next.items) > 0 {
			r.send(next)
		}
	}
}

// giveBack ends the turns of items without an answer; their agents are asked again when the run may ask.
func (r *run) giveBack(b *batch, items []*item) {
	agents := make([]int, len(items))
	for i, it := range items {
		agents[i] = it.agent
	}
	r.release(b.shard, agents)
}

// retry gives back what is open in a batch and asks again after a while.
func (r *run) retry(b *batch, why error) {
	var open []*item
	for i, o := range b.open {
		if o {
			open = append(open, b.items[i])
			b.open[i] = false
		}
	}
	r.giveBack(b, open)
	if errors.Is(why, errProxyRefuse) {
		r.trouble(b.block, why.Error())
		return
	}
	r.logger.Debug("model calls go out again", "round", b.round.number, "calls", len(open), "why", why)
	time.AfterFunc(againAfter, r.wake)
}
