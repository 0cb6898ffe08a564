// Command groups plays "guess two thirds of the average" between groups. What a group's members report is known in their group,
// what the groups report to all: environments nested in an environment see to it.
//
//	go run ./examples/groups                                  everything in this process
//
//	myriad up                                                 or: a stack,
//	go run ./examples/groups/host --id h1                     hosts, each in a terminal of its own,
//	go run ./examples/groups --hosts h1,h2                    and the same game on them
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/examples/groups/game"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/host"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func main() {
	hosts := flag.String("hosts", "", "names of hosts to play on, separated by commas; without any, everything is in this process")
	run := flag.String("run", "groups", "name of the run; one that was played is not played again")
	members := flag.Int("members", 5, "members of a group")
	flag.Parse()
	place := host.Local(game.Kinds())
	if *hosts != "" {
		place = host.Remote("", strings.Split(*hosts, ",")...)
	}
	if err := play(context.Background(), os.Stdout, place, *run, *members); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

const rounds = 5

var groups = []string{"red", "green", "blue"}

func play(ctx context.Context, out io.Writer, place host.Place, run string, members int) (err error) {
	world, err := host.Open(ctx, run, place, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.Close(ctx)) }()
	players, reporter, err := build(ctx, world, members)
	if err != nil {
		return err
	}
	around := world.Environment("game")
	for round := 1; round <= rounds; round++ {
		ask := msg.New("game", msg.RoleUser, msg.Text(strconv.Itoa(round)))
		var numbers []msg.Msg
		for _, p := range players {
			number, err := p.Call(ctx, ask) // all at once: nobody is waited for here
			if err != nil {
				return err
			}
			numbers = append(numbers, number)
		}
		if _, err := world.Client().ResolveAll(ctx, numbers...); err != nil {
			return err
		}
		var r game.Result
		reply, err := around.Call(ctx, "result", map[string]any{"round": round})
		if err == nil {
			err = reply.Decode(&r)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "round %d   red %5.2f   green %5.2f   blue %5.2f   target %5.2f   winner %s\n",
			round, r.Groups["red"], r.Groups["green"], r.Groups["blue"], r.Target, r.Winner)
	}
	fmt.Fprintln(out, "\nThe reporter was told, by the listener of the game:")
	told, err := all(ctx, reporter)
	fmt.Fprint(out, told)
	return err
}

// build makes environments and agents.
func build(ctx context.Context, world *host.World, members int) (players []*agent.Ref, reporter *agent.Ref, err error) {
	around := world.Environment("game")
	if err := around.Create(ctx, game.KindGame, game.Config{Parts: len(groups)}); err != nil {
		return nil, nil, err
	}
	if reporter, err = world.Agent(ctx, agent.Spec{Name: "reporter", Kind: game.KindReporter}); err != nil {
		return nil, nil, err
	}
	if err := around.Listen(ctx, environment.Listener{
		Name: "round over", On: "over", Tell: []subjects.Address{reporter.Address()}, Say: "{{state.winner}} won round {{state.over}}",
	}); err != nil {
		return nil, nil, err
	}
	for g, name := range groups {
		inner := "game/" + name
		if err := world.Environment(inner).Create(ctx, game.KindGroup, game.Config{Parts: members}); err != nil {
			return nil, nil, err
		}
		for m := range members {
			p, err := world.Agent(ctx, agent.Spec{
				Name: fmt.Sprintf("%s-%d", name, m+1), Kind: game.KindPlayer, Config: game.Player{Group: inner, Level: (m + g) % 4},
			})
			if err != nil {
				return nil, nil, err
			}
			players = append(players, p)
		}
	}
	return players, reporter, nil
}

// all waits until the reporter was told of every round: the environment tells it after the round is on disk, so a little
// later than us.
func all(ctx context.Context, reporter *agent.Ref) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		told, err := reporter.Reply(ctx)
		if err != nil {
			return "", err
		}
		if text := told.Content.String(); strings.Count(text, "\n") >= rounds {
			return text, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
