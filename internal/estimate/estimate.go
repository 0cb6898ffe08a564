package estimate

import (
	"context"
	"fmt"

	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/prompt"
	"github.com/myriad-sim/myriad/internal/template"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// Make forecasts a run that plays all its rounds. Errors: those of drawing the population, of rendering prompts, and of ctx.
func Make(ctx context.Context, sc *scenario.Scenario, set Settings) (Forecast, error) {
	pop, err := population.Draw(ctx, population.FromScenario(sc), nil)
	if err != nil {
		return Forecast{}, fmt.Errorf("estimate: %w", err)
	}
	e := &estimator{set: set, sc: sc, tallies: map[string]*tally{}}
	for block, b := range sc.Blocks {
		var some []*agent
		if m := sc.Model(b.Model); !m.Behavioural() {
			some = sampled(sc, pop, block, max(2, set.Sample))
		}
		e.agents = append(e.agents, some)
		if e.tallies[b.Model] == nil {
			e.tallies[b.Model] = &tally{}
		}
	}
	for n := 1; n <= sc.Rounds; n++ {
		if err := ctx.Err(); err != nil {
			return Forecast{}, fmt.Errorf("estimate: %w", err)
		}
		if err := e.round(n); err != nil {
			return Forecast{}, fmt.Errorf("estimate: %w", err)
		}
	}
	return e.forecast(), nil
}

// estimator adds up the calls of a run.
type estimator struct {
	set     Settings
	sc      *scenario.Scenario
	agents  [][]*agent        // by block; none where a behavioural model plays
	tallies map[string]*tally // by model
	seconds float64
}

// round adds one round of all blocks.
func (e *estimator) round(n int) error {
	r, err := prompt.NewRound(e.sc, e.shared(n))
	if err != nil {
		return err
	}
	load := map[string]float64{} // seconds that each endpoint has to work
	for block, b := range e.sc.Blocks {
		m, t := e.sc.Model(b.Model), e.tallies[b.Model]
		if m.Behavioural() {
			t.calls += uint64(b.Count * len(e.sc.Turn)) //nolint:gosec // both positive
			continue
		}
		added, err := e.block(r, block, m)
		if err != nil {
			return err
		}
		t.add(added)
		for _, url := range m.Endpoints {
			load[url] += e.set.seconds(added) / float64(len(m.Endpoints))
		}
	}
	busiest := 0.0 // the round lasts as long as this one
	for _, s := range load {
		busiest = max(busiest, s)
	}
	e.seconds += busiest
	return nil
}

// shared is what all agents see in a round, with 0 for what the world will be.
func (e *estimator) shared(n int) template.Shared {
	world := func(from int) map[string]float64 {
		out := map[string]float64{}
		if n >= from {
			for _, k := range e.sc.WorldKeys() {
				out[k] = 0
			}
		}
		return out
	}
	return template.Shared{
		Vars: e.sc.Vars, World: world(2), Previous: world(3), Round: n, Rounds: e.sc.Rounds, Size: e.sc.Population.Size,
	}
}

// block adds up the calls of a block in a round.
func (e *estimator) block(r *prompt.Round, block int, m *scenario.Model) (tally, error) {
	turns := make([][]ask, len(e.agents[block])) // by sampled agent
	for i, a := range e.agents[block] {
		var err error
		if turns[i], err = a.turn(r, block); err != nil {
			return tally{}, err
		}
	}
	var out tally
	for q := range e.sc.Turn {
		var t tally
		longest, common, count := 0.0, commonHead(turns, q), e.sc.Blocks[block].Count
		for _, turn := range turns {
			one := e.call(m, turn, q, common, count)
			longest = max(longest, one.mostIn)
			t.add(one)
		}
		t.scale(float64(count) / float64(len(turns)))
		t.calls, t.mostIn = uint64(count), longest*float64(count) //nolint:gosec // positive
		out.add(t)
	}
	return out, nil
}

// commonHead is the number of bytes that the prompts of all agents for a question begin with.
func commonHead(turns [][]ask, q int) int {
	first := turns[0][q].head
	n := len(first)
	for _, turn := range turns[1:] {
		other := turn[q].head
		n = min(n, len(other))
		for i := range n {
			if first[i] != other[i] {
				n = i
				break
			}
		}
	}
	return n
}
