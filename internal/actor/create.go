package actor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

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
	making := o.makeAgent
	if in.Process {
		making = o.makeChild
	}
	o.run = o.rt.inRun(o.runName)
	a, isNew := o.run.claim(in.Name, in.Kind, config, in.Process, func(a *actor) { making(ctx, a) })
	if !isNew {
		return o.same(a, in, config)
	}
	a.wake(true)
	return nil
}

// makeAgent is a new agent's first turn.
func (o *order) makeAgent(ctx context.Context, a *actor) {
	e := &entry{kind: entryCreated, agent: a.name, id: o.key.id, number: a.number, of: a.kind, config: a.config}
	err := a.begin(ctx)
	if err == nil {
		e.change, e.state = a.self.Memory.Changes(), a.state
		err = e.pack()
	}
	if err == nil {
		err = a.fits(e, "the agent's configuration, memory and state")
	}
	if err != nil {
		a.fall(err)
		o.finish(result{err: err}, false)
		return
	}
	a.self.Memory.Mark()
	a.show()
	a.joinLate()
	a.log(e, func() { o.finish(a.addressed(), o.key.id != "") })
}

// same answers a request for an agent of which there is one of that name.
func (o *order) same(a *actor, in args, config []byte) error {
	if a.kind != in.Kind || a.process != in.Process || !bytes.Equal(a.config, config) {
		return fmt.Errorf("%w: agent %q of kind %q", wire.ErrExists, a.name, a.kind)
	}
	err := a.enqueue(item{do: func() { // behind its making, which may fail
		if a.broken != nil {
			o.finish(result{err: a.broken}, false)
			return
		}
		a.log(nil, func() { o.finish(a.addressed(), o.key.id != "") })
	}})
	if err != nil {
		return fmt.Errorf("%w: agent %q is being deleted", wire.ErrUnavailable, a.name)
	}
	return nil
}

// claim returns the agent of a name, or makes one that has no code yet. A new one has its first turn in its mailbox, ahead of
// whoever finds it now, and is to be woken.
func (r *run) claim(name, kind string, config []byte, process bool, first func(*actor)) (a *actor, isNew bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.agents[name]; a != nil {
		return a, false
	}
	a = r.newActor(name, kind, config, process, r.next)
	a.queue, a.working = []item{{do: func() { first(a) }}}, true
	return a, true
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
	from, err := o.rt.find(o.runName, in.From)
	if err != nil {
		return err
	}
	if o.read.Sender == from.address || slices.Contains(o.read.Chain, from.address) {
		return fmt.Errorf("%w: %s cannot be cloned while it handles a message, and who asks for that does so for it", wire.ErrCycle, from.address)
	}
	o.run = from.run
	copied := make(chan error, 1)
	a, isNew := o.run.claim(in.To, from.kind, from.config, false, func(a *actor) { // its first turn lasts until the other's
		var err error
		select {
		case err = <-copied:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			a.fall(err)
			o.finish(result{err: err}, false)
			return
		}
		a.show()
		a.log(nil, func() { o.finish(a.addressed(), o.key.id != "") })
	})
	if !isNew {
		return fmt.Errorf("%w: agent %q of kind %q", wire.ErrExists, a.name, a.kind)
	}
	a.wake(true)
	if err := from.enqueue(item{do: func() { copied <- o.copy(ctx, a, from) }}); err != nil {
		copied <- err
	}
	return nil
}

// copy makes a new agent with the memory and state of another, whose turn it is, and logs it: later changes of either come
// later in the log too, and one that cannot be made is not in it.
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
	if err := to.make(ctx); err != nil {
		return err
	}
	to.joinLate()
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
	var a *actor
	if o.run = o.rt.knownRun(o.runName); o.run != nil {
		a = o.run.agent(in.Name)
	}
	if a == nil {
		return noAgent(o.rt.cfg.Host, o.runName, in.Name)
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
