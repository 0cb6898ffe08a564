package actor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Times of the reading of a hub.
const (
	hubAPITimeout = 5 * time.Second
	hubHeartbeat  = 2 * time.Second
	hubForget     = 30 * time.Second       // the broker deletes a consumer nobody reads from
	hubForgetIn   = 500 * time.Millisecond // for us to do so
	hubPause      = 50 * time.Millisecond  // after a failure, and longer the more there are in a row
	hubLater      = 2 * time.Second
	hubAhead      = 512 // messages that are asked for at once
)

// errOver ends the following of a hub that was deleted.
var errOver = errors.New("the hub was deleted")

// follow takes the records of the hub's stream in order, and gives what is said to the participants, until the hub is deleted
// or ctx ends. Whatever goes wrong with a consumer, the next one goes on after the last record.
func (h *hub) follow(ctx context.Context) {
	next := h.begin + 1
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = hubPause, hubLater
	for {
		before := next
		err := h.session(ctx, &next)
		if errors.Is(err, errOver) || ctx.Err() != nil {
			return
		}
		if next > before {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		h.run.rt.log.Warn("hub not read, trying again", "run", h.run.name, "hub", h.name, "error", err, "in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// session reads with one consumer until something breaks. It never returns nil.
func (h *hub) session(ctx context.Context, next *uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cons, err := h.consumer(ctx, *next)
	if err != nil {
		return err
	}
	it, err := cons.Messages(jetstream.PullMaxMessages(hubAhead), jetstream.PullHeartbeat(hubHeartbeat), jetstream.PullExpiry(10*hubHeartbeat),
		jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return err
	}
	defer it.Stop()
	defer h.forget(ctx, cons.CachedInfo().Name)
	for at := uint64(1); ; at++ {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != at || meta.Sequence.Stream < *next {
			return fmt.Errorf("record %d of the consumer came as number %d", meta.Sequence.Consumer, at)
		}
		goesOn := h.take(meta.Sequence.Stream, m.Headers().Get(subjects.HeaderKind), subjects.Address(m.Headers().Get(subjects.HeaderSender)), m.Data())
		if !goesOn {
			if goesOn, err = h.reborn(ctx, cons, at); err != nil {
				return err
			}
		}
		*next = meta.Sequence.Stream + 1
		h.give(ctx)
		if !goesOn {
			return errOver
		}
		for h.full() {
			select {
			case <-h.more:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// reborn finds out whether there is another hub of the same name after the deletion that a consumer delivered as its record
// number at. Who was told that this host hears it must not be wrong: what makes a hub is in the stream before anybody asks a
// host to hear it, and who asks from now on waits.
func (h *hub) reborn(ctx context.Context, cons jetstream.Consumer, at uint64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, hubAPITimeout)
	defer cancel()
	info, err := cons.Info(ctx)
	if err != nil {
		return false, err
	}
	if info.NumPending == 0 && info.Delivered.Consumer <= at {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.over = true
		return false, nil
	}
	h.mu.Lock()
	h.ending = 0
	then := h.then
	h.then = nil
	h.mu.Unlock()
	for _, again := range then {
		again()
	}
	return true, nil
}

func (h *hub) consumer(ctx context.Context, from uint64) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, hubAPITimeout)
	defer cancel()
	return h.run.rt.js.CreateConsumer(ctx, subjects.StreamHub, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from, FilterSubject: subjects.HubSaid(h.run.name, h.name),
		AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: hubForget, MemoryStorage: true, Replicas: 1,
	})
}

// forget deletes a consumer. Where that fails the broker does it later.
func (h *hub) forget(ctx context.Context, name string) {
	if h.run.rt.nc.Status() != nats.CONNECTED {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hubForgetIn)
	defer cancel()
	_ = h.run.rt.js.DeleteConsumer(ctx, subjects.StreamHub, name) // see above
}
