package agenthost

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// visit is a message to one agent.
type visit struct {
	run      *run
	shard    *shard
	agent    int
	verb     string
	raw      *nats.Msg
	req      wire.Request
	promised msg.Placeholder // of a call
	task     *promise.Task   // of a call; nil otherwise
}

// promise begins a call, unless one with the same request id has begun: then the promise is that one's, and began is false.
func (v *visit) promise() (began bool, err error) {
	v.shard.mu.Lock()
	defer v.shard.mu.Unlock()
	id := request{v.agent, v.req.ID}
	if p, known := v.shard.told.promise(id); known && v.run.svc.code.Producer().Holds(p) {
		v.promised = p
		return false, nil
	}
	if v.promised, v.task, err = v.run.svc.code.Producer().Begin(v.run.id, time.Now().Add(directTimeout)); err != nil {
		return false, err
	}
	v.shard.told.promises(id, v.promised)
	return true, nil
}

// respond gives the outcome to the sender, or to the holders of the promise.
func (v *visit) respond(out *msg.Msg, err error) {
	if out == nil {
		out = &msg.Msg{}
	}
	if v.task != nil {
		if err != nil {
			v.shard.mu.Lock()
			v.shard.told.unpromise(request{v.agent, v.req.ID})
			v.shard.mu.Unlock()
		}
		v.task.Finish(*out, err)
		return
	}
	v.run.svc.respond(v.raw, v.req.Encoding, *out, err)
}

// apart answers a message on a goroutine of its own. end is called when it is answered, or will not be.
func (v *visit) apart(ctx context.Context, end func(), answer func(context.Context) (*msg.Msg, error)) {
	over := func() {
		end()
		v.run.svc.direct.Release(1)
	}
	deadline := time.Now().Add(directTimeout)
	if d := v.req.Deadline; v.task == nil && !d.IsZero() && d.Before(deadline) {
		deadline = d
	}
	started := v.run.svc.goUnlessStopped(func() {
		defer over()
		ctx, cancel := context.WithDeadlineCause(ctx, deadline, wire.ErrDeadline)
		defer cancel()
		v.respond(answer(ctx))
	})
	if !started {
		over()
		v.respond(nil, wire.ErrStopped)
	}
}

// handle answers a message that changes an agent, or that its model answers, when its turn has come.
func (v *visit) handle(ctx context.Context, turn <-chan struct{}) (*msg.Msg, error) {
	r, s := v.run, v.shard
	ctx, done := v.unlessCancelled(ctx)
	defer done()
	in, err := r.svc.code.Resolve(ctx, v.req.Msgs...)
	if err != nil {
		return nil, err
	}
	sender, said := joined(in)
	if len(said) > maxContent {
		return nil, errTooLong
	}
	select {
	case <-turn:
	case <-ctx.Done():
		return nil, fmt.Errorf("the agent is busy: %w", context.Cause(ctx))
	}
	id := v.req.ID
	if done := s.outcome(v.agent, id); done != nil {
		out, err := msg.Msgpack.Decode(done)
		return &out, err
	}
	out := r.message(v.agent)
	if v.verb != subjects.VerbObserve {
		text, err := r.converse(ctx, s, v.agent, said)
		if err != nil {
			return nil, err
		}
		out.Content = msg.Text(text)
	}
	if v.verb == subjects.VerbInterview {
		return out, nil
	}
	return out, r.remember(ctx, s, outcome{V: 1, RequestID: id, Agent: v.agent, Verb: v.verb, Sender: sender, Content: said}, out)
}

// unlessCancelled returns a context that ends when nobody wants the outcome of a call any more. done has to be called.
func (v *visit) unlessCancelled(ctx context.Context) (until context.Context, done func()) {
	if v.task == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() { // ends with done
		defer close(watched)
		select {
		case <-v.task.Cancelled():
			cancel(wire.ErrCancelled)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-watched
	}
}

// respond answers a request in the format it came in.
func (s *Service) respond(m *nats.Msg, e msg.Encoding, out msg.Msg, failure error) {
	err := wire.Answer(s.nc, m, e, "agenthost", out, failure)
	if errors.Is(err, nats.ErrMaxPayload) { // who asked must not wait for ever
		err = wire.Answer(s.nc, m, e, "agenthost", msg.Msg{}, fmt.Errorf("%w: the answer: the broker carries %d bytes", wire.ErrTooLarge, s.nc.MaxPayload()))
	}
	if err != nil {
		s.log.Warn("message to an agent not answered", "subject", m.Subject, "error", err)
	}
}

// joined is what the messages of a request say together. A promised one is a promise no more.
func joined(list []msg.Msg) (sender, said string) {
	texts := make([]string, len(list))
	for i, m := range list {
		texts[i] = m.Content.String()
	}
	if len(list) > 0 {
		sender = list[0].Name
	}
	return sender, strings.Join(texts, "\n\n")
}
