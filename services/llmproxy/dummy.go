package llmproxy

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/rng"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// dummyProvider answers with a random value after a fixed time, to measure everything around a model.
type dummyProvider struct {
	timers *timers
	queue  *queue
}

// dummy waits for a whole request at once: one timer and no goroutine, however many calls are in flight.
type dummy struct {
	dummyProvider
	local
	latency time.Duration
}

func (d dummy) play(ctx context.Context, x *exchange) {
	if d.latency <= 0 {
		d.local.play(ctx, x)
		return
	}
	d.timers.after(d.latency-time.Since(x.started), func() {
		d.queue.push(func() { d.local.play(ctx, x) })
	})
}

func (p dummyProvider) prepare(m *scenario.Model, f *llm.Facts, purpose uint8) (player, error) {
	d := dummy{dummyProvider: p, latency: time.Duration(m.Latency)}
	if purpose == llm.PurposeInterview {
		text := fmt.Sprintf("I am a dummy player, not a language model: after %v I answer every question with a random value.", d.latency)
		d.answer = func(dst []byte, _ llm.Ask, _ llm.Body) ([]byte, error) { return append(dst, text...), nil }
		return d, nil
	}
	// The question is part of the purpose, so that two questions of a round do not get the same draw.
	key, round := rng.NewKey(f.Seed, "dummy/"+f.Question), uint32(f.Round)
	share := func(a llm.Ask) float64 { return key.Float64(a.Agent, round, a.Attempt, 0) }
	switch f.Type {
	case scenario.TypeNumber:
		lo, hi := dummyRange(f.Min, f.Max)
		if !(lo <= hi) {
			return nil, fmt.Errorf("%w: question %q has no number from %v to %v", errFacts, f.Question, f.Min, f.Max)
		}
		d.answer = func(dst []byte, a llm.Ask, _ llm.Body) ([]byte, error) {
			u := share(a)
			return appendNumber(dst, lo*(1-u)+hi*u, lo, hi), nil
		}
	case scenario.TypeLikert:
		if f.Points < 1 {
			return nil, fmt.Errorf("%w: question %q has no points", errFacts, f.Question)
		}
		d.answer = func(dst []byte, a llm.Ask, _ llm.Body) ([]byte, error) {
			return appendNumber(dst, 1+math.Floor(share(a)*float64(f.Points)), 1, float64(f.Points)), nil
		}
	case scenario.TypeChoice:
		if len(f.Choices) == 0 {
			return nil, fmt.Errorf("%w: question %q has no choices", errFacts, f.Question)
		}
		d.answer = func(dst []byte, a llm.Ask, _ llm.Body) ([]byte, error) {
			return append(dst, f.Choices[int(share(a)*float64(len(f.Choices)))]...), nil
		}
	case scenario.TypeText:
		d.answer = func(dst []byte, a llm.Ask, _ llm.Body) ([]byte, error) {
			return appendNumber(append(dst, "a dummy answer: "...), share(a), 0, 1), nil
		}
	case scenario.TypeJSON:
		d.answer = func(dst []byte, a llm.Ask, _ llm.Body) ([]byte, error) {
			return append(appendNumber(append(dst, `{"dummy": `...), share(a), 0, 1), '}'), nil
		}
	default:
		return nil, fmt.Errorf("%w: question %q has unknown answer type %q", errFacts, f.Question, f.Type)
	}
	return d, nil
}

// dummyRange fills in missing bounds: 0 to 100 if there are none, else a hundred from the one there is.
func dummyRange(lo, hi float64) (float64, float64) {
	switch {
	case math.IsNaN(lo) && math.IsNaN(hi):
		return 0, 100
	case math.IsNaN(lo):
		return hi - 100, hi
	case math.IsNaN(hi):
		return lo, lo + 100
	}
	return lo, hi
}
