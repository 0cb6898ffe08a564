package agenthost

import (
	"errors"
	"slices"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/reading"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// believe tells what a reply that was cut off at a length limit is good for: text, code and tagged texts that were closed
// before the cut, and JSON whose value was complete, which counts as repaired. A number at its end may be half of one.
func believe(spec *scenario.AnswerSpec, got reading.Reading, err error, cut bool) (reading.Reading, error) {
	if err != nil || !cut || got.Repaired {
		return got, err
	}
	switch spec.Type {
	case scenario.TypeText, scenario.TypeCode, scenario.TypeTagged:
		return got, nil
	}
	return got, reading.ErrTruncated
}

// read decides what completion i of a result means for the agent at a position: an answer, another call, or no answer.
// Nearly always it is the answer, and then no item is made. b.mu is held.
func (b *batch) read(at int, r *llm.Result, i int) {
	completion := r.Text[i]
	text, cut, spec := clip(completion), slices.Contains(r.Cut, uint32(i)), b.spec() //nolint:gosec // a position
	if b.purpose == llm.PurposeExtract {
		it := b.item(at, r, i)
		it.completed(b.purpose, r.Served, text, cut, len(text) < len(completion))
		got, err := b.round.readers[b.question].Extraction(completion)
		got, err = believe(spec, got, err, cut)
		b.extracted(at, it, got, err)
		return
	}
	got, err := b.round.readers[b.question].Rule(completion)
	got, err = believe(spec, got, err, cut)
	plain := r.Plain || b.round.behavioural[b.block]
	taken := err == nil && (spec.Extract != "always" || plain)
	var value int64
	var unfit error
	if taken {
		value, unfit = canonical(spec, got)
	}
	status := stats.Answered
	if got.Repaired || b.purpose == llm.PurposeReask {
		status = stats.Repaired
	}
	if taken && unfit == nil && b.items == nil && !cut {
		b.got.first(at, status, value, text, r, i)
		b.got.PromptSHA[at] = b.shas[at]
		b.ready = append(b.ready, at)
		return
	}
	it := b.item(at, r, i)
	it.completed(b.purpose, r.Served, text, cut, len(text) < len(completion))
	it.reply = text
	switch {
	case taken && unfit == nil:
		b.over(at, it, status, value)
		return
	case taken:
		err = unfit
	}
	it.problem = err
	switch {
	case errors.Is(err, reading.ErrRefusal):
		b.over(at, it, stats.Refused, 0)
	case taken || spec.Extract == "rule" || plain || errors.Is(err, reading.ErrOutOfRange):
		b.askAgain(at, it)
	default:
		it.purpose = llm.PurposeExtract
		b.later = append(b.later, it)
	}
}

// item is the item of a position, which is made where the first reply was not simply the answer, with call i counted.
func (b *batch) item(at int, r *llm.Result, i int) *item {
	var it *item
	if b.items != nil {
		it = b.items[at]
	} else {
		it = &item{agent: b.agents[at], attempt: b.round.attempt, sha: b.shas[at], shared: sharedWith(r, i)}
	}
	it.took(r.Retries[i], r.TokensIn[i], r.TokensOut[i])
	it.apportioned = it.apportioned || r.Apportioned
	return it
}

// rejected goes on after a call whose content a server would not take: asking the same again would end there too. A call
// that was to read a reply is made up for by asking the agent again.
func (b *batch) rejected(at int, r *llm.Result, i int) {
	it := b.item(at, r, i)
	it.rejected(b.purpose, r.Error[i])
	if b.purpose == llm.PurposeExtract {
		b.askAgain(at, it)
		return
	}
	b.missing(at, it)
}

// extracted goes on after a call that was to read a reply.
func (b *batch) extracted(at int, it *item, got reading.Reading, err error) {
	var value int64
	if err == nil {
		value, err = canonical(b.spec(), got)
	}
	switch {
	case err == nil:
		b.over(at, it, stats.Extracted, value)
	case errors.Is(err, reading.ErrRefusal):
		b.over(at, it, stats.Refused, 0)
	default:
		it.problem = err
		b.askAgain(at, it)
	}
}

func (b *batch) askAgain(at int, it *item) {
	if it.asks >= b.spec().MaxRetries {
		b.missing(at, it)
		return
	}
	it.asks++
	it.purpose = llm.PurposeReask
	b.later = append(b.later, it)
}

// canonical is the integer under which an answer is summed and digested.
func canonical(spec *scenario.AnswerSpec, got reading.Reading) (int64, error) {
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
func (b *batch) missing(at int, it *item) {
	r, spec := b.shard.run, b.spec()
	switch r.scenario.Missing.Then {
	case "previous":
		if value, reply, ok := b.shard.previous(b.question, it.agent); ok {
			if spec.Textual() {
				it.reply = reply // it is the answer
			}
			b.over(at, it, stats.Fallback, value)
			return
		}
	case "value":
		if spec.Type == scenario.TypeNumber {
			if v, err := r.scenario.Missing.Value.Number(b.round.env); err == nil {
				if c, err := stats.Canonical(v, spec.Decimals); err == nil {
					b.over(at, it, stats.Fallback, c)
					return
				}
			}
		}
	}
	b.over(at, it, stats.Missing, 0)
}

// over ends a turn that has an item.
func (b *batch) over(at int, it *item, status stats.Status, value int64) {
	b.got.item(at, status, value, it)
	b.ready = append(b.ready, at)
}
