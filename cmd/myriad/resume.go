package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/control"
)

type resumeCmd struct {
	ID          string                   `arg:"" name:"run" help:"Id of the run." placeholder:"RUN"`
	Tokens      uint64                   `help:"Let the run spend so many tokens from its beginning, in and out together." placeholder:"N"`
	Money       control.Money            `help:"Let the run spend so much money from its beginning." placeholder:"X"`
	ModelTokens map[string]uint64        `help:"Let one model spend so many tokens from the beginning of the run. Repeatable." placeholder:"NAME=N" mapsep:"none"`
	ModelMoney  map[string]control.Money `help:"Let one model spend so much money from the beginning of the run. Repeatable." placeholder:"NAME=X" mapsep:"none"`
	outputFlags
	serverFlag
}

// serverFlag names a stack elsewhere.
type serverFlag struct {
	Server string `help:"NATS URL of a stack elsewhere, instead of a data directory." env:"MYRIAD_NATS_URL" placeholder:"URL"`
}

// join opens a session with the stack that runs on the server given or on the data directory. Where none runs, one in this
// process begins to, which serves the run until it ends.
func (f outputFlags) join(ctx context.Context, a *app, server string) (*session, error) {
	nc, err := dataFlags{Data: f.Data, Server: server}.dial(ctx, a)
	if err != nil {
		return nil, err
	}
	if nc == nil {
		return f.open(ctx, a, false)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	s := &session{screen: newScreen(a, f.JSON), flags: f, app: a, server: server, nc: nc, js: js}
	s.printf("Stack: %s\n", nc.ConnectedUrlRedacted())
	return s, nil
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
Where a stack runs on the data directory, such as that of 'myriad up', it is told to go on, and followed; Ctrl-C then only
ends the looking.

Examples:
  myriad runs
  myriad resume guess-two-thirds-k7q2m4xa
  myriad resume guess-two-thirds-k7q2m4xa --server nats://127.0.0.1:4222
  myriad resume guess-two-thirds-k7q2m4xa --tokens 2000000 --money 5.00
  myriad resume guess-two-thirds-k7q2m4xa --model-tokens player=500000`
}

// Run goes on with the run.
func (c *resumeCmd) Run(ctx context.Context, a *app) error {
	s, err := c.join(ctx, a, c.Server)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	info, err := s.order(ctx, control.Resume, control.Order{Run: c.ID, Reason: "resumed from the command line", Caps: c.caps()})
	var p *control.Problem
	if errors.As(err, &p) && p.Code == "over" {
		return fmt.Errorf("%w; see its results with: myriad show %s", err, c.ID)
	}
	if p != nil && p.Code == "not_paused" && s.stack == nil { // it goes on already
		info, err = s.order(ctx, control.Status, control.Order{Run: c.ID})
	}
	if err != nil {
		return err
	}
	return s.play(ctx, info)
}
