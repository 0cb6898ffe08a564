package bench

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// What a round of the scenario sends for a shard of agents, as it was measured on the wire: one request to the model
// gateway, which names all of them and holds their prompts, and one record in the log with their answers.
const (
	shardAgents  = 1024
	requestBytes = 248 << 10
	recordBytes  = 28 << 10
)

// How long is sent to find a rate, and how much of it may be under way.
const (
	sendFor         = time.Second
	requestsOnWay   = 64
	recordsUnacked  = 1024
	embeddedTimeout = 2 * time.Minute
)

// embedded runs a measurement on a broker in this process, set up as every stack of Myriad is.
func embedded(ctx context.Context, data string, measure func(context.Context, *nats.Conn) (Figures, error)) (Figures, error) {
	ctx, cancel := context.WithTimeout(ctx, embeddedTimeout)
	defer cancel()
	server, err := bus.StartServer(ctx, bus.ServerConfig{DataDir: data, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	nc, err := server.Connect("myriad-bench")
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	return measure(ctx, nc)
}

// brokerRate sends requests from one end of a connection to the other, through the queue group that real ones go
// through, and nothing else is done with them.
func brokerRate(ctx context.Context, nc *nats.Conn) (Figures, error) {
	free := make(chan struct{}, requestsOnWay)
	sub, err := nc.QueueSubscribe(subjects.ChatAll(), subjects.ChatQueue, func(*nats.Msg) { <-free })
	if err != nil {
		return nil, fmt.Errorf("bench: subscribe: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection closes next
	place := func() error {
		select {
		case free <- struct{}{}:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	subject, data := subjects.Chat("bench"), make([]byte, requestBytes)
	began, sent := time.Now(), 0
	for ; time.Since(began) < sendFor; sent++ {
		if err := place(); err != nil {
			return nil, err
		}
		if err := nc.Publish(subject, data); err != nil {
			return nil, fmt.Errorf("bench: publish: %w", err)
		}
	}
	for range requestsOnWay { // as many places are free only when all have arrived
		if err := place(); err != nil {
			return nil, err
		}
	}
	return rate(sent, requestBytes, time.Since(began)), nil
}

// logRate appends records to the run log as a host does: without waiting for each, until the last is on disk and
// acknowledged.
func logRate(ctx context.Context, nc *nats.Conn) (Figures, error) {
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(recordsUnacked))
	if err != nil {
		return nil, fmt.Errorf("bench: jetstream: %w", err)
	}
	if err := bus.Provision(ctx, js, bus.Options{}); err != nil {
		return nil, err
	}
	data := make([]byte, recordBytes)
	var acks []jetstream.PubAckFuture
	began, settled := time.Now(), 0
	for time.Since(began) < sendFor {
		if len(acks)-settled == recordsUnacked {
			if err := acknowledged(ctx, acks[settled]); err != nil {
				return nil, err
			}
			settled++
		}
		ack, err := js.PublishAsync(subjects.LogAnswer("bench", len(acks)%shardAgents), data, jetstream.WithExpectStream(subjects.StreamLog))
		if err != nil {
			return nil, fmt.Errorf("bench: append: %w", err)
		}
		acks = append(acks, ack)
	}
	for _, ack := range acks[settled:] {
		if err := acknowledged(ctx, ack); err != nil {
			return nil, err
		}
	}
	return rate(len(acks), recordBytes, time.Since(began)), nil
}

func acknowledged(ctx context.Context, ack jetstream.PubAckFuture) error {
	select {
	case <-ack.Ok():
		return nil
	case err := <-ack.Err():
		return fmt.Errorf("bench: append: %w", err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// rate turns messages of a size in a time into figures. A message serves a whole shard.
func rate(messages, size int, took time.Duration) Figures {
	perSecond := float64(messages) / took.Seconds()
	return Figures{MessageRate: perSecond, ByteRate: perSecond * float64(size), AgentRate: perSecond * shardAgents}
}
