package llmproxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/tidwall/gjson"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/modelserver"
	"github.com/myriad-sim/myriad/internal/usage"
)

// passage is a call under way. One goroutine uses it.
type passage struct {
	f      *forwarder
	c      *forwardCall
	budget *llm.Budget // nil: what it costs is counted and not bounded

	attempts int           // that were made
	again    bool          // another turn may help
	after    time.Duration // the longest wait that a server asked for in this turn
}

// budget is what the run of a call may spend; nil: it has no budget, or nobody pays.
func (f *forwarder) budget(ctx context.Context, c *forwardCall) (*llm.Budget, error) {
	if c.run == "" {
		return nil, nil
	}
	b, err := f.book.caps(ctx, c.run, c.name)
	if err != nil {
		return nil, fmt.Errorf("the budget of the run is not known: %w", err)
	}
	if b == nil {
		return nil, nil
	}
	_, err = c.upper()
	return b, err
}

// attempt makes one attempt and books it.
func (p *passage) attempt(ctx context.Context, s *forwardSeat) (modelserver.Forwarded, error) {
	hold, err := p.reserve(ctx)
	if err != nil {
		return modelserver.Forwarded{}, err
	}
	got, err := p.f.call(ctx, s, p.c)
	u := p.use(got, err)
	p.attempts++
	switch {
	case hold != nil:
		hold.Settle(u)
	case p.c.run != "" && u != (usage.Use{}):
		p.f.book.Add(p.c.run, p.c.name, u)
	}
	return got, err
}

// reserve sets aside what an attempt may cost, and waits for it if others hold it. Without a budget there is no hold.
func (p *passage) reserve(ctx context.Context) (*usage.Hold, error) {
	if p.budget == nil {
		return nil, nil
	}
	most, err := p.c.upper()
	if err != nil {
		return nil, err
	}
	need := usage.Amount{Tokens: most, Micros: p.price().Cost(most, 0)}
	for {
		woken := make(chan struct{})
		hold, err := p.f.book.Reserve(p.c.run, p.c.name, *p.budget, need, func() { close(woken) })
		switch {
		case err == nil:
			return hold, nil
		case !errors.Is(err, usage.ErrWait):
			return nil, fmt.Errorf("%s%w", llm.RefusedBudget, err)
		}
		select {
		case <-woken:
		case <-ctx.Done():
			return nil, fmt.Errorf("waited for the budget: %w", ctx.Err())
		}
	}
}

func (p *passage) price() usage.Price {
	price, _ := p.f.prices.Of(p.c.served) // without a price it costs no money
	return price
}

// use is what an attempt has cost, as far as that is known. What is not known to be unspent counts as spent.
func (p *passage) use(got modelserver.Forwarded, err error) usage.Use {
	u := usage.Use{}
	if p.attempts > 0 {
		u.Retries = 1
	}
	if err == nil {
		u.Calls = 1
		counts := gjson.GetBytes(got.Body, "usage")
		u.TokensIn = firstCount(counts, "prompt_tokens", "input_tokens")
		u.TokensOut = firstCount(counts, "completion_tokens", "output_tokens")
		if u.TokensIn+u.TokensOut == 0 {
			u.TokensIn = firstCount(counts, "total_tokens")
		}
		u.Micros = p.price().Cost(u.TokensIn, u.TokensOut)
		if u.TokensIn+u.TokensOut > 0 {
			return u
		}
	}
	if failed, ok := errors.AsType[*modelserver.Error](err); ok {
		switch failed.Kind {
		case modelserver.Unreached, modelserver.Overloaded, modelserver.Rejected, modelserver.Forbidden, modelserver.Lacking:
			return u
		case modelserver.Lost, modelserver.Failing, modelserver.Malformed:
		}
	}
	if most, err := p.c.upper(); err == nil {
		u.Unreported, u.Micros = most, p.price().Cost(most, 0)
	}
	return u
}

// giveUp books a call that nobody answered.
func (p *passage) giveUp() {
	if p.c.run != "" && p.attempts > 0 {
		p.f.book.Add(p.c.run, p.c.name, usage.Use{Calls: 1})
	}
}

// firstCount is the first of some fields that is a positive number.
func firstCount(counts gjson.Result, names ...string) uint64 {
	for _, name := range names {
		if n := counts.Get(name); n.Type == gjson.Number && n.Num > 0 {
			return n.Uint()
		}
	}
	return 0
}

// forwardBooks is the book of the service, and the bucket that says which runs have a budget.
type forwardBooks struct {
	*usage.Book
	kv jetstream.KeyValue
}

// caps is what a run may spend, nil if it has no budget. A budget is known once a call of its run was made under it.
func (b forwardBooks) caps(ctx context.Context, run, model string) (*llm.Budget, error) {
	a, err := usage.Read(ctx, b.kv, run)
	if err != nil {
		return nil, err
	}
	if a.Caps.Run.Seq == 0 {
		return nil, nil
	}
	of := func(c usage.Cap) llm.Cap { return llm.Cap{Tokens: c.Tokens, Micros: c.Micros} }
	return &llm.Budget{Seq: a.Caps.Run.Seq, Run: of(a.Caps.Run), Model: of(a.Caps.Models[model])}, nil
}
