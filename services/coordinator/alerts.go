package coordinator

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/usage"
)

// budgetEvent tells that a run has used a part of what it may spend. The figures are those of the cap that is nearest to its
// end.
type budgetEvent struct {
	Time    time.Time   `json:"time" doc:"When it was reached."`
	Run     string      `json:"run"`
	Percent int         `json:"percent" doc:"The threshold: 50, 80 or 100."`
	Share   float64     `json:"share" doc:"The part of the cap that was used, from 0 to 1."`
	Which   string      `json:"which" doc:"run, or model and its name." example:"model player"`
	Unit    string      `json:"unit" enum:"tokens,money"`
	Spent   json.Number `json:"spent" doc:"So much was used: tokens, or an exact amount of money."`
	Held    json.Number `json:"held" doc:"So much more was set aside for calls under way."`
	Cap     json.Number `json:"cap" doc:"So much may be used."`
}

const kindBudget = "budget"

// fill says how much of a cap was used.
type fill struct {
	which            string
	unit             usage.Unit
	spent, held, cap uint64
}

func (f fill) share() float64 { return float64(f.spent) / float64(f.cap) }

// tightest is the cap of an account that is nearest to its end; false if it has none.
func tightest(a usage.Account) (fill, bool) {
	var all []fill
	add := func(which string, c usage.Cap, used, held usage.Amount) {
		if c.Tokens > 0 {
			all = append(all, fill{which, usage.Tokens, used.Tokens, held.Tokens, c.Tokens})
		}
		if c.Micros > 0 {
			all = append(all, fill{which, usage.Money, used.Micros, held.Micros, c.Micros})
		}
	}
	add("run", a.Caps.Run, a.Total().Amount(), a.Held())
	for name, c := range a.Caps.Models {
		var held usage.Amount
		for _, s := range a.Slices {
			if s.Model == name {
				held.Tokens, held.Micros = held.Tokens+s.Amount.Tokens, held.Micros+s.Amount.Micros
			}
		}
		add("model "+name, c, a.Models[name].Amount(), held)
	}
	if len(all) == 0 {
		return fill{}, false
	}
	most := all[0]
	for _, f := range all[1:] {
		if f.share() > most.share() || f.share() == most.share() && f.which < most.which {
			most = f
		}
	}
	return most, true
}

func newBudgetEvent(run string, a usage.Alert, f fill) budgetEvent {
	number := func(n uint64) json.Number { return json.Number(amount(f.unit, n)) }
	return budgetEvent{
		Time: a.At.UTC(), Run: run, Percent: a.Percent, Share: f.share(), Which: f.which, Unit: string(f.unit),
		Spent: number(f.spent), Held: number(f.held), Cap: number(f.cap),
	}
}

// amount is a number of tokens, or of millionths of money as a decimal.
func amount(unit usage.Unit, n uint64) string {
	if unit == usage.Money {
		return control.Money(n).String()
	}
	b, _ := json.Marshal(n) // never fails
	return string(b)
}

// alerts are the parts of budgets that runs have reached. It is safe for concurrent use.
type alerts struct {
	log   *slog.Logger
	since time.Time // what was reached before was told by an earlier process

	mu    sync.Mutex
	known map[string]map[usage.Alert]bool // by run
	told  map[string][]budgetEvent        // by run, in the order they were heard of
}

func newAlerts(log *slog.Logger, since time.Time) *alerts {
	return &alerts{log: log, since: since, known: map[string]map[usage.Alert]bool{}, told: map[string][]budgetEvent{}}
}

// hear takes in an account as it is now, and logs what is new in it.
func (s *alerts) hear(run string, a usage.Account) {
	if a.Err != nil {
		s.log.Error("what a run has spent is not known, so it spends no more", "run", run, "error", a.Err)
		return
	}
	most, capped := tightest(a)
	if !capped {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, alert := range a.Alerts {
		if s.known[run][alert] {
			continue
		}
		if s.known[run] == nil {
			s.known[run] = map[usage.Alert]bool{}
		}
		s.known[run][alert] = true
		e := newBudgetEvent(run, alert, most)
		s.told[run] = append(s.told[run], e)
		if alert.At.Before(s.since) {
			continue
		}
		level := slog.LevelWarn
		if alert.Percent < 80 {
			level = slog.LevelInfo
		}
		s.log.Log(context.Background(), level, "budget used", "run", run, "percent", e.Percent, "which", e.Which, "unit", e.Unit, "spent", e.Spent, "held", e.Held, "cap", e.Cap)
	}
}

// from are the events of a run from the nth on.
func (s *alerts) from(run string, n int) []budgetEvent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told[run][min(n, len(s.told[run])):]
}

// watchUsage hears of what runs spend until ctx is done.
func (s *Service) watchUsage(ctx context.Context) {
	const again = time.Second
	for ctx.Err() == nil {
		if err := usage.Watch(ctx, s.spent, s.alerts.hear); err != nil && ctx.Err() == nil {
			s.log.Warn("budgets are not watched, trying again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}
