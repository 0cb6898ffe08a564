package agenthost

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// appender appends records to the run log without waiting for each, and appends again what the broker did not
// acknowledge. A record may so be in the log twice; the fold counts it once.
//
// A record has a place, and room for its bytes, from its appending to its acknowledgement, however often it is sent; who
// finds none free waits. So neither channel below can be full for longer than the broker is slow, and nothing here waits for itself.
type appender struct {
	js     jetstream.JetStream
	log    *slog.Logger
	places chan struct{}
	bytes  *gate
	sent   chan record // as many places as places
	quit   chan struct{}
	stop   chan struct{}
	done   sync.WaitGroup
}

// record is one that was sent and is not acknowledged yet.
type record struct {
	subject string
	data    []byte
	at      time.Time              // of the sending
	ack     jetstream.PubAckFuture // nil where it could not be sent
}

const (
	maxUnacked      = 1024     // records
	maxUnackedBytes = 64 << 20 // and their bytes
	ackTimeout      = 10 * time.Second
	retryPause      = 250 * time.Millisecond // between two sendings of a record
	drainWait       = 1500 * time.Millisecond
)

func newAppender(nc *nats.Conn, log *slog.Logger) (*appender, error) {
	a := &appender{
		log: log, places: make(chan struct{}, maxUnacked), bytes: newGate(maxUnackedBytes), sent: make(chan record, maxUnacked),
		quit: make(chan struct{}), stop: make(chan struct{}),
	}
	var err error
	if a.js, err = jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(maxUnacked), jetstream.WithPublishAsyncTimeout(ackTimeout)); err != nil {
		return nil, fmt.Errorf("agenthost: jetstream: %w", err)
	}
	a.done.Go(a.settle)
	return a, nil
}

// append sends a record, after waiting for a place. After hurry it drops what finds none.
func (a *appender) append(subject string, data []byte) {
	if n := int64(len(data)); a.bytes.take(a.quit, n, n) == 0 {
		return
	}
	select {
	case a.places <- struct{}{}:
		a.sent <- a.send(subject, data)
	case <-a.quit:
	}
}

func (a *appender) send(subject string, data []byte) record {
	r := record{subject: subject, data: data, at: time.Now()}
	ack, err := a.js.PublishMsgAsync(&nats.Msg{Subject: subject, Data: data}, jetstream.WithExpectStream(subjects.StreamLog))
	if err != nil {
		a.log.Warn("record not sent, trying again", "subject", subject, "error", err)
		return r
	}
	r.ack = ack
	return r
}

// settle waits for acknowledgements in the order of the sendings, and sends again what has none.
func (a *appender) settle() {
	for {
		var r record
		select {
		case r = <-a.sent:
		case <-a.stop:
			return
		}
		if r.ack != nil {
			select {
			case <-r.ack.Ok():
				a.bytes.give(int64(len(r.data)))
				<-a.places
				continue
			case err := <-r.ack.Err():
				a.log.Warn("append to the run log failed, trying again", "subject", r.subject, "error", err)
			case <-a.stop:
				return
			}
		}
		select {
		case <-time.After(retryPause - time.Since(r.at)): // at once if it was sent long ago
		case <-a.stop:
			return
		}
		a.sent <- a.send(r.subject, r.data)
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
	a.js.CleanupPublisher()
}
