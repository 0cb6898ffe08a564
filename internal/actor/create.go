package actor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
)

// create makes an agent. The name is taken at once; its code is made in its first turn, so that what is sent to it meanwhile
// waits, and other agents are made at the same time.
func (o *order) create(ctx context.Context, in args) error {
	if err := checkName(in.Name); err != nil {
		return err
	}
	if _, err := o.rt.cfg.Kinds.Find(in.Kind); err != nil {
		return err
	}
	config, err := canonical(in.Config)
	if err != nil {
		return err
	}
	a, isNew := o.run.claim(in.Name, in.Kind, config, in.Process)
	if !isNew {
		return o.same(a, in, config)
	}
	if in.Process {
		return o.createChild(ctx, a)
	}
	return a.enqueue(item{do: func() {
		if err := a.begin(ctx); err != nil {
			a.fall(err)
			o.finish(result{err: err}, false)
			return
		}
		e := &entry{
			kind: entryCreated, agent: a.name, id: o.key.id, number: a.number, of: a.kind, config: a.config,
			change: a.self.Memory.Changes(), state: a.state,
		}
		if err := e.pack(); err != nil {
			a.fall(err)
			o.finish(result{err: err}, false)
			return
		}
		a.self.Memory.Mark()
		a.show()
		a.log(e, func() { o.finish(a.addressed(), o.key.id != "") })
	}})
}

// same answers a request for an agent of which there is one of that name.
func (o *order) same(a *actor, in args, config []byte) error {
	if a.kind != in.Kind || a.process != in.Process || !bytes.Equal(a.config, config) {
		return fmt.Errorf("%w: agent %q of kind %q", wire.ErrExists, a.name, a.kind)
	}
	return a.enqueue(item{do: func() { // behind its making, which may fail
		if a.broken != nil {
			o.finish(result{err: a.broken}, false)
			return
		}
		a.log(nil, func() { o.finish(a.addressed(), o.key.id != "") })
	}})
}

// claim returns the agent of a name, or makes one that has no code yet.
func (r *run) claim(name, kind string, config []byte, process bool) (a *actor, isNew bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.agents[name]; a != nil {
		return a, false
	}
	return r.newActor(name, kind, config, process, r.next), true
}

// begin makes the code of a new agent, and exports its state.
func (a *actor) begin(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := a.build(ctx); err != nil {
		return err
	}
	if s, ok := a.code.(agent.Stateful); ok {
		var err error
		if a.state, err = a.export(s); err != nil {
			return err
		}
	}
	return nil
}

// fall takes an agent away that could not be made.
func (a *actor) fall(err error) {
	a.broken = err
	a.run.forget(a)
	start, _ := a.close(fmt.Errorf("%w: it could not be made: %w", wire.ErrNoAgent, err), item{do: func() {}})
	a.wake(start)
}

// log has an entry appended, and then calls done. A nil entry waits for those before.
func (a *actor) log(e *entry, done func()) {
	a.unlogged.Add(1)
	a.run.journal.submit(e, func() {
		a.unlogged.Add(-1)
		done()
	})
}

// canonical is a configuration in the one form in which two are compared: compact, with the names in order.
func canonical(config json.RawMessage) ([]byte, error) {
	if len(config) == 0 || string(config) == "null" {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(config))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("%w: config: %w", wire.ErrBadRequest, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: config: %w", wire.ErrBadRequest, err)
	}
	return out, nil
}

// clone makes an agent with the kind, configuration, memory and state that another has when its turn comes.
func (o *order) clone(ctx context.Context, in args) error {
	if err := checkName(in.To); err != nil {
		return err
	}
	from, err := o.rt.find(o.run.name, in.From)
	if err != nil {
		return err
	}
	if o.read.Sender == from.address {
		return fmt.Errorf("%w: %s cannot be cloned while it handles a message, and it asks for that itself", wire.ErrCycle, from.address)
	}
	a, isNew := o.run.claim(in.To, from.kind, from.config, false)
	if !isNew {
		return fmt.Errorf("%w: agent %q of kind %q", wire.ErrExists, a.name, a.kind)
	}
	copied := make(chan error, 1)
	err = a.enqueue(item{do: func() { // in its own first turn, with what it was given in the other's turn
		var err error
		select {
		case err = <-copied:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err == nil {
			err = a.make(ctx)
		}
		if err != nil {
			a.fall(err)
			o.finish(result{err: err}, false)
			return
		}
		a.show()
		a.log(nil, func() { o.finish(a.addressed(), o.key.id != "") })
	}})
	if err != nil {
		return err
	}
	err = from.enqueue(item{do: func() { copied <- o.copy(ctx, a, from) }})
	if err != nil {
		copied <- err
	}
	return nil
}

// copy gives a new agent the memory and state of another, whose turn it is, and logs it: later changes of either come later
// in the log too.
func (o *order) copy(ctx context.Context, to, from *actor) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if from.broken != nil {
		return from.broken
	}
	if err := to.inherit(from); err != nil {
		return err
	}
	to.log(&entry{kind: entryCloned, agent: to.name, id: o.key.id, number: to.number, of: from.name}, func() {})
	return nil
}

// inherit takes over another agent's memory and state.
func (a *actor) inherit(from *actor) error {
	memory, err := from.self.Memory.Export()
	if err == nil {
		err = a.self.Memory.Import(memory)
	}
	a.self.Memory.Mark()
	a.state = from.state
	return err
}

// delete takes an agent away. What is in its mailbox gets ErrNoAgent, what it does is cancelled.
func (o *order) delete(ctx context.Context, in args) error {
	a := o.run.agent(in.Name)
	if a == nil {
		return noAgent(o.rt.cfg.Host, o.run.name, in.Name)
	}
	if a.process {
		return o.deleteChild(ctx, a)
	}
	gone := noAgent(o.rt.cfg.Host, o.run.name, in.Name)
	start, err := a.close(gone, item{do: func() {
		if ctx.Err() != nil {
			o.finish(result{err: context.Cause(ctx)}, false)
			return
		}
		a.log(&entry{kind: entryDeleted, agent: a.name, id: o.key.id}, func() {
			o.run.forget(a) // until now the name is taken
			o.finish(o.rt.data(map[string]any{}), o.key.id != "")
		})
	}})
	if err != nil {
		return gone
	}
	a.wake(start)
	return nil
}
