package hosts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// beats is where the bucket is written.
const beats = "$KV." + subjects.BucketHosts + "."

// probes is how often an observer proves in a TTL that it hears.
const probes = 12

// Observer hears the beats of all hosts and decides who lives.
//
// It hears them as they are written: reading the bucket would add what the broker does by itself, such as to expire entries
// by its wall clock or to forget them all when it restarts, which proves nothing. That it would have heard a beat it proves by
// asking the broker for an answer, which comes behind everything that was written before. Where that takes too long, because
// the connection, the broker or this very process stood still, silence counts anew.
type Observer struct {
	nc      *nats.Conn
	log     *slog.Logger
	changed func()
	heard   chan *nats.Msg
	sub     *nats.Subscription
	cancel  context.CancelFunc
	done    sync.WaitGroup

	proved     time.Time // when it last proved that it hears
	reconnects uint64    // of the connection, then

	mu       sync.Mutex
	register *register
	view     *View // nil: to be made
}

// Observe begins to listen, reads who is on the register, and asks all hosts for a beat. Hosts that are silent for ttl are dead. changed is called on the
// observer's goroutine whenever it is not the same hosts any more that live or drain; it must not wait for the observer. The
// caller closes it, before the connection.
func Observe(ctx context.Context, nc *nats.Conn, log *slog.Logger, ttl time.Duration, changed func()) (*Observer, error) {
	now := time.Now()
	o := &Observer{
		nc: nc, log: log, changed: changed, heard: make(chan *nats.Msg, 1<<14), proved: now, reconnects: nc.Stats().Reconnects,
		register: newRegister(ttl, now),
	}
	var err error
	if o.sub, err = nc.ChanSubscribe(beats+">", o.heard); err != nil {
		return nil, fmt.Errorf("hosts: listen: %w", err)
	}
	if err := o.expect(ctx); err != nil {
		return nil, errors.Join(err, o.sub.Unsubscribe())
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	o.cancel = cancel
	o.ask()
	o.done.Go(func() { o.work(run, ttl) })
	return o, nil
}

// expect reads from the register who should be heard.
func (o *Observer) expect(ctx context.Context) error {
	js, err := jetstream.New(o.nc)
	if err != nil {
		return fmt.Errorf("hosts: jetstream: %w", err)
	}
	kv, err := js.KeyValue(ctx, subjects.BucketHosts)
	if err != nil {
		return fmt.Errorf("hosts: bucket %s: %w", subjects.BucketHosts, err)
	}
	list, err := List(ctx, kv)
	if err != nil {
		return err
	}
	o.register.expected = map[string]string{}
	for _, b := range list {
		o.register.expected[b.Incarnation] = b.ID
	}
	return nil
}

// Close ends the listening and waits for the goroutine of the observer.
func (o *Observer) Close() {
	o.cancel()
	_ = o.sub.Unsubscribe() // fails only when the connection is gone
	o.done.Wait()
}

// View is who lives now. It may be called by any goroutine.
func (o *Observer) View() *View {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.view == nil {
		o.view = o.register.view()
	}
	return o.view
}

func (o *Observer) work(ctx context.Context, ttl time.Duration) {
	t := time.NewTicker(ttl / probes)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-o.heard:
			o.note(m)
		case <-t.C:
			o.probe(ctx, ttl)
		}
	}
}

// note takes in a message to the bucket.
func (o *Observer) note(m *nats.Msg) {
	key := strings.TrimPrefix(m.Subject, beats)
	b, ok := decode(key, m.Data)
	incarnation, err := subjects.Decode(key)
	o.tell(func(r *register) bool {
		switch {
		case ok:
			return r.hear(b, time.Now())
		case err == nil && m.Header.Get("KV-Operation") != "": // it was deleted or purged
			return r.leave(incarnation, time.Now())
		}
		return false
	})
}

// Hear takes in a beat that a host has given in answer to something, so that it counts at once.
func (o *Observer) Hear(b Beat) {
	o.tell(func(r *register) bool { return r.hear(b, time.Now()) })
}

// tell changes the register, and tells whoever wants to know.
func (o *Observer) tell(change func(*register) bool) {
	o.mu.Lock()
	changed := change(o.register)
	o.view = nil
	o.mu.Unlock()
	if changed {
		o.changed()
	}
}

// probe proves that all beats up to now were heard, and then judges.
func (o *Observer) probe(ctx context.Context, ttl time.Duration) {
	if !o.nc.IsConnected() {
		return
	}
	answer, cancel := context.WithTimeout(ctx, ttl/2)
	err := o.nc.FlushWithContext(answer)
	cancel()
	if err != nil {
		return // the gap shows next time
	}
	for len(o.heard) > 0 { // what the broker sent before its answer is here
		o.note(<-o.heard)
	}
	now, reconnects := time.Now(), o.nc.Stats().Reconnects
	if gap := now.Sub(o.proved); gap > ttl/2 || reconnects != o.reconnects {
		o.log.Info("beats of hosts may have been missed; silence counts anew", "gap", gap)
		o.tell(func(r *register) bool {
			r.deaf(now)
			return false
		})
		o.ask()
	}
	o.proved, o.reconnects = now, reconnects
	o.tell(func(r *register) bool { return r.judge(now) })
}

// ask has every host put a beat at once, so that nobody waits for the next one.
func (o *Observer) ask() {
	if err := o.nc.Publish(AnnounceSubject(), nil); err != nil {
		o.log.Warn("hosts not asked for a beat", "error", err)
	}
}
