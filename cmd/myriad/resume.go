package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/myriad-sim/myriad/internal/control"
)

type resumeCmd struct {
	ID          string                   `arg:"" name:"run" help:"Id of the run." placeholder:"RUN"`
	Tokens      uint64                   `help:"Let the run spend so many tokens from its beginning, in and out together." placeholder:"N"`
	Money       control.Money            `help:"Let the run spend so much money from its beginning." placeholder:"X"`
	ModelTokens map[string]uint64        `help:"Let one model spend so many tokens from the beginning of the run. Repeatable." placeholder:"NAME=N" mapsep:"none"`
	ModelMoney  map[string]control.Money `help:"Let one model spend so much money from the beginning of the run. Repeatable." placeholder:"NAME=X" mapsep:"none"`
	outputFlags
}

// caps are what the run may spend from now on; nil: as before.
func (c *resumeCmd) caps() *control.Caps {
	out := control.Caps{Tokens: c.Tokens, Money: c.Money, Models: map[string]control.Cap{}}
	for name, n := range c.ModelTokens {
		out.Models[name] = control.Cap{Tokens: n, Money: c.ModelMoney[name]}
	}
	for name, m := range c.ModelMoney {
		out.Models[name] = control.Cap{Tokens: c.ModelTokens[name], Money: m}
	}
	if out.Tokens == 0 && out.Money == 0 && len(out.Models) == 0 {
		return nil
	}
	return &out
}

// Help is shown by --help.
func (resumeCmd) Help() string {
	return `Goes on where the run log of the run ends: answers that are on disk are kept, only the rest is asked.
A run whose budget is spent goes on with more: totals from its beginning, not additions. Caps not named stay as they are.

Examples:
  myriad runs
  myriad resume guess-two-thirds-k7q2m4xa
  myriad resume guess-two-thirds-k7q2m4xa --tokens 2000000 --money 5.00
  myriad resume guess-two-thirds-k7q2m4xa --model-tokens player=500000`
}

// Run goes on with the run.
func (c *resumeCmd) Run(ctx context.Context, a *app) error {
	s, err := c.open(ctx, a, false)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	info, err := s.order(ctx, control.Resume, control.Order{Run: c.ID, Reason: "resumed from the command line", Caps: c.caps()})
	var p *control.Problem
	if errors.As(err, &p) && p.Code == "over" {
		return fmt.Errorf("%w; see its results with: myriad show %s", err, c.ID)
	}
	if err != nil {
		return err
	}
	return s.play(ctx, info)
}
