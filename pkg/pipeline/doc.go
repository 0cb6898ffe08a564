// Package pipeline puts calls to agents together: one after the other, one or the other, again and again, side by side.
//
// An [Op] takes messages and gives one: an agent ((*agent.Ref).Call is one behind a [Func]), plain Go, or another pipeline.
// A message may be a promise (see pkg/msg), and pipelines pass promises on as they are. So
//
//	pipeline.Sequential(ctx, task, draft, review, polish)
//
// where the three are agents' Call, returns after three short requests with the promise of the polished text, while the
// first agent still writes; the second will wait for the first, not this program. What waits is only a decision that reads a
// message: the conditions of [IfElse], [Switch], [ForLoop] and [WhileLoop] see what was promised, so these wait, for the
// messages they read, through a [Waiter] (an *agent.Client). [Gather] waits because that is what it is for.
//
// Each shape exists twice. As a function it runs now:
//
//	answer, err := pipeline.IfElse(ctx, client, question, isHard, expert, clerk)
//
// As a value it is an Op itself, to be kept, passed around and nested:
//
//	desk := pipeline.SequentialOp{
//		reader,
//		pipeline.IfElseOp{Wait: client, If: isHard, Then: expert, Else: clerk},
//		pipeline.FanoutOp{Ops: []pipeline.Op{lawyer, accountant}, Join: editor},
//	}
//	answer, err := desk.Call(ctx, question)
//
// The ops of a fanout run side by side, so that one that has to decide something holds up no other; in which order they
// reach an agent that several of them call is not defined. Values hold no state and may be used by many goroutines at once
// if their ops may.
//
// Errors say where in the pipeline something happened, from the outside in, as in "step 2 of sequential: then of if-else: no
// such agent", and keep their identity for errors.Is.
//
// It may import pkg/msg only.
package pipeline
