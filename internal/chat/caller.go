package chat

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/wire"
)

// Caller makes model calls. It is safe for concurrent use.
type Caller struct {
	nc     *nats.Conn
	log    *slog.Logger
	prefix string
	sub    *nats.Subscription
	closed chan struct{}
	once   sync.Once

	lost   time.Duration // a proxy without a sign of life for so long is gone; it gives one each second
	absent time.Duration // where none is running one may be starting again for so long

	id   atomic.Uint64
	mu   sync.Mutex
	open map[uint64]*call
}

// call is one request that is out.
type call struct {
	heard atomic.Int64 // Unix nanoseconds of the last sign of life, at first of the asking
	end   chan ending  // the first decides
}

// ending is what a request came to: a result that holds the completion or a refusal, or an error.
type ending struct {
	result *llm.Result
	err    error
}

// New returns a caller on a connection, which stays whoever's it is.
func New(nc *nats.Conn, log *slog.Logger) (*Caller, error) {
	c := &Caller{
		nc: nc, log: log, prefix: nc.NewInbox() + ".", closed: make(chan struct{}), open: map[uint64]*call{},
		lost: 2500 * time.Millisecond, absent: 10 * time.Second,
	}
	sub, err := nc.Subscribe(c.prefix+"*", c.receive)
	if err != nil {
		return nil, fmt.Errorf("chat: subscribe to model results: %w", err)
	}
	c.sub = sub
	// What arrives is bounded by the calls in flight; a limit would drop results that were paid for.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("chat: subscribe to model results: %w", err)
	}
	return c, nil
}

// Close ends the subscription. Calls that wait return wire.ErrStopped.
func (c *Caller) Close() {
	c.once.Do(func() {
		close(c.closed)
		if err := c.sub.Unsubscribe(); err != nil && c.nc.IsConnected() {
			c.log.Warn("a subscription to model results stays behind", "error", err)
		}
	})
}

// receive is called for one message at a time, in their order.
func (c *Caller) receive(m *nats.Msg) {
	id, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, c.prefix), 36, 64)
	if err != nil {
		return // not a reply to anything that was sent
	}
	c.mu.Lock()
	p := c.open[id]
	c.mu.Unlock()
	if p == nil {
		return // of a call that is over or was given up
	}
	p.heard.Store(time.Now().UnixNano())
	if m.Header.Get("Status") == "503" {
		p.over(ending{err: errNoProxy})
		return
	}
	r, err := llm.DecodeResult(m.Data)
	switch {
	case err != nil:
		p.over(ending{err: fmt.Errorf("%w: its answer cannot be read: %w", wire.ErrUnavailable, err)})
	case r.Refused != "" || len(r.Index) > 0:
		p.over(ending{result: r})
	case r.Done:
		p.over(ending{err: errShort})
	}
}

func (p *call) over(e ending) {
	select {
	case p.end <- e:
	default:
	}
}
