package agenthost

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/reading"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// item is the turn of one agent at one question: what was asked and what has come back so far.
type item struct {
	agent    int
	purpose  uint8  // of the call under way
	attempt  uint32 // logical attempts made; keys the randomness of behavioural players
	asks     int    // times the question was asked again with an error
	calls    uint8
	retries  uint8
	in, out  uint32
	sha      uint64
	reply    string // last reply to the question
	served   string
	problem  error // why the last reply could not be read
	attempts []runlog.Attempt

	status stats.Status // set once the turn is over
	value  int64
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
	ready []*item // read, not logged yet
	later []*item // to be called again for another purpose
}

// messages builds what the item's call sends, without a shared system prompt.
func (b *batch) messages(it *item) ([]llm.Message, error) {
	if it.purpose == llm.PurposeExtract {
		asked, err := b.asking(it)
		if err != nil {
			return nil, err
		}
		return b.round.readers[b.question].ExtractionPrompt(asked[len(asked)-1].Content, it.reply), nil
	}
	out, err := b.asking(it)
	if err != nil {
		return nil, err
	}
	if it.purpose == llm.PurposeReask {
		out = append(out,
			llm.Message{Role: llm.RoleAssistant, Content: it.reply},
			llm.Message{Role: llm.RoleUser, Content: b.round.readers[b.question].ReaskPrompt(it.problem)})
	}
	return out, nil
}

// asking builds the messages of the first asking.
func (b *batch) asking(it *item) ([]llm.Message, error) {
	s := b.shard
	v, past := s.remembers(it.agent, b.question)
	return b.round.prompts.Messages(s.run.scenario, v, b.block, b.question, past)
}

// promptSHA identifies the messages of a first asking: the system prompt, shared or not, and all that follows.
func promptSHA(system string, messages []llm.Message) uint64 {
	var buf [512]byte
	text := buf[:0]
	add := func(role, content string) {
		text = append(text, role...)
		text = append(text, 0)
		text = append(text, content...)
		text = append(text, 0)
	}
	if system != "" {
		add(llm.RoleSystem, system)
	}
	for _, m := range messages {
		add(m.Role, m.Content)
	}
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint64(sum[:8])
}

// result takes completions.
func (b *batch) result(r *llm.Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var trouble string
	for i, at := range r.Index {
		if int(at) >= len(b.items) || !b.open[at] {
			continue
		}
		b.open[at] = false
		it := b.items[at]
		it.calls++
		it.retries += r.Retries[i]
		it.in += r.TokensIn[i]
		it.out += r.TokensOut[i]
		if r.Error != nil && r.Error[i] != "" {
			trouble = r.Error[i]
			b.shard.run.giveBack(b, []*item{it})
			continue
		}
		it.served = r.Served
		it.attempts = append(it.attempts, runlog.Attempt{Kind: b.purpose, Number: it.attempt, Text: r.Text[i]})
		it.attempt++
		b.read(it, r.Text[i])
	}
	if trouble != "" {
		b.shard.run.trouble(b.block, trouble)
	}
	if r.Done {
		b.flush()
		left := slices.ContainsFunc(b.open, func(o bool) bool { return o })
		if left { // a proxy that says done and is not: ask for the rest again
			b.shard.run.retry(b, errProxyLost)
		}
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

// read decides what a completion means for an item: an answer, another call, or no answer.
func (b *batch) read(it *item, text string) {
	reader := b.round.readers[b.question]
	spec := &b.shard.run.scenario.Turn[b.question].Answer
	if it.purpose == llm.PurposeExtract {
		got, err := reader.Extraction(text)
		switch {
		case err == nil:
			b.answered(it, stats.Extracted, got, it.reply)
		case errors.Is(err, reading.ErrRefusal):
			b.over(it, stats.Refused, 0)
		default:
			it.problem = err
			b.askAgain(it, spec)
		}
		return
	}
	it.reply = text
	got, err := reader.Rule(text)
	if err == nil && (spec.Extract != "always" || b.round.behavioural[b.block]) {
		status := stats.Answered
		if got.Repaired || it.purpose == llm.PurposeReask {
			status = stats.Repaired
		}
		b.answered(it, status, got, text)
		return
	}
	it.problem = err
	switch {
	case errors.Is(err, reading.ErrRefusal):
		b.over(it, stats.Refused, 0)
	case spec.Extract == "rule" || b.round.behavioural[b.block] || errors.Is(err, reading.ErrOutOfRange):
		b.askAgain(it, spec)
	default:
		it.purpose = llm.PurposeExtract
		b.later = append(b.later, it)
	}
}

func (b *batch) askAgain(it *item, spec *scenario.AnswerSpec) {
	if it.asks >= spec.MaxRetries {
		b.missing(it)
		return
	}
	it.asks++
	it.purpose = llm.PurposeReask
	b.later = append(b.later, it)
}

func (b *batch) answered(it *item, status stats.Status, got reading.Reading, raw string) {
	spec := b.shard.run.scenario.Turn[b.question].Answer
	value, err := canonical(spec, got)
	if err != nil {
		it.problem = err
		b.askAgain(it, &spec)
		return
	}
	it.reply = raw
	b.over(it, status, value)
}

// canonical is the integer under which an answer is summed and digested.
func canonical(spec scenario.AnswerSpec, got reading.Reading) (int64, error) {
	switch spec.Type {
	case scenario.TypeNumber:
		return stats.Canonical(got.Value, spec.Decimals)
	case scenario.TypeLikert:
		return int64(got.Value), nil
	case scenario.TypeChoice:
		return int64(got.Choice), nil
	}
	return 0, nil
}

// missing applies the scenario's rule for answers that could not be had.
func (b *batch) missing(it *item) {
	r := b.shard.run
	spec := r.scenario.Turn[b.question].Answer
	switch r.scenario.Missing.Then {
	case "previous":
		s := b.shard
		s.mu.Lock()
		off := it.agent - s.first
		n := len(s.past)
		if n > 0 && s.past[n-1].valid[b.question][off] {
			value := s.past[n-1].value[b.question][off]
			s.mu.Unlock()
			b.over(it, stats.Fallback, value)
			return
		}
		s.mu.Unlock()
	case "value":
		if spec.Type == scenario.TypeNumber {
			if v, err := r.scenario.Missing.Value.Number(b.round.env); err == nil {
				if c, err := stats.Canonical(v, spec.Decimals); err == nil {
					b.over(it, stats.Fallback, c)
					return
				}
			}
		}
	}
	b.over(it, stats.Missing, 0)
}

func (b *batch) over(it *item, status stats.Status, value int64) {
	it.status, it.value = status, value
	b.ready = append(b.ready, it)
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
