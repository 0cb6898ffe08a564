package agenthost

import (
	"errors"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/reading"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// believe tells what a reply that was cut off at a length limit is good for: text, and JSON whose value was complete before
// the cut, which counts as repaired. A number at its end may be half of one.
func believe(spec *scenario.AnswerSpec, got reading.Reading, err error, cut bool) (reading.Reading, error) {
	if err == nil && cut && !got.Repaired && spec.Type != scenario.TypeText {
		return got, reading.ErrTruncated
	}
	return got, err
}

// read decides what a completion means for an item: an answer, another call, or no answer. cut says that it ended at a
// length limit.
func (b *batch) read(it *item, served, completion string, cut bool) {
	text := clip(completion)
	it.completed(b.purpose, served, text)
	reader := b.round.readers[b.question]
	spec := &b.shard.run.scenario.Turn[b.question].Answer
	if it.purpose == llm.PurposeExtract {
		got, err := reader.Extraction(completion)
		got, err = believe(spec, got, err, cut)
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
	got, err := reader.Rule(completion)
	got, err = believe(spec, got, err, cut)
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
	spec := &b.shard.run.scenario.Turn[b.question].Answer
	value, err := canonical(spec, got)
	if err != nil {
		it.problem = err
		b.askAgain(it, spec)
		return
	}
	it.reply = raw
	b.over(it, status, value)
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
func (b *batch) missing(it *item) {
	r := b.shard.run
	spec := &r.scenario.Turn[b.question].Answer
	switch r.scenario.Missing.Then {
	case "previous":
		if value, reply, ok := b.shard.previous(b.question, it.agent); ok {
			if spec.Type == scenario.TypeText || spec.Type == scenario.TypeJSON {
				it.reply = reply // it is the answer
			}
			b.over(it, stats.Fallback, value)
			return
		}
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
