package agenthost

import (
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/reading"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
)

// item is the turn of one agent at one question: what was asked and what has come back so far.
type item struct {
	agent   int
	purpose uint8  // of the call under way
	attempt uint32 // logical attempts made; keys the randomness of behavioural players
	asks    int    // times the question was asked again with an error
	calls   uint8
	retries uint8
	in, out uint32
	sha     uint64
	reply   string // last reply to the question
	served  string
	problem error // why the last reply could not be read
	first   runlog.Attempt
	more    []runlog.Attempt // after the first; hardly ever any

	status stats.Status // set once the turn is over
	value  int64
}

// bytes is how much text of the item goes into the log.
func (it *item) bytes() int {
	n := len(it.reply)
	if len(it.more) > 0 {
		n += len(it.first.Text)
	}
	for i := range it.more {
		n += len(it.more[i].Text)
	}
	return n
}

// took counts a call that was made.
func (it *item) took(retries uint8, in, out uint32) {
	it.calls = uint8(min(uint(it.calls)+1, math.MaxUint8))
	it.retries = uint8(min(uint(it.retries)+uint(retries), math.MaxUint8))
	it.in = uint32(min(uint64(it.in)+uint64(in), math.MaxUint32))
	it.out = uint32(min(uint64(it.out)+uint64(out), math.MaxUint32))
}

// completed notes a completion.
func (it *item) completed(purpose uint8, served, text string) {
	a := runlog.Attempt{Kind: purpose, Number: it.attempt, Text: text}
	if it.calls == 1 {
		it.first = a
	} else {
		it.more = append(it.more, a)
	}
	it.served = served
	it.attempt++
}

// batch is a request under way: items of agents of one shard and block at one question, all with the same purpose. Its
// methods are called by the asker, one at a time.
type batch struct {
	shard    *shard
	round    *round
	block    int
	question int
	purpose  uint8

	mu    sync.Mutex
	items []*item
	open  []bool  // by position in items: no completion yet
	left  int     // how many are open
	ready []*item // read, not logged yet
	later []*item // to be called again for another purpose
}

// newBatch is the batch in which agents, whose turns are claimed, are asked a question for the first time.
func newBatch(now *round, s *shard, block, question int, agents []int) *batch {
	b := &batch{shard: s, round: now, block: block, question: question, purpose: llm.PurposeAnswer}
	all := make([]item, len(agents))
	b.items = make([]*item, len(agents))
	for i, a := range agents {
		all[i].agent, all[i].attempt = a, now.attempt
		b.items[i] = &all[i]
	}
	return b
}

// messages builds what the item's call sends, without a shared system prompt. v is overwritten; it is the caller's so that
// a million agents need not one each.
func (b *batch) messages(it *item, v *view) ([]llm.Message, error) {
	s := b.shard
	past := s.remembers(v, it.agent, b.question)
	out, err := b.round.prompts.Messages(s.run.scenario, v, b.block, b.question, past)
	if err != nil {
		return nil, err
	}
	switch reader := b.round.readers[b.question]; it.purpose {
	case llm.PurposeExtract:
		return reader.ExtractionPrompt(out[len(out)-1].Content, it.reply), nil
	case llm.PurposeReask:
		return append(out,
			llm.Message{Role: llm.RoleAssistant, Content: it.reply},
			llm.Message{Role: llm.RoleUser, Content: reader.ReaskPrompt(it.problem)}), nil
	}
	return out, nil
}

// result takes completions.
func (b *batch) result(r *llm.Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var failed []*item
	for i, at := range r.Index {
		if int(at) >= len(b.items) || !b.open[at] {
			continue // not asked for, or there already
		}
		b.open[at] = false
		b.left--
		it := b.items[at]
		it.took(r.Retries[i], r.TokensIn[i], r.TokensOut[i])
		if len(r.Error) > 0 && r.Error[i] != "" {
			if failed = append(failed, it); len(failed) == 1 {
				b.shard.run.trouble(b.block, r.Error[i]) // first, or the dispatcher would ask them again
			}
			continue
		}
		b.read(it, r.Served, r.Text[i], slices.Contains(r.Cut, uint32(i))) //nolint:gosec // a position
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
		b.shard.run.log(b, b.ready)
		b.ready = nil
	}
	if len(b.later) > 0 {
		later := b.later
		b.later = nil
		b.shard.run.followUp(b, later)
	}
}

// clip cuts a reply to the longest that is read: what is behind can never be part of an answer, and would fill memory,
// log and later prompts.
func clip(reply string) string {
	if len(reply) <= reading.MaxReply {
		return reply
	}
	end := reading.MaxReply
	for end > 0 && !utf8.RuneStart(reply[end]) {
		end--
	}
	return strings.Clone(reply[:end])
}
