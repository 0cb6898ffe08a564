package promise

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Config bounds what a Producer keeps.
type Config struct {
	Keep      time.Duration // how long a result is kept after it exists
	KeepBytes int64         // the most bytes of all kept results together; the oldest are dropped first
}

// Producer keeps the promises of one life of a host. It is safe for concurrent use.
type Producer struct {
	nc          *nats.Conn
	log         *slog.Logger
	incarnation string
	cfg         Config

	mu     sync.Mutex
	subs   []*nats.Subscription // the own life first, then former ones
	tasks  map[place]*Task      // unfinished, or with a result that is kept
	kept   queue
	issued uint64 // how many ids were given out
	closed bool

	timers sync.WaitGroup // of deadlines
	done   chan struct{}
	beats  sync.WaitGroup
}

// place is where a promise is kept: a life of a host, and the promise's id there.
type place struct{ incarnation, id string }

// NewProducer starts to answer for the placeholders of an incarnation, which no other producer has, and to give signs of
// life for it. The caller closes it, before nc. The error is that of the connection.
func NewProducer(nc *nats.Conn, log *slog.Logger, incarnation string, cfg Config) (*Producer, error) {
	p := &Producer{
		nc: nc, log: log.With("incarnation", incarnation), incarnation: incarnation, cfg: cfg,
		tasks: map[place]*Task{}, done: make(chan struct{}),
	}
	if err := p.Adopt(incarnation); err != nil {
		return nil, err
	}
	p.sign("")
	lost := p.lost()
	p.beats.Go(func() { p.beat(lost) })
	return p, nil
}

// Begin makes a promise: a placeholder for others, and the task for who does the work. The task ends with
// wire.ErrDeadline if it is not finished when expires has passed; the zero time means never. The placeholder says that the
// message may be forgotten Config.Keep later. The error is wire.ErrStopped after Close, or wire.ErrBadRequest without a run.
func (p *Producer) Begin(run string, expires time.Time) (msg.Placeholder, *Task, error) {
	if run == "" {
		return msg.Placeholder{}, nil, fmt.Errorf("%w: a promise outside any run", wire.ErrBadRequest)
	}
	random := rand.Text()[:16]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return msg.Placeholder{}, nil, wire.ErrStopped
	}
	p.issued++
	id := strconv.FormatUint(p.issued, 36) + "-" + random
	t := &Task{p: p, at: place{p.incarnation, id}, run: run, cancelled: make(chan struct{})}
	p.tasks[t.at] = t
	out := msg.Placeholder{Run: run, Producer: p.incarnation, ID: id}
	if !expires.IsZero() {
		out.Expires = expires.Add(p.cfg.Keep)
		p.timers.Add(1)
		t.deadline = time.AfterFunc(time.Until(expires), func() {
			defer p.timers.Done()
			t.end(failed(wire.ErrDeadline), true)
		})
	}
	return out, t, nil
}

// Adopt answers for a former life of the host as well: with the results that Restore gave, which has to be done before,
// and with wire.ErrProducerLost for all else. The error is that of the connection.
func (p *Producer) Adopt(former string) error {
	sub, err := p.nc.Subscribe(subjects.AnyRunTask(former), p.serve)
	if err != nil {
		return fmt.Errorf("promise: %s: %w", former, err)
	}
	p.flush("be sure that holders find this host")
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.Join(wire.ErrStopped, sub.Unsubscribe())
	}
	p.subs = append(p.subs, sub)
	return nil
}

// Restore gives the outcome of a promise of a former life. It is kept as if it had been made now; once it is dropped, it is
// as unknown as others of that life.
func (p *Producer) Restore(run, incarnation, id string, out msg.Msg, err error) {
	o := made(out)
	if err != nil {
		o = failed(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := &Task{p: p, at: place{incarnation, id}, run: run, out: o, since: time.Now()}
	p.tasks[t.at] = t
	p.keep(t)
}

// Holds reports whether who asks for a promise gets its outcome, now or once there is one.
func (p *Producer) Holds(of msg.Placeholder) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.find(of.Run, place{of.Producer, of.ID})
	return err == nil
}

// Close ends all unfinished tasks with wire.ErrProducerLost, tells everybody that the host is gone, and forgets the
// results.
func (p *Producer) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	var open []*Task
	for _, t := range p.tasks {
		if t.out == nil {
			open = append(open, t)
		}
	}
	subs := p.subs
	p.mu.Unlock()

	close(p.done)
	p.beats.Wait()
	for _, t := range open {
		t.end(failed(wire.ErrProducerLost), true)
	}
	p.timers.Wait()
	// Whoever asks again when it hears "gone" must find nobody here, so listening ends first.
	for _, sub := range subs {
		if err := sub.Unsubscribe(); err != nil && !p.nc.IsClosed() {
			p.log.Warn("promises: cannot unsubscribe", "subject", sub.Subject, "error", err)
		}
	}
	p.sign(signGone)
	p.flush("tell that this host is gone")
}

// flush waits until the broker has what was sent, but not for a broker that is away: holders find out for themselves.
func (p *Producer) flush(why string) {
	if !p.nc.IsConnected() {
		return
	}
	if err := p.nc.FlushTimeout(flushWithin); err != nil {
		p.log.Warn("promises: cannot "+why, "error", err)
	}
}

const flushWithin = time.Second

// beat gives signs of life and drops old results until Close. lost is what p.lost said before.
func (p *Producer) beat(lost uint64) {
	tick := time.NewTicker(BeatEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case now := <-tick.C:
			p.mu.Lock()
			p.drop(now)
			p.mu.Unlock()
		}
		if !p.nc.IsConnected() {
			continue // signs would pile up and come all at once
		}
		if n := p.lost(); n != lost {
			lost = n
			p.sign(signBack)
			continue
		}
		p.sign("")
	}
}

// lost changes when requests or replies may have been lost.
func (p *Producer) lost() uint64 {
	n := p.nc.Stats().Reconnects
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, sub := range p.subs {
		if dropped, err := sub.Dropped(); err == nil {
			n += uint64(dropped) //nolint:gosec // a count
		}
	}
	return n
}

func (p *Producer) sign(what string) {
	err := p.nc.Publish(subjects.Alive(p.incarnation), []byte(what))
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		p.log.Warn("promises: no sign of life", "error", err)
	}
}
