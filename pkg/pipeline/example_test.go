package pipeline_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/pipeline"
)

// says is an agent that adds a word. With agents of a host it would be (*agent.Ref).Call.
func says(word string) pipeline.Op {
	return pipeline.Func(func(_ context.Context, in ...msg.Msg) (msg.Msg, error) {
		var said []string
		for _, m := range in {
			said = append(said, m.Content.String())
		}
		return msg.Msg{Content: msg.Text(strings.Join(said, " + ") + " " + word)}, nil
	})
}

func longerThan(n int) pipeline.Cond {
	return func(_ context.Context, in ...msg.Msg) (bool, error) { return len(in[0].Content.String()) > n, nil }
}

func question(text string) msg.Msg { return msg.New("me", msg.RoleUser, msg.Text(text)) }

func show(m msg.Msg, err error) {
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(m.Content)
}

func ExampleSequential() {
	show(pipeline.Sequential(context.Background(), question("idea"), says("drafted"), says("reviewed")))
	// Output: idea drafted reviewed
}

func ExampleIfElse() {
	// Waits for the message if it is a promise; here it is none, so nobody is needed to wait.
	show(pipeline.IfElse(context.Background(), nil, question("hi"), longerThan(10), says("(expert)"), says("(clerk)")))
	// Output: hi (clerk)
}

func ExampleWhileLoop() {
	short := func(ctx context.Context, in ...msg.Msg) (bool, error) {
		long, err := longerThan(12)(ctx, in...)
		return !long, err
	}
	show(pipeline.WhileLoop(context.Background(), nil, question("why"), 10, short, says("but why")))
	show(pipeline.WhileLoop(context.Background(), nil, question("why"), 1, short, says("?")))
	// Output:
	// why but why but why
	// error: pipeline: the loop did not end within 1 rounds of while loop
}

func ExampleFanout() {
	all, err := pipeline.Fanout(context.Background(), question("plan"), says("seen by law"), says("seen by tax"))
	for _, m := range all {
		show(m, err)
	}
	// Output:
	// plan seen by law
	// plan seen by tax
}

// Pipelines are values and nest.
func Example() {
	desk := pipeline.SequentialOp{
		says("read"),
		pipeline.IfElseOp{If: longerThan(40), Then: says("shortened")},
		pipeline.FanoutOp{Ops: []pipeline.Op{says("by law"), says("by tax")}, Join: says("edited")},
	}
	show(desk.Call(context.Background(), question("letter")))
	// Output: letter read by law + letter read by tax edited
}
