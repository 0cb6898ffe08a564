package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	// attempt is how long an answer is waited for before the request is sent again: a service that is killed does not say so.
	attempt = 3 * time.Second
	// patience is how long a request is repeated where nobody listens: services start and come back at different times.
	patience = 5 * time.Second
)

func newID() string { return rand.Text() }

// ask asks until there is an answer, and decodes it. The same id goes with every attempt, and the end of ctx as deadline.
func (h *Hub) ask(ctx context.Context, verb string, r wire.Request, into any) error {
	r.Sender = h.as
	if end, ok := ctx.Deadline(); ok {
		r.Deadline = end
	}
	out, err := wire.Wait(ctx, func() (msg.Msg, error) {
		return h.repeat(ctx, subjects.HubCall(h.client.Run(), h.name, verb), r)
	})
	if err == nil {
		err = out.Content.Decode(into)
	}
	if err != nil {
		return fmt.Errorf("hub %q: %s: %w", h.name, verb, err)
	}
	return nil
}

func (h *Hub) repeat(ctx context.Context, subject string, r wire.Request) (msg.Msg, error) {
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = 10*time.Millisecond, 500*time.Millisecond
	for begun := time.Now(); ; {
		short, cancel := context.WithTimeout(ctx, attempt)
		out, err := wire.Ask(short, h.client.Conn(), subject, r)
		cancel()
		switch {
		case err == nil || ctx.Err() != nil || h.client.Conn().IsClosed():
			return out, err
		case errors.Is(err, wire.ErrNobody) && time.Since(begun) < patience:
		case errors.Is(err, wire.ErrStopped), errors.Is(err, context.DeadlineExceeded):
		default:
			return out, err
		}
		select {
		case <-time.After(retry.NextBackOff()):
		case <-ctx.Done():
			return msg.Msg{}, err
		}
	}
}
