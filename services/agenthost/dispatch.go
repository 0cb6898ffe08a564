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

// tellEvery is the pause between two reports that a run cannot go on.
const tellEvery = time.Second

// dispatch sends the first calls of the turns of all shards, as fast as the bound on agents in flight allows, whenever
// something woke it. It returns when ctx is done.
func (r *run) dispatch(ctx context.Context) error {
	var tellAgain <-chan time.Time // set once the coordinator was told
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.wakeup:
		case <-tellAgain:
			tellAgain = nil
		}
		r.mu.Lock()
		shards := make([]*shard, 0, len(r.shards))
		for _, s := range r.shards {
			shards = append(shards, s)
		}
		halted, hopeless, reason := r.halted && !r.paused && !r.over, r.hopeless, r.reason
		r.mu.Unlock()
		slices.SortFunc(shards, func(a, b *shard) int { return a.index - b.index })
		for _, s := range shards {
			now := r.asking()
			if now == nil {
				s.admit()
				continue
			}
			if err := r.dispatchShard(ctx, s, now); err != nil {
				return err
			}
		}
		switch {
		case !halted:
			tellAgain = nil
		case tellAgain == nil:
			r.svc.tell(ctx, runlog.Trouble{Run: r.id, From: r.svc.beat.ID, Reason: reason, Fatal: hopeless})
			tellAgain = time.After(tellEvery)
		}
	}
}

func (r *run) dispatchShard(ctx context.Context, s *shard, now *round) error {
	for q := range r.scenario.Turn {
		agents := s.claim(q)
		for len(agents) > 0 {
			block, n := r.cut(agents)
			if err := r.svc.flight.Acquire(ctx, int64(n)); err != nil {
				s.release(agents) // they have no place in flight yet
				return err
			}
			r.svc.inFlight.Add(int64(n))
			r.send(newBatch(now, s, block, q, agents[:n]))
			agents = agents[n:]
		}
	}
	return nil
}

// cut returns the block of the first agent and how many of the agents, at most a batch, belong to it.
func (r *run) cut(agents []int) (block, n int) {
	b := r.scenario.BlockOf(agents[0])
	for &r.scenario.Blocks[block] != b {
		block++
	}
	for n < len(agents) && n < r.svc.cfg.Batch && agents[n] < b.First+b.Count {
		n++
	}
	return block, n
}

// send asks for the calls of a batch, in as many requests as the byte limit needs. The agents' turns are claimed; where
// nothing may be asked any more they are given back.
func (r *run) send(b *batch) {
	for rest := b.items; len(rest) > 0; {
		if r.asking() != b.round || !r.owns(b.shard) {
			r.giveBack(b, rest)
			return
		}
		part := &batch{shard: b.shard, round: b.round, block: b.block, question: b.question, purpose: b.purpose}
		n, err := r.sendPart(part, rest)
		if errors.Is(err, errNotSent) {
			r.retry(part, err)
		} else if err != nil {
			r.giveUp(err.Error())
			r.giveBack(b, rest)
			return
		}
		rest = rest[n:]
	}
}

// sendPart makes the first of the items, as many as fit into one request, the batch's own and asks for their calls.
func (r *run) sendPart(b *batch, items []*item) (int, error) {
	req, err := r.request(b, items)
	if err != nil {
		return 0, err
	}
	n := len(req.Calls)
	b.items, b.open, b.left = items[:n], make([]bool, n), n
	for i := range b.open {
		b.open[i] = true
	}
	if b.purpose == llm.PurposeAnswer {
		if err := r.asked(b); err != nil {
			return 0, err
		}
	}
	return n, r.svc.asker.send(b.round.subjects[b.block], req, b)
}

// request builds the message for as many of the items as fit into one.
func (r *run) request(b *batch, items []*item) (*llm.Request, error) {
	now := b.round
	req := &llm.Request{
		V: llm.Version, Run: r.id, Round: now.number, Model: now.models[b.block], Purpose: b.purpose, Facts: now.facts[b.question],
		Calls: make([]llm.Call, 0, len(items)),
	}
	if b.purpose != llm.PurposeExtract {
		req.System = now.prompts.SharedSystem(b.block)
	}
	h, v := newHasher(req.System), new(view)
	bytes := 0
	for i, it := range items {
		messages, err := b.messages(it, v)
		if err != nil {
			return nil, err
		}
		c := llm.Call{Agent: uint64(it.agent), Attempt: it.attempt, Messages: messages} //nolint:gosec // agent numbers are positive
		if now.persona[b.block] {
			c.Persona = r.population.Attributes(it.agent)
		}
		if now.own[b.block] {
			c.Own = v.own()
		}
		size := callBytes(&c)
		if i > 0 && bytes+size > llm.ChunkBytes {
			break
		}
		bytes += size
		if b.purpose == llm.PurposeAnswer {
			it.sha = h.sum(messages)
		}
		req.Calls = append(req.Calls, c)
	}
	return req, nil
}

// callBytes is about what a call takes in a request.
func callBytes(c *llm.Call) int {
	n := 16
	for _, m := range c.Messages {
		n += 16 + len(m.Content)
	}
	for name, value := range c.Persona {
		n += 6 + len(name) + len(value)
	}
	for name := range c.Own {
		n += 12 + len(name)
	}
	return n
}

// asked says in the log that the agents of a batch are about to be asked.
func (r *run) asked(b *batch) error {
	h := runlog.Header{Run: r.id, Round: b.round.number, Writer: r.svc.beat.Incarnation, Epoch: b.shard.epoch}
	a := runlog.Asked{Question: b.question, Shard: b.shard.index, Agents: runlog.AskedRanges(agentsOf(b.items))}
	data, err := runlog.EncodeAsked(h, a)
	if err != nil {
		return err
	}
	r.svc.appender.append(subjects.LogAsked(r.id, b.shard.index), data)
	return nil
}

// followUp sends the calls that items need after their last completion, by purpose. All are sorted before the first is
// sent: an item that is sent belongs to whoever takes its result.
func (r *run) followUp(b *batch, items []*item) {
	byPurpose := map[uint8][]*item{}
	for _, it := range items {
		byPurpose[it.purpose] = append(byPurpose[it.purpose], it)
	}
	for purpose, list := range byPurpose {
		next := &batch{shard: b.shard, round: b.round, block: b.block, question: b.question, purpose: purpose, items: list}
		r.send(next)
	}
}

// giveBack ends the turns of items without an answer; their agents are asked again when the run may ask.
func (r *run) giveBack(b *batch, items []*item) {
	r.release(b.shard, agentsOf(items))
}

// retry gives back what is open in a batch. Its agents stay in their turn for a while first: a proxy that is busy or not
// there would otherwise be asked over and over.
func (r *run) retry(b *batch, why error) {
	var open []*item
	for i, o := range b.open {
		if o {
			open = append(open, b.items[i])
			b.open[i] = false
		}
	}
	b.left = 0
	if len(open) == 0 {
		return
	}
	if errors.Is(why, errProxyRefuse) || errors.Is(why, errProxyBroken) {
		r.trouble(b.block, why.Error())
		r.giveBack(b, open)
		return
	}
	r.logger.Debug("model calls go out again", "round", b.round.number, "calls", len(open), "why", why)
	r.svc.asker.postpone(func() { r.giveBack(b, open) })
}
