package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

// courier delivers messages: to each receiver one after the other, to many at a time. It tries until the receiver has the
// message or cannot have it, and holds so many for one that takes none: beyond that the oldest are given up.
type courier struct {
	nc    *nats.Conn
	log   *slog.Logger
	slots chan struct{} // a place for each message on its way
	most  int           // messages that wait for one receiver
	done  sync.WaitGroup

	mu      sync.Mutex
	lanes   map[string][]parcel // by the subject of the receiver; one goroutine each
	givenUp int
}

// parcel is a message to deliver.
type parcel struct {
	effect    *tree.Effect
	run, root string
	done      func(tree.Ref) // it has arrived, or never will
}

// Bounds of a courier.
const (
	maxOnTheWay = 256
	maxLane     = 10_000
	slotTime    = 500 * time.Millisecond // after it a message is no longer on its way: receivers that only think hold up no others
	deliverTime = 30 * time.Second       // for one try: the receiver may have to think
	firstRetry  = 50 * time.Millisecond
	lastRetry   = 5 * time.Second
)

func newCourier(nc *nats.Conn, log *slog.Logger) *courier {
	return &courier{nc: nc, log: log, slots: make(chan struct{}, maxOnTheWay), most: maxLane, lanes: map[string][]parcel{}}
}

func (p parcel) subject() string {
	if p.effect.Hub != "" {
		return subjects.HubCall(p.run, p.effect.Hub, "announce")
	}
	return subjects.At(p.run, p.effect.To, subjects.VerbObserve)
}

// take delivers a parcel after those that were taken before for the same receiver. After ctx ends nothing is delivered.
func (c *courier) take(ctx context.Context, p parcel) {
	lane := p.subject()
	c.mu.Lock()
	queue, runs := c.lanes[lane]
	var oldest *parcel
	if len(queue) >= c.most {
		oldest, queue = &queue[0], queue[1:]
		if c.givenUp++; c.givenUp%c.most == 1 {
			c.log.Warn("messages given up: too many wait for one receiver, which takes none", "run", p.run, "environment", p.effect.Env,
				"to", lane, "limit", c.most, "given up", c.givenUp)
		}
	}
	c.lanes[lane] = append(queue, p)
	if !runs {
		c.done.Go(func() { c.drive(ctx, lane) })
	}
	c.mu.Unlock()
	if oldest != nil {
		oldest.done(oldest.effect.Ref)
	}
}

// drive delivers what is in a lane until it is empty.
func (c *courier) drive(ctx context.Context, lane string) {
	for {
		c.mu.Lock()
		queue := c.lanes[lane]
		if len(queue) == 0 || ctx.Err() != nil {
			delete(c.lanes, lane)
			c.mu.Unlock()
			return
		}
		p := queue[0]
		c.lanes[lane] = queue[1:]
		c.mu.Unlock()
		if c.deliver(ctx, lane, p) {
			p.done(p.effect.Ref)
		}
	}
}

// deliver is false if ctx ended first.
func (c *courier) deliver(ctx context.Context, subject string, p parcel) bool {
	m, err := msg.Msgpack.Decode(p.effect.Msg)
	if err != nil {
		c.log.Error("message cannot be delivered", "to", subject, "error", err)
		return true
	}
	r := wire.Request{Msgs: []msg.Msg{m}, ID: fmt.Sprintf("env:%s:%d:%d", p.root, p.effect.Seq, p.effect.N)}
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		err := c.try(ctx, subject, r)
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			return false
		case final(err):
			c.log.Warn("message not taken", "run", p.run, "environment", p.effect.Env, "listener", p.effect.Listener, "to", subject, "error", err)
			return true
		}
		c.log.Debug("message not delivered yet", "run", p.run, "environment", p.effect.Env, "to", subject, "error", err)
		if sleep(ctx, pause) != nil {
			return false
		}
	}
}

func (c *courier) try(ctx context.Context, subject string, r wire.Request) error {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	free := sync.OnceFunc(func() { <-c.slots })
	defer free()
	defer time.AfterFunc(slotTime, free).Stop()
	ctx, cancel := context.WithTimeout(ctx, deliverTime)
	defer cancel()
	_, err := wire.Ask(ctx, c.nc, subject, r)
	return err
}

// final reports whether trying again is of no use: the receiver was reached and is not there, or had its try.
func final(err error) bool {
	for _, later := range []error{
		wire.ErrNobody, wire.ErrCrowded, wire.ErrStopped, wire.ErrUnavailable, wire.ErrDeadline, context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, later) {
			return false
		}
	}
	return true
}

// wait returns when nothing is on its way any more, after the contexts have ended.
func (c *courier) wait() { c.done.Wait() }
