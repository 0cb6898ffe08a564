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
type appender struct {
	js    jetstream.JetStream
	log   *slog.Logger
	stop  chan struct{}
	retry chan *nats.Msg
	done  sync.WaitGroup
}

// Bounds of what is appended and not acknowledged yet; the producer waits beyond it.
const (
	maxUnacked = 1024
	stallWait  = time.Minute
	ackTimeout = 10 * time.Second
	retryPause = 250 * time.Millisecond
)

func newAppender(nc *nats.Conn, log *slog.Logger) (*appender, error) {
	a := &appender{log: log, stop: make(chan struct{}), retry: make(chan *nats.Msg, maxUnacked)}
	js, err := jetstream.New(nc,
		jetstream.WithPublishAsyncMaxPending(maxUnacked),
		jetstream.WithPublishAsyncTimeout(ackTimeout),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) {
			a.log.Warn("append to the run log failed, trying again", "subject", m.Subject, "error", err)
			a.later(m)
		}))
	if err != nil {
		return nil, fmt.Errorf("agenthost: jetstream: %w", err)
	}
	a.js = js
	a.done.Go(a.retryLoop)
	return a, nil
}

func (a *appender) append(subject string, data []byte) {
	a.publish(&nats.Msg{Subject: subject, Data: data})
}

func (a *appender) publish(m *nats.Msg) {
	m = &nats.Msg{Subject: m.Subject, Data: m.Data} // a retried message must not carry its old reply inbox
	if _, err := a.js.PublishMsgAsync(m, jetstream.WithExpectStream(subjects.StreamLog), jetstream.WithStallWait(stallWait)); err != nil {
		a.log.Warn("append to the run log failed, trying again", "subject", m.Subject, "error", err)
		a.later(m)
	}
}

// later queues a failed record. It must not block the client's callback for good, so a full queue waits for stop too.
func (a *appender) later(m *nats.Msg) {
	select {
	case a.retry <- m:
	case <-a.stop:
	}
}

func (a *appender) retryLoop() {
	for {
		select {
		case <-a.stop:
			return
		case m := <-a.retry:
			select {
			case <-a.stop:
				return
			case <-time.After(retryPause):
			}
			a.publish(m)
		}
	}
}

// close waits until everything is acknowledged or ctx is done, and ends.
func (a *appender) close(ctx context.Context) error {
	select {
	case <-a.js.PublishAsyncComplete():
	case <-ctx.Done():
	}
	close(a.stop)
	a.done.Wait()
	a.js.CleanupPublisher()
	return nil
}
