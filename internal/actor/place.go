package actor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// childWait is how long a child process may take until it serves, and has done what it is asked; childTry is for one try.
const (
	childWait = 30 * time.Second
	childTry  = 5 * time.Second
	childPoll = 20 * time.Millisecond
)

// makeChild makes an agent in a process of its own. This host keeps its name and looks after the process; the process has
// a log of its own, which brings the agent back after a crash.
func (o *order) makeChild(ctx context.Context, a *actor) {
	err := o.rt.need(ctx, a.name)
	if err == nil {
		if err = a.createThere(ctx); err != nil {
			o.rt.release(a.name)
		}
	}
	if err != nil {
		a.fall(err)
		o.finish(result{err: err}, false)
		return
	}
	e := &entry{kind: entryCreated, agent: a.name, id: o.key.id, number: a.number, of: a.kind, config: a.config, process: true}
	a.log(e, func() { o.finish(a.addressed(), o.key.id != "") })
}

// createThere has the agent made in its process. Another one of its name there was left behind when this host died while it
// made or deleted it, and nobody has been told of it.
func (a *actor) createThere(ctx context.Context) error {
	spec := args{Name: a.name, Kind: a.kind, Config: a.config}
	err := a.askChild(ctx, subjects.VerbCreate, spec)
	if !errors.Is(err, wire.ErrExists) {
		return err
	}
	if err := a.askChild(ctx, subjects.VerbDelete, args{Name: a.name, Child: true}); err != nil && !errors.Is(err, wire.ErrNoAgent) {
		return err
	}
	return a.askChild(ctx, subjects.VerbCreate, spec)
}

// deleteChild takes away an agent that has a process of its own, and the process. If it cannot be had to forget the agent,
// nothing happens: it would come back with the next one of that name.
func (o *order) deleteChild(ctx context.Context, a *actor) error {
	return a.enqueue(item{do: func() {
		err := a.askChild(ctx, subjects.VerbDelete, args{Name: a.name, Child: true})
		if err != nil && !errors.Is(err, wire.ErrNoAgent) {
			o.finish(result{err: err}, false)
			return
		}
		gone := noAgent(o.rt.cfg.Host, o.run.name, a.name)
		if _, err := a.close(gone, item{do: func() {}}); err != nil { // another request to delete it was first
			o.finish(result{err: gone}, false)
			return
		}
		o.rt.release(a.name)
		a.log(&entry{kind: entryDeleted, agent: a.name, id: o.key.id}, func() {
			o.run.forget(a)
			o.finish(o.rt.data(map[string]any{}), o.key.id != "")
		})
	}})
}

// adoptChild starts the process of an agent that was there before the host began again.
func (rt *Runtime) adoptChild(ctx context.Context, a *actor) {
	if err := rt.need(ctx, a.name); err != nil {
		rt.log.Error("an agent's process cannot be started", "run", a.run.name, "agent", a.name, "error", err)
	}
}

// askChild asks the process of an agent for a verb of a host, and waits until it is there.
func (a *actor) askChild(ctx context.Context, verb string, in args) error {
	ctx, end := context.WithTimeoutCause(ctx, childWait, fmt.Errorf("%w: the process of agent %q does not serve", wire.ErrUnavailable, a.name))
	defer end()
	content, err := msg.Data(in)
	if err != nil {
		return err
	}
	subject := subjects.Host(a.run.name, childHost(a.run.rt.cfg.Host, a.name), verb)
	for {
		try, end := context.WithTimeout(ctx, childTry) // it may be killed with the request in its hands
		_, err := wire.Ask(try, a.run.rt.nc, subject, wire.Request{Msgs: []msg.Msg{msg.New(a.run.rt.cfg.Host, msg.RoleSystem, content)}})
		again := try.Err() != nil || errors.Is(err, wire.ErrNobody) || errors.Is(err, wire.ErrStopped)
		end()
		if err == nil || !again {
			return err
		}
		select {
		case <-time.After(childPoll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
