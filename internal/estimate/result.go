package estimate

import (
	"fmt"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

// forecast is the result, once all rounds are added.
func (e *estimator) forecast() Forecast {
	f := Forecast{
		Scenario: e.sc.Name, Agents: e.sc.Population.Size, Rounds: e.sc.Rounds, Questions: len(e.sc.Turn), Seconds: e.seconds, Assumed: e.set,
		Total: Amount{Upper: new(uint64), Micros: new(uint64), UpperCosts: new(uint64)},
	}
	for i := range e.sc.Models {
		m := &e.sc.Models[i]
		t := e.tallies[m.Name]
		if t == nil {
			continue // no agent has it
		}
		row := Model{Name: m.Name, Provider: m.Provider, Served: m.Model, Endpoints: len(m.Endpoints), Amount: e.amount(m, t)}
		for _, b := range e.sc.Blocks {
			if b.Model == m.Name {
				row.Agents += b.Count
			}
		}
		f.Models = append(f.Models, row)
		if !row.Behavioural() {
			f.Total.add(row.Amount)
		}
	}
	if f.Total.Micros != nil && f.Total.Calls > 0 {
		f.Currency = e.set.Prices.Currency
	}
	f.Caps = caps(e.sc.Budget, &f)
	f.Notes = e.notes()
	return f
}

func (e *estimator) amount(m *scenario.Model, t *tally) Amount {
	a := Amount{Calls: t.calls}
	if m.Behavioural() {
		return a
	}
	a.Repairs, a.TokensIn, a.Cached, a.TokensOut = whole(t.repairs), whole(t.in), whole(t.cached), whole(t.out)
	mostIn, mostOut := whole(t.mostIn), whole(t.mostOut)
	price, priced := e.set.Prices.Of(m.Model)
	if priced {
		a.Micros = new(price.Cost(a.TokensIn, a.TokensOut))
	}
	if m.MaxTokens > 0 {
		a.Upper = new(mostIn + mostOut)
		if priced {
			a.UpperCosts = new(price.Cost(mostIn, mostOut))
		}
	}
	return a
}

// caps compares a budget with what the run takes.
func caps(b *scenario.Budget, f *Forecast) []Cap {
	if b == nil {
		return nil
	}
	var out []Cap
	add := func(which string, tokens, micros uint64, a Amount) {
		if tokens > 0 {
			out = append(out, Cap{Which: which, Unit: UnitTokens, Cap: tokens, Likely: new(a.TokensIn + a.TokensOut), Upper: a.Upper}.judged())
		}
		if micros > 0 {
			out = append(out, Cap{Which: which, Unit: UnitMicros, Cap: micros, Likely: a.Micros, Upper: a.UpperCosts}.judged())
		}
	}
	add(WholeRun, b.Tokens, b.Micros, f.Total)
	for _, m := range f.Models {
		if c, ok := b.Models[m.Name]; ok {
			add(m.Name, c.Tokens, c.Micros, m.Amount)
		}
	}
	return out
}

// notes say what the figures do not cover.
func (e *estimator) notes() []string {
	var out []string
	note := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if e.sc.Stop != nil {
		note("the stop rule may end the run before round %d", e.sc.Rounds)
	}
	for i := range e.sc.Models {
		m := &e.sc.Models[i]
		if e.tallies[m.Name] != nil && m.Outside() {
			note("what agent %s on host %s takes for model %s is not known here", m.Agent, m.Host, m.Name)
		}
		if e.tallies[m.Name] == nil || m.Behavioural() {
			continue
		}
		if m.MaxTokens == 0 {
			note("model %s states no max_tokens, so nothing bounds its replies", m.Name)
		}
		if _, priced := e.set.Prices.Of(m.Model); !priced && e.set.Prices.Currency != "" {
			note("there is no price for %s", m.Model)
		}
		if m.ShareIdentical {
			note("model %s asks equal prompts once, which may save calls", m.Name)
		}
		if m.Hedge {
			note("model %s sends slow calls twice, up to 1 %% more", m.Name)
		}
	}
	for _, q := range e.sc.Turn {
		if len(q.Attach) > 0 {
			note("what is attached to %s costs tokens that only the server knows", q.ID)
		}
	}
	return out
}
