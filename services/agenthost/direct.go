package agenthost

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// An agent's own subject: anyone may reply (talk to it), observe (tell it), read its state, or interview it without a
// trace. What changes the agent is logged with its outcome before it is answered.

// maxContent bounds what one message may say to an agent.
const maxContent = 64 * 1024

// directTimeout bounds how long an agent may take to answer a message, its turn before included.
const directTimeout = 2 * time.Minute

var (
	errTooLong = fmt.Errorf("%w: content is longer than %d bytes", wire.ErrTooLarge, maxContent)
	errNoRound = fmt.Errorf("%w: no round has been opened yet", wire.ErrUnavailable)
	errMoved   = fmt.Errorf("%w: the agent has left this host", wire.ErrStopped)
)

// listener is the subscription of a shard's agents and what is under way on it.
type listener struct {
	sub    *nats.Subscription
	cancel context.CancelCauseFunc
}

func (l listener) stop() {
	if l.sub != nil {
		l.cancel(errMoved)
		_ = l.sub.Drain() // who waits in the subscription is told; fails only when the connection is gone
	}
}

// listen subscribes to the agents of a shard: one subscription for all of them.
func (r *run) listen(ctx context.Context, s *shard) (listener, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	sub, err := r.svc.nc.Subscribe(subjects.AgentShard(r.id, s.index), func(m *nats.Msg) { r.receive(ctx, s, m) })
	if err != nil {
		cancel(err)
		return listener{}, fmt.Errorf("agenthost: listen for agents of shard %d: %w", s.index, err)
	}
	return listener{sub, cancel}, nil
}

// silence ends the subscriptions of the run's shards.
func (r *run) silence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.listeners {
		l.stop()
	}
	clear(r.listeners)
}

// receive takes a message on the goroutine of the subscription: messages queue for their agent in the order they came.
func (r *run) receive(ctx context.Context, s *shard, m *nats.Msg) {
	req, err := wire.Read(m)
	if err == nil {
		err = context.Cause(ctx)
	}
	var agent int
	var verb string
	if err == nil {
		agent, verb, err = s.addressed(m.Subject)
	}
	if err != nil {
		r.svc.respond(m, req.Encoding, msg.Msg{}, err)
		return
	}
	v := &visit{run: r, shard: s, agent: agent, verb: verb, raw: m, req: req}
	if verb == subjects.VerbState && !s.forgets() {
		out, err := r.state(ctx, s, agent)
		v.respond(out, err)
		return
	}
	if !r.svc.direct.TryAcquire(1) {
		v.respond(nil, wire.ErrCrowded)
		return
	}
	if verb == subjects.VerbState {
		v.apart(ctx, func() {}, func(ctx context.Context) (*msg.Msg, error) { return r.state(ctx, s, agent) })
		return
	}
	if verb == subjects.VerbCall {
		if began, err := v.promise(); !began {
			r.svc.direct.Release(1)
			r.svc.respond(m, req.Encoding, msg.Promise(r.message(agent).Name, v.promised), err)
			return
		}
	}
	ticket := s.enter(agent - s.first)
	v.apart(ctx, func() { s.leave(agent-s.first, ticket) }, func(ctx context.Context) (*msg.Msg, error) { return v.handle(ctx, ticket) })
	if v.task != nil {
		r.svc.respond(m, req.Encoding, msg.Promise(r.message(agent).Name, v.promised), nil)
	}
}

// addressed is the agent and the verb that a subject names.
func (s *shard) addressed(subject string) (agent int, verb string, err error) {
	if _, _, agent, verb, err = subjects.ParseAgent(subject); err != nil {
		return 0, "", fmt.Errorf("%w: %w", wire.ErrBadRequest, err)
	}
	if agent < s.first || agent >= s.first+s.n {
		err = fmt.Errorf("%w: agent %d, shard %d has %d..%d", wire.ErrNoAgent, agent, s.index, s.first, s.first+s.n-1)
	}
	return agent, verb, err
}
