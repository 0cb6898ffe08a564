package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/chat"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// patience is how long a request is sent again to where nobody listens. Nobody has seen it, so that can do no harm.
const patience = 2 * time.Second

// shared is what the clients of one connection share.
type shared struct {
	nc     *nats.Conn
	log    *slog.Logger
	holder *promise.Holder

	closing sync.Once
	closed  chan struct{}

	mu       sync.Mutex
	producer *promise.Producer // made when it is needed
	caller   *chat.Caller      // the same
	working  sync.WaitGroup
}

func newShared(nc *nats.Conn, log *slog.Logger) (*shared, error) {
	holder, err := promise.NewHolder(nc, log)
	if err != nil {
		return nil, err
	}
	return &shared{nc: nc, log: log, holder: holder, closed: make(chan struct{})}, nil
}

func (s *shared) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

var errClosed = fmt.Errorf("%w: the client is closed", ErrStopped)

// background runs work that Close waits for; it ends soon after untilClosed's context does. The error is ErrStopped.
func (s *shared) background(work func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		return errClosed
	}
	s.working.Go(work)
	return nil
}

// untilClosed returns a context for work in the background, which is counted in working: it ends with the client, or when
// cancelled is closed. done has to be called.
func (s *shared) untilClosed(cancelled <-chan struct{}) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	s.working.Go(func() {
		select {
		case <-cancelled:
			cancel(ErrCancelled)
		case <-s.closed:
			cancel(ErrStopped)
		case <-ctx.Done():
		}
	})
	return ctx, func() { cancel(nil) }
}

// close is done once; whoever comes later waits for it.
func (s *shared) close() {
	s.closing.Do(func() {
		s.mu.Lock()
		close(s.closed)
		producer, caller := s.producer, s.caller
		s.mu.Unlock()
		s.working.Wait()
		if producer != nil {
			producer.Close()
		}
		if caller != nil {
			caller.Close()
		}
		s.holder.Close()
	})
}

type requestID struct{}

// WithRequestID gives an id to the requests that are made with the context. Of several requests to one agent with the same
// id only the first is handled; the others get its outcome, also after the agent's host was away.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestID{}, id)
}

func idOf(ctx context.Context) string {
	id, _ := ctx.Value(requestID{}).(string)
	return id
}

// send sends a request and waits for the answer, without keeping the place of whoever asks among those who compute.
func (c *Client) send(ctx context.Context, subject string, r wire.Request) (msg.Msg, error) {
	r.Sender = c.as
	r.ID = idOf(ctx)
	return wire.Wait(ctx, func() (msg.Msg, error) { return c.watched(ctx, subject, r) })
}
