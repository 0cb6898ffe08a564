package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// The plain design: a NATS request for each call, to a queue of services that make one HTTP call each and respond.

const (
	plainSubject = "bench.plain.call"
	plainUp      = "the plain responder is up\n"
)

// call is a request of the plain design.
type call struct {
	Agent    uint64    `json:"agent"`
	Messages []message `json:"messages"`
}

// respond answers calls until ctx ends: in the handler that the library calls, one at a time; or with places above 0 in
// a goroutine each, so many at a time.
func respond(ctx context.Context, nc *nats.Conn, l *Load, up io.Writer) error {
	d := newDirect(l.Servers, max(1, l.Places))
	defer d.close()
	answer := func(req micro.Request) {
		var c call
		err := json.Unmarshal(req.Data(), &c)
		var text string
		if err == nil {
			text, err = d.chat(ctx, c.Agent, c.Messages)
		}
		if err != nil {
			_ = req.Error("500", err.Error(), nil) // if this fails, the requester's time is over
			return
		}
		_ = req.Respond([]byte(text)) // the same
	}
	handler := answer
	var all sync.WaitGroup
	if l.Places > 0 {
		places := make(chan struct{}, l.Places)
		handler = func(req micro.Request) {
			places <- struct{}{}
			all.Go(func() {
				answer(req)
				<-places
			})
		}
	}
	service, err := micro.AddService(nc, micro.Config{
		Name: "plain", Version: "1.0.0", Endpoint: &micro.EndpointConfig{Subject: plainSubject, Handler: micro.HandlerFunc(handler)},
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		return fmt.Errorf("gateway: serve: %w", err)
	}
	if _, err := io.WriteString(up, plainUp); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	<-ctx.Done()
	err = service.Stop()
	all.Wait()
	return err
}

// plainWait bounds a call of the plain design.
const plainWait = time.Minute

// request plays a load with a request for each call, so many at a time.
func request(ctx, asking context.Context, nc *nats.Conn, l *Load, m *meter) {
	var all sync.WaitGroup
	defer all.Wait()
	say := l.question()
	one := func(agent uint64) error {
		data, err := json.Marshal(call{agent, conversation(say, agent)})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, plainWait)
		defer cancel()
		msg, err := nc.RequestWithContext(ctx, plainSubject, data)
		if err == nil && msg.Header.Get(micro.ErrorHeader) != "" {
			err = fmt.Errorf("the responder says: %s", msg.Header.Get(micro.ErrorHeader))
		}
		return err
	}
	for w := range l.InFlight {
		all.Go(func() {
			for agent := uint64(w) * 10_000_000; asking.Err() == nil; agent++ {
				m.sent.Add(1)
				if err := one(agent); err != nil {
					m.fail(1, err.Error())
					continue
				}
				m.answered.Add(1)
			}
		})
	}
}
