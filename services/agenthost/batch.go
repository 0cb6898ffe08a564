package agenthost

import (
	"slices"
	"sync"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// batch is a request under way: agents of one shard and block at one question, all with the same purpose. What is said of
// each is in columns, by position. Its methods are called by the asker, one at a time.
type batch struct {
	shard    *shard
	round    *round
	rounds   []*pastRound // what the agents may remember, and the open round
	block    int
	question int
	purpose  uint8
	asked    bool // the log says that the agents are asked
	tries    int  // how often nobody took it

	mu     sync.Mutex
	agents []int    // ascending
	shas   []uint64 // of what first asks sent
	items  []*item  // of later asks; nil for first asks
	open   []bool   // no completion yet
	left   int      // how many are open
	got    *columns // nil before the first completion
	ready  []int    // positions that are read and not logged yet
	later  []*item  // to be called again for another purpose
}

// newBatch is the batch in which agents, whose turns are claimed, are asked a question for the first time. rounds are those
// of the shard.
func newBatch(now *round, s *shard, rounds []*pastRound, block, question int, agents []int) *batch {
	return &batch{shard: s, round: now, rounds: rounds, block: block, question: question, purpose: llm.PurposeAnswer, agents: agents}
}

// newLater is the batch in which agents are asked for another purpose.
func newLater(b *batch, purpose uint8, items []*item) *batch {
	out := &batch{shard: b.shard, round: b.round, rounds: b.rounds, block: b.block, question: b.question, purpose: purpose, items: items}
	for _, it := range items {
		out.agents = append(out.agents, it.agent)
	}
	return out
}

// part is a batch of some of the agents, from a position on.
func (b *batch) part(from, end int) *batch {
	out := &batch{
		shard: b.shard, round: b.round, rounds: b.rounds, block: b.block, question: b.question, purpose: b.purpose,
		asked: b.asked, tries: b.tries, agents: b.agents[from:end],
	}
	if b.items != nil {
		out.items = b.items[from:end]
	}
	return out
}

// pick is a batch of the agents at positions.
func (b *batch) pick(positions []int) *batch {
	out := b.part(0, 0)
	out.agents = nil // not part of b's
	for _, at := range positions {
		out.agents = append(out.agents, b.agents[at])
		if b.items != nil {
			out.items = append(out.items, b.items[at])
		}
	}
	return out
}

// begin makes room for the results of a request.
func (b *batch) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open, b.left = make([]bool, len(b.agents)), len(b.agents)
	for i := range b.open {
		b.open[i] = true
	}
}

func (b *batch) spec() *scenario.AnswerSpec { return &b.shard.run.scenario.Turn[b.question].Answer }

// result takes completions.
func (b *batch) result(r *llm.Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.got == nil {
		b.got = newColumns(len(b.agents))
	}
	var failed []int
	for i, at := range r.Index {
		if int(at) >= len(b.agents) || !b.open[at] {
			continue // not asked for, or there already
		}
		b.open[at] = false
		b.left--
		if len(r.Error) > 0 && r.Error[i] != "" && slices.Contains(r.Rejected, uint32(i)) { //nolint:gosec // a position
			b.rejected(int(at), r, i)
			continue
		}
		if len(r.Error) > 0 && r.Error[i] != "" {
			if failed = append(failed, b.agents[at]); len(failed) == 1 {
				b.shard.run.trouble(b.block, r.Error[i]) // first, or the dispatcher would ask them again
			}
			continue
		}
		b.read(int(at), r, i)
	}
	if len(failed) > 0 {
		b.shard.run.giveBack(b, failed)
	}
	if r.Done || b.left == 0 {
		b.flush()
	}
	if r.Done { // a proxy may say so and not be
		b.shard.run.retry(b, errProxyShort)
	}
}

// again is called when the request was given up by whoever had it.
func (b *batch) again(why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
	b.shard.run.retry(b, why)
}

// tick logs what was read, so that an answer never waits long for the slowest of its batch.
func (b *batch) tick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
}

// flush logs the answers that were read and sends the calls that follow from the rest. b.mu is held.
func (b *batch) flush() {
	if len(b.ready) > 0 {
		if !slices.IsSorted(b.ready) {
			slices.Sort(b.ready)
		}
		b.shard.run.log(b, b.ready)
		b.ready = b.ready[:0]
	}
	if b.left == 0 && b.got != nil {
		b.got.free()
		b.got = nil
	}
	if len(b.later) > 0 {
		later := b.later
		b.later = nil
		b.shard.run.followUp(b, later)
	}
}
