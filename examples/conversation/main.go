// Command conversation has three people talk about a bridge. Without a model they recite; with one they say what they like:
//
//	go run ./examples/conversation
//	go run ./examples/conversation --endpoint http://localhost:8000/v1 --model Qwen/Qwen2-7B-Instruct
//	go run ./examples/conversation --you                      you are the fourth, at this terminal
//
//	myriad up                                                 or: on a stack,
//	MYRIAD_AGENTHOST_ID=h1 myriad agenthost                   with hosts, each in a terminal of its own
//	go run ./examples/conversation --hosts h1
//
// The whole conversation is laid out before the first word is said: each speaker is given the promises of what the others say
// before, and gets their words when they exist.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/host"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// person is somebody who takes part.
type person struct {
	name   string
	system string   // what a model is told
	lines  []string // what is said without one
}

var people = []person{
	{"Ada", "You are Ada, mayor of a small town. You want a bridge over the river. You speak in one or two short sentences.", []string{
		"I say we build the bridge: half the town is cut off each spring.",
		"Then let the other bank pay a third. They gain most.",
	}},
	{"Ben", "You are Ben, treasurer of a small town. You fear what a bridge costs. You speak in one or two short sentences.", []string{
		"And who pays? The school roof is not paid for yet.",
		"A third I could defend. I want it in writing.",
	}},
	{"Cleo", "You are Cleo, ferrywoman of a small town. A bridge ends your trade. You speak in one or two short sentences.", []string{
		"My ferry crosses on all but ten days a year.",
		"Build it, then. But the toll house is mine to keep.",
	}},
}

const topic = "The council meets. On the table: a bridge over the river. Everybody is heard in turn."

func main() {
	var o options
	hosts := flag.String("hosts", "", "names of hosts where the speakers live, separated by commas; without any, in this process")
	flag.StringVar(&o.endpoint, "endpoint", "", "base URL of a model server, such as http://localhost:8000/v1; without one the speakers recite")
	flag.StringVar(&o.model, "model", "", "name of the model at the endpoint")
	flag.StringVar(&o.run, "run", "conversation", "name of the run; speakers of the same run remember")
	flag.IntVar(&o.turns, "turns", 2, "how often each speaks")
	flag.BoolVar(&o.you, "you", false, "take part, at this terminal; not with --hosts")
	flag.Parse()
	kinds := agent.NewRegistry().Add("you", agent.UserAt(os.Stdin, os.Stdout))
	o.place = host.Local(host.Kinds{Agents: kinds})
	if *hosts != "" {
		o.place = host.Remote("", strings.Split(*hosts, ",")...)
		o.you = false
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := talk(ctx, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		stop()
		os.Exit(1)
	}
}

type options struct {
	place           host.Place
	endpoint, model string
	run             string
	turns           int
	you             bool
}

func talk(ctx context.Context, out io.Writer, o options) (err error) {
	world, err := host.Open(ctx, o.run, o.place, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.Close(context.WithoutCancel(ctx))) }()
	speakers, err := o.speakers(ctx, world)
	if err != nil {
		return err
	}
	// What was said so far, most of it still a promise, and how much of it each speaker was given.
	said := []msg.Msg{msg.New("clerk", msg.RoleUser, msg.Text(topic))}
	heard := make([]int, len(speakers))
	for range o.turns {
		for i, s := range speakers {
			next, err := s.Call(ctx, said[heard[i]:]...)
			if err != nil {
				return err
			}
			said = append(said, next)
			heard[i] = len(said) // its own words are not news to it
		}
	}
	for _, m := range said {
		m, err := world.Resolve(ctx, m)
		if err != nil {
			return err
		}
		if o.you {
			continue // you have heard it
		}
		fmt.Fprintf(out, "%s: %s\n", m.Name, m.Content)
	}
	return nil
}

// speakers makes those who talk.
func (o options) speakers(ctx context.Context, world *host.World) ([]*agent.Ref, error) {
	var all []*agent.Ref
	for _, p := range people {
		config := map[string]any{"lines": p.lines}
		if o.endpoint != "" {
			config = map[string]any{"system": p.system, "model": map[string]any{
				"provider": "openai", "endpoints": []string{o.endpoint}, "model": o.model, "max_tokens": 120,
			}}
		}
		s, err := world.Agent(ctx, agent.Spec{Name: p.name, Kind: "dialog", Config: config})
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	if o.you {
		you, err := world.Agent(ctx, agent.Spec{Name: "You", Kind: "you"})
		if err != nil {
			return nil, err
		}
		all = append(all, you)
	}
	return all, nil
}
