package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/control"
	forecast "github.com/myriad-sim/myriad/internal/estimate"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// spendEvery is how often it is read what a run has spent.
const spendEvery = 2 * time.Second

// ledger is what the screen knows of the spending of a run.
type ledger struct {
	since  time.Time // alerts from before were shown by an earlier command
	looked time.Time
	told   map[usage.Alert]bool
}

// watchSpending keeps the cost that is shown up to date and says which parts of the budget are used, now and then or, if
// now is set, at once. What cannot be read is not shown; the receipt says so at the end.
func (s *session) watchSpending(ctx context.Context, run string, now bool) {
	if l := &s.ledger; now || time.Since(cmp.Or(l.looked, l.since)) >= spendEvery {
		l.looked = time.Now()
		if a, err := s.account(ctx, run); err == nil {
			s.show(a)
		}
	}
}

func (s *session) account(ctx context.Context, run string) (usage.Account, error) {
	kv, err := s.js.KeyValue(ctx, subjects.BucketUsage)
	if err != nil {
		return usage.Account{}, fmt.Errorf("bucket %s: %w", subjects.BucketUsage, err)
	}
	return usage.Read(ctx, kv, run)
}

func (s *session) show(a usage.Account) {
	spent := spentText(a)
	if s.cost = ""; spent != "" {
		s.cost = ", " + spent
	}
	highest := 0
	for _, alert := range a.Alerts {
		if alert.At.Before(s.ledger.since) || s.ledger.told[alert] {
			continue
		}
		if s.ledger.told == nil {
			s.ledger.told = map[usage.Alert]bool{}
		}
		s.ledger.told[alert] = true
		highest = alert.Percent
	}
	if highest > 0 {
		s.say("%d %% of the budget is used: %s\n", highest, spent)
	}
}

// capUse is what is used of a cap.
type capUse struct {
	model     string // "" is the whole run
	unit      usage.Unit
	used, cap uint64 // a cap of 0 is none
}

// capUses are those of an account, the whole run first.
func capUses(a usage.Account) []capUse {
	var out []capUse
	add := func(model string, c usage.Cap, used usage.Amount) {
		if c.Tokens > 0 {
			out = append(out, capUse{model, usage.Tokens, used.Tokens, c.Tokens})
		}
		if c.Micros > 0 {
			out = append(out, capUse{model, usage.Money, used.Micros, c.Micros})
		}
	}
	add("", a.Caps.Run, a.Total().Amount())
	for _, name := range slices.Sorted(maps.Keys(a.Caps.Models)) {
		add(name, a.Caps.Models[name], a.Models[name].Amount())
	}
	return out
}

// spentText says what is spent, of what may be where there is a cap. It is "" where there is neither a price nor a budget.
func spentText(a usage.Account) string {
	caps := capUses(a)
	total := a.Total().Amount()
	if len(caps) == 0 && total.Micros == 0 {
		return ""
	}
	have := func(unit usage.Unit) bool {
		return slices.ContainsFunc(caps, func(c capUse) bool { return c.model == "" && c.unit == unit })
	}
	if !have(usage.Tokens) {
		caps = append(caps, capUse{unit: usage.Tokens, used: total.Tokens})
	}
	if !have(usage.Money) && total.Micros > 0 {
		caps = append(caps, capUse{unit: usage.Money, used: total.Micros})
	}
	slices.SortStableFunc(caps, func(a, b capUse) int {
		return cmp.Or(cmp.Compare(a.model, b.model), -cmp.Compare(a.unit, b.unit)) // tokens, then money
	})
	var parts []string
	for _, c := range caps {
		parts = append(parts, c.text())
	}
	return strings.Join(parts, ", ")
}

func (c capUse) text() string {
	text := show(c.unit, c.used)
	if c.cap > 0 {
		text += " of " + show(c.unit, c.cap)
	}
	if c.unit == usage.Tokens {
		text += " tokens"
	} else {
		text += " spent"
	}
	if c.model != "" {
		text = "model " + c.model + " " + text
	}
	return text
}

func show(unit usage.Unit, n uint64) string {
	if unit == usage.Money {
		return forecast.Money(n)
	}
	return forecast.Count(n)
}

// howToGoOn is what to do about a paused run: where its budget is spent, the command has more of what was used up most.
func (s *session) howToGoOn(ctx context.Context, run string) string {
	command := s.resumeCommand(run)
	why, err := pausedFor(ctx, s.js, run)
	if err != nil || !why.Budget {
		return "Go on with: " + command
	}
	account, err := s.account(ctx, run)
	caps := capUses(account)
	if err != nil || len(caps) == 0 {
		return "Go on with more, as totals from the beginning of the run: " + command + " --tokens N --money X"
	}
	most := slices.MaxFunc(caps, func(a, b capUse) int {
		return cmp.Compare(float64(a.used)/float64(a.cap), float64(b.used)/float64(b.cap))
	})
	more := 2*most.cap + most.cap/4 // a run that needed twice as much needs room for what its last calls may cost at most
	flag, value := "tokens", fmt.Sprint(more)
	if most.unit == usage.Money {
		flag, value = "money", control.Money(more).String()
	}
	if most.model != "" {
		flag, value = "model-"+flag, most.model+"="+value
	}
	return fmt.Sprintf("Spent: %s. Go on with more, as totals from the beginning of the run:\n  %s --%s %s", spentText(account), command, flag, quote(value))
}

// pausedFor is why a run was paused last.
func pausedFor(ctx context.Context, js jetstream.JetStream, run string) (why runlog.Reason, err error) {
	err = runlog.Read(ctx, js, 0, []string{subjects.LogCtl(run, subjects.KindPaused)}, func(e runlog.Entry) error {
		_, body, err := runlog.Decode(e.Data)
		if err != nil {
			return err
		}
		why = runlog.Reason{}
		return msgpack.Unmarshal(body, &why)
	})
	return why, err
}
