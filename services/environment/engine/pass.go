package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

// await waits for the promised arguments of a call, which then takes its place among those that have theirs.
func (e *Engine) await(life context.Context, j *job) {
	e.aside(life, j, time.Time{}, func(ctx context.Context) {
		in, err := e.holder.Resolve(ctx, j.req.Msgs[0])
		if err == nil {
			j.req.Msgs = []msg.Msg{in}
			if j.bind(); j.err == nil {
				e.waiting.Add(int64(len(j.m.Data)))
				err = e.give(life, treeKey{j.run, environment.Root(j.env)}, j, 0)
				if err != nil {
					e.waiting.Add(-int64(len(j.m.Data)))
				}
			} else {
				err = j.err
			}
		}
		if err != nil {
			e.refuse(j, fmt.Errorf("arguments of %s: %w", j.function, err))
		}
	})
}

// followFor is how long an engine that was not the first to write to a tree gives the calls of it to the one that was. Two that
// both write would mostly read what the other has written, and evaluate their calls again.
const followFor = time.Second

// byName is the kind that stands for one engine, whatever kinds it has. Names of kinds do not begin like this.
func byName(writer string) string { return "@" + writer }

// lead gives a call to another engine, and its reply to the caller. It is false if too many are with others already. Where the
// other one is gone the call comes back.
func (e *Engine) lead(life context.Context, j *job, leader string) bool {
	select {
	case e.passing <- struct{}{}:
	default:
		return false
	}
	e.done.Go(func() {
		defer func() { <-e.passing }()
		limit := time.Now().Add(passTime)
		if !j.req.Deadline.IsZero() {
			limit = j.req.Deadline
		}
		ctx, cancel := context.WithDeadline(life, limit)
		defer cancel()
		err := e.relay(ctx, j, byName(leader))
		if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, wire.ErrStopped) {
			j.handed = true // so that it is done here
			e.waiting.Add(int64(len(j.m.Data)))
			if err = e.give(life, treeKey{j.run, environment.Root(j.env)}, j, 0); err == nil {
				return
			}
			e.waiting.Add(-int64(len(j.m.Data)))
		}
		if err != nil {
			e.refuse(j, fmt.Errorf("%w: the program that serves the environment: %w", wire.ErrUnavailable, err))
		}
	})
	return true
}

// relay sends a call on and its reply back. With nats.ErrNoResponders and wire.ErrStopped nothing was done and nobody answered.
func (e *Engine) relay(ctx context.Context, j *job, kind string) error {
	m := nats.NewMsg(subjects.EnvKind(kind, j.run, j.env, j.function))
	m.Header, m.Data = maps.Clone(j.m.Header), j.m.Data
	reply, err := e.nc.RequestMsgWithContext(ctx, m)
	switch {
	case err != nil:
		return err
	case reply.Header.Get(subjects.HeaderErrorCode) == wire.Code(wire.ErrStopped):
		return wire.ErrStopped
	case j.m.Reply == "":
		return nil
	}
	reply.Subject, reply.Reply = j.m.Reply, ""
	return e.nc.PublishMsg(reply)
}

// aside does something for a call that waits for others, until the call's deadline or the given one; zero is none.
func (e *Engine) aside(ctx context.Context, j *job, limit time.Time, do func(context.Context)) {
	select {
	case e.passing <- struct{}{}:
	default:
		e.refuse(j, fmt.Errorf("%w: too many calls that wait for others", wire.ErrCrowded))
		return
	}
	if !j.req.Deadline.IsZero() {
		limit = j.req.Deadline
	}
	e.done.Go(func() {
		defer func() { <-e.passing }()
		if limit.IsZero() {
			do(ctx)
			return
		}
		bounded, cancel := context.WithDeadline(ctx, limit)
		defer cancel()
		do(bounded)
	})
}

// passTime is how long a call that was passed on may take if it has no deadline.
const passTime = 30 * time.Second

// pass gives a call whose code this program lacks to one that has it, and its reply to the caller.
func (e *Engine) pass(ctx context.Context, j *job, why error) {
	var lack *tree.LackError
	if !errors.As(why, &lack) || j.last {
		e.refuse(j, why) // whoever passed it on thought that this program has it, or lacks the kind of another environment
		return
	}
	e.aside(ctx, j, time.Now().Add(passTime), func(ctx context.Context) {
		err := e.relay(ctx, j, lack.Kind)
		switch {
		case errors.Is(err, nats.ErrNoResponders):
			e.refuse(j, fmt.Errorf("%w; no program that serves environments has it", why))
		case err != nil:
			e.refuse(j, fmt.Errorf("%w: a program with kind %s: %w", wire.ErrUnavailable, lack.Kind, err))
		}
	})
}
