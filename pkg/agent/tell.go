package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// A listener who does not say that he has heard is told again. He may be in the middle of something long.
const (
	tellWait  = 30 * time.Second
	tellTries = 20
)

// Tell makes an audience observe what the client's agent says. It returns when the message is on its way, and whatever the
// agent sends next, its answer included, goes out after it: who gets the answer and then asks a listener asks one who has
// heard. It waits for nobody, so two agents who listen to each other do not wait for each other. What gets lost is sent again
// with the same request id, so nobody hears it twice; a listener who cannot be reached is logged. Words that are on their way
// when the program ends may be lost: who must hear everything takes part in a hub.
//
// The message needs an ID, as msg.New gives it one. The error is ErrBadRequest, ErrTooLarge or ErrStopped, when
// the client closes.
func (c *Client) Tell(audience []subjects.Address, m msg.Msg) error {
	if len(audience) == 0 {
		return nil
	}
	if m.ID == "" {
		return fmt.Errorf("%w: what is told needs an ID", ErrBadRequest)
	}
	data, err := msg.Msgpack.Encode(m)
	switch {
	case errors.Is(err, msg.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	for _, to := range audience {
		if err := to.Check(); err != nil {
			return fmt.Errorf("%w: %w", ErrBadRequest, err)
		}
	}
	for _, to := range audience {
		if to == c.as {
			continue // it knows
		}
		if err := c.tell(to, m, data); err != nil {
			return err
		}
	}
	return nil
}

// tell sends a message to a listener and has it confirmed in the background.
func (c *Client) tell(to subjects.Address, m msg.Msg, data []byte) error {
	subject := subjects.At(c.run, to, subjects.VerbObserve)
	r := wire.Request{Msgs: []msg.Msg{m}, Sender: c.as, ID: "told:" + m.ID}
	ack, err := c.tellFirst(subject, r, data)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	closed := c.background(func() {
		ctx, done := c.untilClosed(nil)
		defer done()
		if err == nil {
			err = ack.wait(ctx)
		}
		for try := 0; mayHaveMissed(err) && try < tellTries && ctx.Err() == nil; try++ {
			c.log.Debug("a listener is told again", "run", c.run, "from", c.as, "to", to, "error", err)
			err = tellAgain(ctx, c.nc, subject, r)
		}
		if err != nil {
			c.log.Warn("a listener did not hear", "run", c.run, "from", c.as, "to", to, "error", err)
		}
	})
	if closed != nil && err == nil {
		return errors.Join(closed, ack.sub.Unsubscribe())
	}
	return closed
}

// acknowledgement is where the answer to the first sending comes to.
type acknowledgement struct {
	sub    *nats.Subscription
	answer chan *nats.Msg
}

// tellFirst sends a request without waiting for the answer.
func (c *Client) tellFirst(subject string, r wire.Request, data []byte) (a acknowledgement, err error) {
	a.answer = make(chan *nats.Msg, 1)
	if a.sub, err = c.nc.ChanSubscribe(c.nc.NewInbox(), a.answer); err != nil {
		return a, err
	}
	m := nats.NewMsg(subject)
	m.Reply, m.Data = a.sub.Subject, data
	if r.Sender != "" {
		m.Header.Set(subjects.HeaderSender, string(r.Sender))
	}
	m.Header.Set(subjects.HeaderRequestID, r.ID)
	if err := c.nc.PublishMsg(m); err != nil {
		return a, errors.Join(err, a.sub.Unsubscribe())
	}
	return a, nil
}

// wait waits for the answer to the first sending.
func (a acknowledgement) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tellWait)
	defer cancel()
	var err error
	select {
	case m := <-a.answer:
		if _, err = wire.ReadAnswer(m); errors.Is(err, ErrNobody) {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err) // not yet
		}
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return errors.Join(err, a.sub.Unsubscribe())
}

// tellAgain sends it once more, under the same id.
func tellAgain(ctx context.Context, nc *nats.Conn, subject string, r wire.Request) error {
	ctx, cancel := context.WithTimeout(ctx, tellWait)
	defer cancel()
	_, err := sendOn(ctx, nc, subject, r, nil)
	return err
}

// mayHaveMissed reports whether telling again makes sense: there was no answer, or nobody to give one.
func mayHaveMissed(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrStopped)
}
