package coordinator

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/usage"
)

// money is an amount as the API shows and reads it.
type money struct{ control.Money }

// Schema describes the amount.
func (money) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		AnyOf:       []*huma.Schema{{Type: huma.TypeString, Pattern: `^[0-9]+(\.[0-9]{1,6})?$`}, {Type: huma.TypeNumber}},
		Description: "An exact amount of the price table's money, such as 5.25. It is read as text or number and shown as text.",
		Examples:    []any{"5.25"},
	}
}

// capsBody are the caps of a run, read and shown.
type capsBody struct {
	Tokens uint64             `json:"tokens,omitempty" doc:"Tokens in and out together."`
	Money  money              `json:"money,omitzero" required:"false"`
	Models map[string]capBody `json:"models,omitempty" doc:"Caps of single models, by name."`
}

type capBody struct {
	Tokens uint64 `json:"tokens,omitempty"`
	Money  money  `json:"money,omitzero" required:"false"`
}

// order is what the caps are in an order to resume; nil without any.
func (b *capsBody) order() *control.Caps {
	if b == nil {
		return nil
	}
	out := &control.Caps{Tokens: b.Tokens, Money: b.Money.Money, Models: map[string]control.Cap{}}
	for name, c := range b.Models {
		out.Models[name] = control.Cap{Tokens: c.Tokens, Money: c.Money.Money}
	}
	return out
}

func newCapsBody(c *runlog.Caps) *capsBody {
	if c == nil {
		return nil
	}
	out := &capsBody{Tokens: c.Tokens, Money: money{control.Money(c.Micros)}}
	for name, m := range c.Models {
		if out.Models == nil {
			out.Models = map[string]capBody{}
		}
		out.Models[name] = capBody{Tokens: m.Tokens, Money: money{control.Money(m.Micros)}}
	}
	return out
}

// usageBody is what a run has spent on its language models.
type usageBody struct {
	Total    useBody            `json:"total"`
	Models   map[string]useBody `json:"models" nullable:"false"`
	Held     heldBody           `json:"held" doc:"What llmproxies hold for calls under way. Of one that died it counts as spent."`
	Caps     *capsBody          `json:"caps,omitempty" doc:"What the run may spend; absent without a budget."`
	Share    float64            `json:"share" doc:"The largest part of any cap that is spent, from 0 to 1."`
	Currency string             `json:"currency,omitempty" doc:"The price table's unit of money, once some was spent."`
	Alerts   []budgetEvent      `json:"alerts,omitempty" nullable:"false" doc:"Parts of the budget that were reached."`
}

type useBody struct {
	Calls      uint64 `json:"calls"`
	Retries    uint64 `json:"retries" doc:"Calls made again because a server failed."`
	Hedges     uint64 `json:"hedges" doc:"Slow calls that were sent a second time."`
	Shared     uint64 `json:"shared" doc:"Calls that took the answer to an equal one."`
	TokensIn   uint64 `json:"tokens_in"`
	TokensOut  uint64 `json:"tokens_out"`
	Unreported uint64 `json:"tokens_unreported" doc:"At most so many more, of calls that ended before the server counted."`
	Money      money  `json:"money"`
}

type heldBody struct {
	Tokens uint64 `json:"tokens"`
	Money  money  `json:"money"`
}

func newUseBody(u usage.Use) useBody {
	return useBody{
		Calls: u.Calls, Retries: u.Retries, Hedges: u.Hedges, Shared: u.Shared, TokensIn: u.TokensIn, TokensOut: u.TokensOut,
		Unreported: u.Unreported, Money: money{control.Money(u.Micros)},
	}
}

// account is what a run has spent; false if that cannot be read, which keeps nobody from what else there is to see.
func (s *Service) account(ctx context.Context, run string) (usage.Account, bool) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	a, err := usage.Read(ctx, s.spent, run)
	if err != nil {
		s.log.Warn("what a run has spent cannot be read", "run", run, "error", err)
	}
	return a, err == nil
}

// usage is what an account says of a run; nil where the run has neither spent anything nor a budget.
func (s *Service) usage(st *runlog.State, a usage.Account) *usageBody {
	if len(a.Models) == 0 && len(a.Slices) == 0 && st.Caps == nil {
		return nil
	}
	held := a.Held()
	out := &usageBody{
		Total: newUseBody(a.Total()), Models: map[string]useBody{}, Held: heldBody{held.Tokens, money{control.Money(held.Micros)}},
		Caps: newCapsBody(st.Caps), Share: a.Share(), Currency: a.Currency, Alerts: s.alerts.from(st.Run, 0),
	}
	for name, u := range a.Models {
		out.Models[name] = newUseBody(u)
	}
	return out
}

// complete adds to a summary what was spent beside the answers that count.
func (s *Service) complete(ctx context.Context, sum *report.Summary) {
	if a, ok := s.account(ctx, sum.Run); ok {
		results.Spent(sum, a)
	}
}
