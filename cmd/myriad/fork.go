package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

type forkCmd struct {
	ID      string            `arg:"" name:"run" help:"Id of the run to fork." placeholder:"RUN"`
	AtRound int               `required:"" help:"The last round that is taken over; 0 starts anew." placeholder:"K"`
	Name    string            `help:"What the id of the fork begins with, instead of the scenario's name." placeholder:"NAME"`
	Rounds  *int              `help:"Number of rounds at most, those taken over among them." placeholder:"N"`
	Seed    *uint64           `help:"Seed of the rounds to come; the agents stay the same people." placeholder:"N"`
	Set     map[string]string `help:"Set a value of the scenario, e.g. --set vars.ratio=1/2. Repeatable." placeholder:"PATH=VALUE" mapsep:"none"`
	Model   map[string]string `help:"Use another model, e.g. --model player=openai:http://localhost:8000/v1:Qwen/Qwen2-7B-Instruct. Repeatable." placeholder:"NAME=SPEC" mapsep:"none"`
	Server  string            `help:"NATS URL of a stack elsewhere, instead of a data directory." env:"MYRIAD_NATS_URL" placeholder:"URL"`
	outputFlags
}

// Help is shown by --help.
func (forkCmd) Help() string {
	return `A fork is a run whose first rounds are those of another: its agents remember them, its world goes on from them, and nothing of them
is asked or paid for again. What is changed counts from then on. With no change it plays what the other run played, unless
somebody told its agents something in a later round: a fork has heard what they were told up to where it begins.
A stack that is running on the data directory plays the fork; without one this command does, as run does.

Examples:
  myriad fork guess-two-thirds-k7q2m4xa --at-round 2
  myriad fork guess-two-thirds-k7q2m4xa --at-round 2 --set vars.ratio=1/2 --name half
  myriad fork guess-two-thirds-k7q2m4xa --at-round 2 --seed 8 --rounds 10
  myriad fork guess-two-thirds-k7q2m4xa --at-round 2 --model player=openai:http://localhost:8000/v1:Qwen/Qwen2-7B-Instruct`
}

func (c *forkCmd) order() control.ForkOrder {
	return control.ForkOrder{
		Run: c.ID, AtRound: c.AtRound, Name: c.Name, Overrides: scenario.Overrides{Rounds: c.Rounds, Seed: c.Seed, Set: c.Set, Models: c.Model},
	}
}

// Run forks the run, and plays the fork unless a stack does.
func (c *forkCmd) Run(ctx context.Context, a *app) error {
	nc, done, err := c.running(ctx, a)
	if err != nil {
		return err
	}
	if nc != nil {
		defer done()
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		var info control.Info
		if err := control.Ask(ctx, nc, control.Fork, c.order(), &info); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s is %s, with %s of %s\n", info.ID, info.State, plural(c.AtRound, "round", "rounds"), c.ID)
		return nil
	}
	s, err := c.open(ctx, a, false)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	info, err := s.order(ctx, control.Fork, c.order())
	if err != nil {
		return err
	}
	s.printf("Fork of %s after round %d\n", c.ID, c.AtRound)
	return s.play(ctx, info)
}

// running connects to the stack that runs on the server or data directory; nil if none runs on the directory.
func (c *forkCmd) running(ctx context.Context, a *app) (*nats.Conn, func(), error) {
	f := dataFlags{Data: c.Data, Server: c.Server}
	if f.Server != "" {
		return f.connect(ctx, a)
	}
	url, err := os.ReadFile(stack.AddressFile(f.Data))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("address of the stack: %w", err)
	}
	f.Server = strings.TrimSpace(string(url))
	nc, done, err := f.connect(ctx, a)
	if err != nil { // it was killed, and left its address
		return nil, nil, nil //nolint:nilerr // opening the directory says what is wrong, if anything is
	}
	return nc, done, nil
}
