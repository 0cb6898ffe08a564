package agenthost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

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
	errNoAgent = errors.New("no such agent in this shard")
	errTooLong = fmt.Errorf("content is longer than %d bytes", maxContent)
	errNoRound = errors.New("no round has been opened yet")
	errMoved   = errors.New("the agent has left this host; ask again")
	errCrowded = errors.New("too many messages to agents at once; ask again")
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
	agent, verb, err := s.addressed(m.Subject)
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		r.svc.respond(m, nil, err)
		return
	}
	if verb == subjects.VerbState && !s.forgets() {
		out, err := r.state(ctx, s, agent)
		r.svc.respond(m, out, err)
		return
	}
	if !r.svc.direct.TryAcquire(1) {
		r.svc.respond(m, nil, errCrowded)
		return
	}
	if verb == subjects.VerbState {
		r.apart(ctx, m, func() {}, func(ctx context.Context) (*msg.Msg, error) { return r.state(ctx, s, agent) })
		return
	}
	ticket := s.enter(agent - s.first)
	r.apart(ctx, m, func() { s.leave(agent-s.first, ticket) }, func(ctx context.Context) (*msg.Msg, error) {
		return r.handle(ctx, s, agent, verb, m, ticket)
	})
}

// apart answers a message on a goroutine of its own. end is called when it is answered, or will not be.
func (r *run) apart(ctx context.Context, m *nats.Msg, end func(), answer func(context.Context) (*msg.Msg, error)) {
	over := func() {
		end()
		r.svc.direct.Release(1)
	}
	started := r.svc.goUnlessStopped(func() {
		defer over()
		ctx, cancel := context.WithTimeout(ctx, directTimeout)
		defer cancel()
		out, err := answer(ctx)
		r.svc.respond(m, out, err)
	})
	if !started {
		over()
	}
}

// addressed is the agent and the verb that a subject names.
func (s *shard) addressed(subject string) (agent int, verb string, err error) {
	_, _, agent, verb, err = subjects.ParseAgent(subject)
	if err == nil && (agent < s.first || agent >= s.first+s.n) {
		err = fmt.Errorf("%w: agent %d, shard %d has %d..%d", errNoAgent, agent, s.index, s.first, s.first+s.n-1)
	}
	return agent, verb, err
}

// handle answers a message that changes an agent, or that its model answers, when its turn has come.
func (r *run) handle(ctx context.Context, s *shard, agent int, verb string, m *nats.Msg, turn <-chan struct{}) (*msg.Msg, error) {
	in, err := decodeMsg(m)
	if err != nil {
		return nil, err
	}
	said := in.Content.String()
	if len(said) > maxContent {
		return nil, errTooLong
	}
	select {
	case <-turn:
	case <-ctx.Done():
		return nil, fmt.Errorf("the agent is busy: %w", context.Cause(ctx))
	}
	id := m.Header.Get(subjects.HeaderRequestID)
	if done := s.outcome(agent, id); done != nil {
		out, err := msg.Msgpack.Decode(done)
		return &out, err
	}
	out := r.message(agent)
	if verb != subjects.VerbObserve {
		text, err := r.converse(ctx, s, agent, said)
		if err != nil {
			return nil, err
		}
		out.Content = msg.Text(text)
	}
	if verb == subjects.VerbInterview {
		return out, nil
	}
	return out, r.remember(ctx, s, outcome{V: 1, RequestID: id, Agent: agent, Verb: verb, Sender: in.Name, Content: said}, out)
}
