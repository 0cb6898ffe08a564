package fleet

import (
	"errors"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/modelserver"
	"github.com/myriad-sim/myriad/internal/usage"
)

// reserve gets leave to spend what an attempt may cost. Without a budget there is always leave. If there is not enough for
// all its calls, the attempt is made with as many as there is enough for, and the others wait on. False: no call takes
// off, and the line is parked until it is worth trying, or its jobs are refused. f.mu is held.
func (f *Fleet) reserve(l *line, fl *flight) bool {
	budget := newest(fl.calls)
	for {
		fl.upper = f.upper(fl)
		if budget == nil {
			return true
		}
		hold, err := f.ledger.Reserve(l.name.run, l.name.model, *budget, fl.upper, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			l.parked = false
			f.kick()
		})
		if err == nil {
			fl.hold = hold
			return true
		}
		_, spent := errors.AsType[*usage.Spent](err)
		if spent && len(fl.calls) > 1 {
			half := len(fl.calls) / 2
			fl.pool.queue.addPack(&pack{calls: fl.calls[half:], pause: fl.pause.fork()}, true)
			fl.calls = fl.calls[:half:half]
			continue
		}
		switch {
		case spent:
			f.refuseAll(l, llm.RefusedBudget+err.Error())
		case errors.Is(err, usage.ErrWait) || errors.Is(err, usage.ErrStopped):
			fl.pool.queue.addPack(&pack{calls: fl.calls, pause: fl.pause}, true)
			l.parked = true // wake needs the lock, so it comes after this
		default: // what was spent is not known
			for _, c := range fl.calls {
				f.finish(c, Completion{Err: err.Error()})
			}
		}
		return false
	}
}

// refuseAll refuses all jobs of a line.
func (f *Fleet) refuseAll(l *line, why string) {
	for j := range l.jobs {
		f.refuse(j, why)
	}
}

// reserveHedge is reserve for an attempt that need not be made. f.mu is held.
func (f *Fleet) reserveHedge(fl *flight) bool {
	fl.upper = f.upper(fl)
	budget := newest(fl.calls)
	if budget == nil {
		return true
	}
	j := fl.calls[0].job
	hold, err := f.ledger.Reserve(j.Run, j.spec.Name, *budget, fl.upper, func() {})
	fl.hold = hold
	return err == nil
}

// newest is the budget that is in force for calls of one line.
func newest(calls []call) *llm.Budget {
	var b *llm.Budget
	for _, c := range calls {
		if o := c.job.Budget; o != nil && (b == nil || o.Seq > b.Seq) {
			b = o
		}
	}
	return b
}

// upper is what an attempt can cost at most.
func (f *Fleet) upper(fl *flight) usage.Amount {
	in, out := fl.most(f.cfg.BatchMaxTokens)
	return usage.Amount{Tokens: in + out, Micros: fl.spec.Price.Cost(in, out)}
}

// most are the tokens that an attempt can use at most.
func (fl *flight) most(unsaid int) (in, out uint64) {
	for _, c := range fl.calls {
		in += uint64(c.job.upper[c.index])
	}
	each := fl.spec.Params.MaxTokens
	if each == 0 {
		each = unsaid
	}
	return in, uint64(each) * uint64(len(fl.calls))
}

// settle counts what an attempt has cost. What is not known to be unspent counts as spent. f.mu is held.
func (f *Fleet) settle(fl *flight, got modelserver.Batch, err *modelserver.Error) {
	u := usage.Use{}
	if fl.race != nil && fl.race.flights[1] == fl {
		u.Hedges = 1
	} else {
		for _, c := range fl.calls {
			if c.tries != nil {
				u.Retries++
			}
		}
	}
	unspent := false
	if err != nil {
		switch err.Kind {
		case modelserver.Unreached, modelserver.Overloaded, modelserver.Rejected, modelserver.Lacking, modelserver.Forbidden:
			unspent = true
		case modelserver.Lost, modelserver.Failing, modelserver.Malformed:
		}
	}
	switch {
	case got.TokensIn+got.TokensOut > 0:
		u.TokensIn, u.TokensOut = got.TokensIn, got.TokensOut
		u.Micros = fl.spec.Price.Cost(u.TokensIn, u.TokensOut)
	case !unspent:
		u.Unreported, u.Micros = fl.upper.Tokens, fl.upper.Micros
	}
	if err == nil && (fl.race == nil || !fl.race.over) {
		u.Calls = uint64(len(fl.calls))
	}
	if fl.hold != nil {
		fl.hold.Settle(u)
	} else if u != (usage.Use{}) {
		f.ledger.Add(fl.calls[0].job.Run, fl.spec.Name, u)
	}
}
