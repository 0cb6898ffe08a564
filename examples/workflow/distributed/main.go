// Command workflow has four agents work on something: A first, B and C on what A made, D on what C made. Each takes a second.
// It is written as if each step waited for the one before. None does, so all of it takes three seconds, not four.
//
// There are two of it, ./local and ./distributed. They differ in the line that says where the agents live.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/myriad-sim/myriad/examples/workflow/workers"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/host"
	"github.com/myriad-sim/myriad/pkg/msg"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	place := host.Remote("", "h1", "h2", "h3")
	world, err := host.Open(ctx, "workflow", place, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.Close(ctx)) }()

	agents := map[string]*agent.Ref{}
	for _, name := range []string{"A", "B", "C", "D"} {
		agents[name], err = world.Agent(ctx, agent.Spec{Name: name, Kind: workers.Kind, Config: workers.Config{Seconds: 1}})
		if err != nil {
			return err
		}
	}

	task := msg.New("user", msg.RoleUser, msg.Text("task"))
	a, err := agents["A"].Call(ctx, task)
	if err != nil {
		return err
	}
	b, err := agents["B"].Call(ctx, a)
	if err != nil {
		return err
	}
	c, err := agents["C"].Call(ctx, a)
	if err != nil {
		return err
	}
	d, err := agents["D"].Call(ctx, c)
	if err != nil {
		return err
	}

	for _, made := range []msg.Msg{a, b, c, d} {
		made, err := world.Resolve(ctx, made)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s made %s\n", made.Name, made.Content)
	}
	return nil
}
