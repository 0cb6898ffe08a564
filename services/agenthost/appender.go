package agenthost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// appender appends records to the run log without making their writers wait for each, and appends again what the broker did
// not acknowledge. A record may so be in the log twice; the fold counts it once.
//
// The broker syncs before it acknowledges, which takes about as long as everything else it does for a record. So what gathers
// while it syncs goes to it as one batch, for which it syncs once: the more there is to write, the fewer syncs it takes.
//
// A record has a place, and room for its bytes, from its appending to its acknowledgement, however often it is sent; who
// finds none free waits. So what waits here is bounded, and nothing here waits for itself.
type appender struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	log     *slog.Logger
	places  chan struct{}
	bytes   *gate
	waiting chan *nats.Msg // as many places as places
	quit    chan struct{}
	stop    chan struct{}
	done    sync.WaitGroup
}

const (
	maxUnacked      = 1024     // records
	maxUnackedBytes = 64 << 20 // and their bytes
	maxBatch        = 64       // records that go to the broker together
	maxBatchBytes   = 4 << 20  // and their bytes, but for one that is larger
	ackTimeout      = 5 * time.Second
	retryPause      = 250 * time.Millisecond // before records are sent again
	tellStalled     = 5 * time.Second        // between two words on records that are not stored
	drainWait       = 1500 * time.Millisecond
)

func newAppender(nc *nats.Conn, log *slog.Logger) (*appender, error) {
	a := &appender{
		nc: nc, log: log, places: make(chan struct{}, maxUnacked), bytes: newGate(maxUnackedBytes), waiting: make(chan *nats.Msg, maxUnacked),
		quit: make(chan struct{}), stop: make(chan struct{}),
	}
	var err error
	if a.js, err = jetstream.New(nc); err != nil {
		return nil, fmt.Errorf("agenthost: jetstream: %w", err)
	}
	a.done.Go(a.write)
	return a, nil
}

// append has a record written, after waiting for a place. After hurry it drops what finds none.
func (a *appender) append(subject string, data []byte) {
	if n := int64(len(data)); a.bytes.take(a.quit, n, n) == 0 {
		return
	}
	select {
	case a.places <- struct{}{}:
		a.waiting <- &nats.Msg{Subject: subject, Data: data}
	case <-a.quit:
	}
}

// write sends what waits, all of it together that may go together, until close.
func (a *appender) write() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a.done.Go(func() {
		<-a.stop
		cancel()
	})
	var next *nats.Msg // taken already, and too large for the batch before
	for {
		if next == nil {
			select {
			case next = <-a.waiting:
			case <-a.stop:
				return
			}
		}
		var batch []*nats.Msg
		batch, next = a.gather(next)
		if !a.store(ctx, batch) {
			return
		}
		for _, m := range batch {
			a.bytes.give(int64(len(m.Data)))
			<-a.places
		}
	}
}

// gather adds to a record those that wait behind it, as far as they fit with it into a batch, and returns the first that does
// not.
func (a *appender) gather(first *nats.Msg) (batch []*nats.Msg, left *nats.Msg) {
	batch = append(batch, first)
	size := len(first.Data)
	for len(batch) < maxBatch {
		select {
		case m := <-a.waiting:
			if size += len(m.Data); size > maxBatchBytes {
				return batch, m
			}
			batch = append(batch, m)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// store sends records until they are acknowledged, or ctx is done and it reports false.
func (a *appender) store(ctx context.Context, batch []*nats.Msg) bool {
	first, said := time.Now(), time.Time{}
	for {
		begun := time.Now()
		err := a.try(ctx, batch)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if !errors.Is(err, bus.ErrBatchBusy) && time.Since(said) >= tellStalled { // many hosts write at once, which is nothing to tell
			said = time.Now()
			a.log.Warn("append to the run log failed, trying again", "records", len(batch), "subject", batch[0].Subject, "error", err)
			if time.Since(first) >= ackTimeout {
				a.tell(ctx, err)
			}
		}
		select {
		case <-time.After(retryPause - time.Since(begun)): // at once if it was sent long ago
		case <-ctx.Done():
			return false
		}
	}
}

// tell lets the coordinator know that nothing is stored, so that it can say why runs wait. It is told again while that lasts, so
// that it is not heard now and then does not matter.
func (a *appender) tell(ctx context.Context, why error) {
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	if !a.nc.IsConnected() {
		return
	}
	if err := control.Ask(ctx, a.nc, control.Trouble, runlog.Trouble{From: "agent host", Reason: why.Error()}, nil); err != nil {
		a.log.Debug("coordinator not told that nothing is stored", "error", err)
	}
}

// try sends records once. An acknowledgement that is due when the connection is lost never comes, so it is not waited for.
func (a *appender) try(ctx context.Context, batch []*nats.Msg) error {
	ctx, end := a.whileConnected(ctx)
	defer end()
	if len(batch) == 1 {
		_, err := a.js.PublishMsg(ctx, batch[0], jetstream.WithExpectStream(subjects.StreamLog))
		return err
	}
	_, err := bus.PublishBatch(ctx, a.nc, batch)
	return err
}

// whileConnected returns a context that ends with ctx, after the time that an acknowledgement may take, or when the
// connection is lost. It waits for the connection first: what is sent without one would go out later, whoever waits for it.
func (a *appender) whileConnected(ctx context.Context) (context.Context, context.CancelFunc) {
	changed := a.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.CLOSED)
	for !a.nc.IsConnected() && !a.nc.IsClosed() && ctx.Err() == nil {
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	out, cancel := context.WithTimeout(ctx, ackTimeout)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer cancel()
		for a.nc.IsConnected() {
			select {
			case now := <-changed:
				if now != nats.CONNECTED { // even where it is back already
					return
				}
			case <-out.Done():
				return
			}
		}
	}()
	return out, func() {
		cancel()
		<-ended
		a.nc.RemoveStatusListener(changed)
	}
}

// hurry ends the waiting for places: nothing more is taken that does not find one free.
func (a *appender) hurry() { close(a.quit) }

// close waits a little until everything is acknowledged, and ends. Nobody appends any more.
func (a *appender) close(ctx context.Context, connected bool) {
	ctx, cancel := context.WithTimeout(ctx, drainWait)
	defer cancel()
	for range cap(a.places) {
		if !connected {
			break
		}
		select {
		case a.places <- struct{}{}:
		case <-ctx.Done():
			connected = false
		}
	}
	close(a.stop)
	a.done.Wait()
}
