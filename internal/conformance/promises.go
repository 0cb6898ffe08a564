package conformance

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const beat = 500 * time.Millisecond

// promiser makes promises as a program would that hosts agents, and keeps one of them.
type promiser struct {
	nc       *nats.Conn
	run      string
	producer string
	sub      *nats.Subscription
	asked    chan *nats.Msg
	stop     context.CancelFunc
	beating  sync.WaitGroup
}

func newPromiser(ctx context.Context, p *probe) (*promiser, error) {
	m := &promiser{nc: p.nc, run: p.target.Run, producer: "conformance-" + rand.Text(), asked: make(chan *nats.Msg, 16)}
	var err error
	if m.sub, err = p.nc.ChanSubscribe(subjects.AnyRunTask(m.producer), m.asked); err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	ctx, m.stop = context.WithCancel(ctx)
	m.beating.Go(func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			_ = m.nc.Publish(subjects.Alive(m.producer), nil) // without a connection the check fails anyway
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return m, nil
}

func (m *promiser) close() {
	m.stop()
	m.beating.Wait()
	_ = m.sub.Unsubscribe() // fails only when the connection is gone
}

// promise is a message that the promiser owes.
func (m *promiser) promise() msg.Msg {
	return msg.Promise("conformance", msg.Placeholder{Run: m.run, Producer: m.producer, ID: rand.Text()})
}

// serve answers every request for the promise until ctx ends, the first ones after a while. It returns how many came.
func (m *promiser) serve(ctx context.Context, after time.Duration, out msg.Msg, failure error) (n int) {
	ready := time.NewTimer(after)
	defer ready.Stop()
	var open []*nats.Msg
	exists := false
	for {
		select {
		case one := <-m.asked:
			n++
			open = append(open, one)
		case <-ready.C:
			exists = true
		case <-ctx.Done():
			return n
		}
		if !exists {
			continue
		}
		for _, to := range open {
			e, err := msg.EncodingOf(to.Header.Get(subjects.HeaderContentType))
			if err != nil {
				failure = fmt.Errorf("%w: %w", wire.ErrBadRequest, err)
			}
			_ = wire.Answer(m.nc, to, e, "conformance", out, failure) // without a connection the check fails anyway
		}
		open = nil
	}
}

// kept is what an agent made of a promise.
type kept struct {
	answer
	took  time.Duration
	asked bool // it asked the producer
}

// keep tells the agent something by a promise, which is kept after a while.
func (p *probe) keep(ctx context.Context, after time.Duration, out msg.Msg, broken error) (kept, *failure) {
	m, err := newPromiser(ctx, p)
	if err != nil {
		return kept{}, fail("a connection", "%v", err)
	}
	defer m.close()
	serving, stop := context.WithCancel(ctx)
	defer stop()
	count := make(chan int, 1)
	m.beating.Go(func() { count <- m.serve(serving, after, out, broken) })
	begin := time.Now()
	got := p.ask(ctx, ask{
		verb: subjects.VerbObserve, encoding: msg.JSON, list: []msg.Msg{m.promise()}, patience: p.timeout + after,
	})
	took := time.Since(begin)
	stop()
	return kept{got, took, <-count > 0}, nil
}
