package coordinator

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// fund returns the caps that a run is resumed with: those in force, with what an order changes in them. Without an order
// there are none to record. A *control.Problem says what is wrong with the order.
func (s *Service) fund(ctx context.Context, st *runlog.State, order *control.Caps) (*runlog.Caps, error) {
	if order == nil {
		return nil, nil
	}
	if why := unfit(st.Scenario, order); why != "" {
		return nil, &control.Problem{Code: codeInvalid, Detail: why}
	}
	caps := raised(st.Caps, order)
	account, err := usage.Read(ctx, s.spent, st.Run)
	if err != nil {
		return nil, err
	}
	if why := below(caps, account); why != "" {
		return nil, &control.Problem{Code: codeTooLittle, Detail: why + "; caps are totals from the beginning of the run"}
	}
	return caps, nil
}

// unfit is why a scenario cannot be played under new caps; "" if it can. A scenario with a budget of its own was checked
// for the same when it was loaded.
func unfit(sc *scenario.Scenario, order *control.Caps) string {
	if order.Tokens == 0 && order.Money == 0 && len(order.Models) == 0 {
		return "caps need tokens, money or models"
	}
	for _, name := range slices.Sorted(maps.Keys(order.Models)) {
		switch m := sc.Model(name); {
		case m == nil:
			return fmt.Sprintf("there is no model %.80q in the scenario", name)
		case m.Behavioural():
			return fmt.Sprintf("model %s (%s) costs nothing; a budget is for language models", name, m.Provider)
		case order.Models[name] == control.Cap{}:
			return fmt.Sprintf("the cap of model %s needs tokens or money", name)
		}
	}
	speaks := false
	for _, m := range sc.Models {
		if m.Behavioural() {
			continue
		}
		speaks = true
		if m.MaxTokens == 0 {
			return fmt.Sprintf("model %s states no max_tokens; under a budget every reply needs a bound, so start the run anew with one", m.Name)
		}
	}
	if !speaks {
		return "a budget can spend nothing here: the scenario has no language model"
	}
	return ""
}

// raised are the caps in force, nil for none, with those of an order in their places.
func raised(now *runlog.Caps, order *control.Caps) *runlog.Caps {
	out := &runlog.Caps{}
	if now != nil {
		*out = *now
		out.Models = maps.Clone(now.Models)
	}
	set := func(to *uint64, v uint64) {
		if v > 0 {
			*to = v
		}
	}
	set(&out.Tokens, order.Tokens)
	set(&out.Micros, uint64(order.Money))
	for name, c := range order.Models {
		if out.Models == nil {
			out.Models = map[string]runlog.Cap{}
		}
		merged := out.Models[name]
		set(&merged.Tokens, c.Tokens)
		set(&merged.Micros, uint64(c.Money))
		out.Models[name] = merged
	}
	return out
}

// below is which cap is less than what is spent already, which what llmproxies still hold is part of; "" if none is.
func below(caps *runlog.Caps, a usage.Account) string {
	held := map[string]usage.Amount{}
	for _, s := range a.Slices {
		sum := held[s.Model]
		held[s.Model] = usage.Amount{Tokens: sum.Tokens + s.Amount.Tokens, Micros: sum.Micros + s.Amount.Micros}
	}
	check := func(which string, tokens, micros uint64, spent, held usage.Amount) string {
		for _, c := range []struct {
			unit             usage.Unit
			cap, spent, held uint64
		}{{usage.Tokens, tokens, spent.Tokens, held.Tokens}, {usage.Money, micros, spent.Micros, held.Micros}} {
			if c.cap == 0 || c.cap >= c.spent+c.held {
				continue
			}
			what := map[usage.Unit]string{usage.Tokens: " tokens", usage.Money: " in money"}[c.unit]
			why := fmt.Sprintf("%s has spent %s%s already, and may not spend less: %s", which, amount(c.unit, c.spent+c.held), what, amount(c.unit, c.cap))
			if c.held > 0 {
				why += fmt.Sprintf(" (%s of it are held by llmproxies, for calls that may still be billed)", amount(c.unit, c.held))
			}
			return why
		}
		return ""
	}
	if why := check("the run", caps.Tokens, caps.Micros, a.Total().Amount(), a.Held()); why != "" {
		return why
	}
	for _, name := range slices.Sorted(maps.Keys(caps.Models)) {
		c := caps.Models[name]
		if why := check("model "+name, c.Tokens, c.Micros, a.Models[name].Amount(), held[name]); why != "" {
			return why
		}
	}
	return ""
}
