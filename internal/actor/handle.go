package actor

import (
	"context"
	"errors"
	"fmt"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// handle is a request's turn. over gives up its place.
func (q *request) handle(ctx context.Context, in *inputs, over func()) {
	r, e, err := q.work(ctx, in)
	if err != nil {
		over()
		q.finish(result{err: err}, false)
		return
	}
	if e == nil && q.to.unlogged.Load() == 0 {
		over()
		q.finish(r, false)
		return
	}
	q.to.unlogged.Add(1)
	q.to.run.journal.submit(e, func() { // also where there is nothing to log: it may say what is not in the log yet
		q.to.unlogged.Add(-1)
		over()
		q.finish(r, e != nil)
	})
}

// work has the request handled. It returns the result and what of it has to be logged, nil for nothing; or an error if it was
// not handled, and may be sent again.
func (q *request) work(ctx context.Context, in *inputs) (result, *entry, error) {
	a := q.to
	ctx, release, err := q.begin(ctx, in)
	if err != nil {
		return result{}, nil, err
	}
	a.mailbox.count()
	if q.verb == subjects.VerbInterview {
		out, err := a.interview(ctx, in.msgs)
		release()
		return result{out: out, err: err}, nil, err
	}
	out, err := a.run.rt.guard(a, func() (msg.Msg, error) {
		if q.verb == subjects.VerbObserve {
			return a.nothing(), a.code.Observe(ctx, in.msgs...)
		}
		return a.code.Reply(ctx, in.msgs...)
	})
	ended := context.Cause(ctx)
	release()
	e := &entry{kind: entryOutcome, agent: a.name, verb: q.verb, id: q.key.id, task: q.taskID, sender: string(q.read.Sender)}
	r := result{out: a.complete(out), err: err}
	if err == nil {
		err = a.settle(e, &r)
	}
	if err != nil {
		a.takeBack(err)
		// What a host that stops, a deadline or a cancellation made of it is no outcome.
		if q.key.id == "" || ended != nil {
			return result{}, nil, why(err, ended)
		}
		failed := &entry{kind: e.kind, agent: e.agent, verb: e.verb, id: e.id, task: e.task, sender: e.sender} // nothing of what was taken back
		failed.code, failed.text = wire.Code(err), shortText(err)
		return result{err: err}, failed, nil
	}
	if q.key.id == "" && e.change.Empty() && e.state == nil {
		return r, nil, nil
	}
	return r, e, nil
}

// begin waits for what the request needs: its inputs, and a slot. lost promises are not worked on.
func (q *request) begin(ctx context.Context, in *inputs) (context.Context, func(), error) {
	var cancelled <-chan struct{}
	if q.task != nil {
		cancelled = q.task.Cancelled()
	}
	if err := in.wait(ctx, cancelled); err != nil {
		return nil, nil, err
	}
	select {
	case <-cancelled:
		return nil, nil, wire.ErrCancelled
	default:
	}
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if q.to.broken != nil {
		return nil, nil, q.to.broken
	}
	ctx, leave, err := q.to.run.rt.slots.enter(ctx)
	if err != nil {
		return nil, nil, err
	}
	if cancelled == nil {
		return ctx, leave, nil
	}
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() { // ends below, before the request does
		defer close(watched)
		select {
		case <-cancelled:
			q.cancel(wire.ErrCancelled)
		case <-done:
		}
	}()
	return ctx, func() {
		close(done)
		<-watched
		leave()
	}, nil
}

// why is the error of a request whose context may have ended: what ended it says more than what the code made of that.
func why(err, ended error) error {
	if ended != nil && !errors.Is(err, ended) {
		return fmt.Errorf("%w: %w", ended, err)
	}
	return err
}

// interview asks the agent for an answer of which nothing stays.
func (a *actor) interview(ctx context.Context, in []msg.Msg) (msg.Msg, error) {
	out, err := a.run.rt.guard(a, func() (msg.Msg, error) {
		if i, ok := a.code.(agent.Interviewee); ok {
			return i.Interview(ctx, in...)
		}
		return a.code.Reply(ctx, in...)
	})
	a.takeBack(err)
	return a.complete(out), why(err, context.Cause(ctx))
}

// complete fills in what an agent need not say about its answer.
func (a *actor) complete(m msg.Msg) msg.Msg {
	if m.Name == "" {
		m.Name = a.name
	}
	if m.Role == "" {
		m.Role = msg.RoleAssistant
	}
	return m
}
