package actor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// errPanic marks the error of code that panicked: nothing is known of what it left behind.
var errPanic = errors.New("panic")

// guard runs an agent's code. A panic becomes an error.
func (rt *Runtime) guard(a *actor, code func() (msg.Msg, error)) (out msg.Msg, err error) {
	defer func() {
		if p := recover(); p != nil {
			rt.log.Error("an agent's code panicked", "run", a.run.name, "agent", a.name, "kind", a.kind, "panic", p, "stack", string(debug.Stack()))
			out, err = msg.Msg{}, fmt.Errorf("%w: %w: %v", wire.ErrFailed, errPanic, p)
		}
	}()
	return code()
}

// settle finds out what a message that was handled has changed, and notes it in an entry. The error says that it cannot be
// kept, or cannot travel.
func (a *actor) settle(e *entry, r *result) error {
	e.change = a.self.Memory.Changes()
	copies := e.share()
	if err := e.pack(); err != nil {
		return err
	}
	if s, ok := a.code.(agent.Stateful); ok {
		state, err := a.export(s)
		if err != nil {
			return err
		}
		if !bytes.Equal(state, a.state) {
			e.state = state
		}
	}
	if e.state == nil && e.change.Empty() && e.id == "" && e.kind == entryOutcome {
		return nil // there is nothing to log
	}
	if r != nil && e.verb != subjects.VerbObserve {
		data, err := msg.Msgpack.Encode(r.out)
		if err != nil {
			return fmt.Errorf("%w: the answer: %w", wire.ErrFailed, err)
		}
		r.data = data
		e.reply = &piece{data: data}
	}
	if err := a.fits(e, "the message and what it changed"); err != nil {
		return err
	}
	if e.state != nil {
		a.state = e.state
		a.show()
	}
	if copies {
		a.self.Memory.Rollback()
		a.self.Memory.Apply(e.change)
	} else {
		a.self.Memory.Mark()
	}
	return nil
}

// fits refuses an entry that a record cannot hold: the host would not get over it.
func (a *actor) fits(e *entry, what string) error {
	if most := int(a.run.rt.nc.MaxPayload()) - recordRoom; e.size() > most {
		return fmt.Errorf("%w: %s take %d bytes in the log, the limit is %d", wire.ErrTooLarge, what, e.size(), most)
	}
	return nil
}

// export is the state of the agent's code, never nil.
func (a *actor) export(s agent.Stateful) (state []byte, err error) {
	_, err = a.run.rt.guard(a, func() (msg.Msg, error) {
		state, err = s.ExportState()
		return msg.Msg{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("the state cannot be exported: %w", err)
	}
	return append([]byte{}, state...), nil
}

// takeBack makes the agent what it was before a message. failure is the error of its code, or nil.
func (a *actor) takeBack(failure error) {
	a.self.Memory.Rollback()
	s, stateful := a.code.(agent.Stateful)
	switch {
	case stateful && a.bring(s) == nil:
	case stateful || errors.Is(failure, errPanic):
		if a.broken = a.make(context.Background()); a.broken != nil {
			a.run.rt.log.Error("an agent cannot be brought back", "run", a.run.name, "agent", a.name, "kind", a.kind, "error", a.broken)
			a.show()
		}
	}
}

// bring gives the code the state it exported last.
func (a *actor) bring(s agent.Stateful) error {
	_, err := a.run.rt.guard(a, func() (msg.Msg, error) { return msg.Msg{}, s.ImportState(a.state) })
	return err
}

// make makes the agent's code from its kind, with the memory as it is and the state it exported last. What the kind does to
// the memory is taken back: it was done, and logged, when the agent was created.
func (a *actor) make(ctx context.Context) error {
	err := a.build(ctx)
	a.self.Memory.Rollback()
	if err != nil {
		return err
	}
	s, ok := a.code.(agent.Stateful)
	if !ok || a.state == nil {
		return nil
	}
	if err := a.bring(s); err != nil {
		return fmt.Errorf("%w: the state of agent %q cannot be imported: %w", wire.ErrFailed, a.name, err)
	}
	return nil
}

// build makes the agent's code from its kind.
func (a *actor) build(ctx context.Context) error {
	kind, err := a.run.rt.cfg.Kinds.Find(a.kind)
	if err != nil {
		return err
	}
	_, err = a.run.rt.guard(a, func() (msg.Msg, error) {
		a.code, err = kind(ctx, a.self, a.config)
		return msg.Msg{}, err
	})
	if err != nil {
		return fmt.Errorf("agent %q of kind %q: %w", a.name, a.kind, err)
	}
	if a.code == nil {
		return fmt.Errorf("%w: kind %q made no agent for %q", wire.ErrFailed, a.kind, a.name)
	}
	return nil
}
