package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// How long and how much a client keeps of the answers that it promised itself.
const (
	keep      = 10 * time.Minute
	keepBytes = 64 << 20
)

func (c *Client) call(ctx context.Context, to subjects.Address, in []msg.Msg) (msg.Msg, error) {
	out, err := c.ask(ctx, to, subjects.VerbCall, wire.Request{Msgs: in}) // without a chain: who calls does not wait
	if !errors.Is(err, ErrBadRequest) && !errors.Is(err, wire.ErrNoFunction) {
		return out, err
	}
	if _, unsent := msg.Msgpack.EncodeList(in); unsent != nil || to.Check() != nil {
		return msg.Msg{}, err // it is not the agent who says so
	}
	return c.callInstead(ctx, to, in)
}

// callInstead promises the answer of an agent that makes no promises, and asks it to reply.
func (c *Client) callInstead(ctx context.Context, to subjects.Address, in []msg.Msg) (msg.Msg, error) {
	place, task, err := c.promise()
	if err != nil {
		return msg.Msg{}, err
	}
	r := wire.Request{Msgs: in, Sender: c.as, ID: idOf(ctx)}
	err = c.background(func() {
		ctx, done := c.untilClosed(task.Cancelled())
		defer done()
		out, err := c.watched(ctx, subjects.At(c.run, to, subjects.VerbReply), r)
		if err == nil || !c.isClosed() { // else the producer says that it is gone
			task.Finish(out, err)
		}
	})
	if err != nil {
		return msg.Msg{}, err
	}
	_, name, _ := to.Code()
	return msg.Promise(name, place), nil
}

// promise begins a promise of the client's own.
func (c *Client) promise() (msg.Placeholder, *promise.Task, error) {
	producer, err := c.ownProducer()
	if err != nil {
		return msg.Placeholder{}, nil, err
	}
	return producer.Begin(c.run, time.Time{})
}

// ownProducer is made for the first promise.
func (s *shared) ownProducer() (*promise.Producer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		return nil, errClosed
	}
	if s.producer == nil {
		producer, err := promise.NewProducer(s.nc, s.log, "client-"+rand.Text(), promise.Config{Keep: keep, KeepBytes: keepBytes})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		s.producer = producer
	}
	return s.producer, nil
}
