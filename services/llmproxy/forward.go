package llmproxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// forwarder passes through what is not chat, such as embeddings and images: a JSON object in, the server's bytes out. It
// does for one request what the fleet does for a million calls, with a goroutine each, so it takes few at a time. The HTTP
// client belongs to who made it.
type forwarder struct {
	nc     *nats.Conn
	log    *slog.Logger
	cfg    Config
	keys   keyring
	prices usage.Prices
	book   forwardBooks // set by start
	client *http.Client
	slots  chan struct{} // one for each request in progress

	sub     *nats.Subscription
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	seats    map[forwardPlace]*forwardSeat
	stopping bool
}

func newForwarder(nc *nats.Conn, log *slog.Logger, cfg Config, keys keyring, prices usage.Prices, client *http.Client) *forwarder {
	return &forwarder{
		nc: nc, log: log, cfg: cfg, keys: keys, prices: prices, client: client,
		slots: make(chan struct{}, cfg.Forwards), seats: map[forwardPlace]*forwardSeat{},
	}
}

// start subscribes. Requests are answered until stop; the book must outlive that. It does not wait until the broker knows.
func (f *forwarder) start(ctx context.Context, book *usage.Book) error {
	js, err := jetstream.New(f.nc)
	if err != nil {
		return fmt.Errorf("llmproxy: jetstream: %w", err)
	}
	kv, err := js.KeyValue(ctx, subjects.BucketUsage)
	if err != nil {
		return fmt.Errorf("llmproxy: bucket %s: %w", subjects.BucketUsage, err)
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.book, f.cancel = forwardBooks{book, kv}, cancel
	if f.sub, err = f.nc.QueueSubscribe(subjects.ForwardAll(), subjects.ChatQueue, func(m *nats.Msg) { f.receive(work, m) }); err != nil {
		return fmt.Errorf("llmproxy: subscribe: %w", err)
	}
	return nil
}

// stop takes no new requests, tells those in progress and those that had arrived to come again, and returns when every
// goroutine has ended. ctx bounds the talk with the broker only. A second call does nothing.
func (f *forwarder) stop(ctx context.Context) error {
	f.mu.Lock()
	again := f.stopping
	f.stopping = true
	f.mu.Unlock()
	if again {
		return nil
	}
	var err error
	if f.sub != nil {
		err = drain(ctx, f.nc, f.sub)
	}
	if f.cancel != nil {
		f.cancel()
	}
	f.running.Wait()
	return err
}

// receive takes a request if there is a place for it. It runs on the subscription's goroutine.
func (f *forwarder) receive(ctx context.Context, m *nats.Msg) {
	if m.Reply == "" {
		f.log.Warn("forward request without reply subject dropped", "subject", m.Subject)
		return
	}
	f.mu.Lock()
	stopping := f.stopping
	f.mu.Unlock()
	if stopping {
		f.refuse(m, errBusy)
		return
	}
	select {
	case f.slots <- struct{}{}:
		f.running.Go(func() {
			defer func() { <-f.slots }()
			f.handle(ctx, m)
		})
	default:
		f.refuse(m, errBusy)
	}
}

func (f *forwarder) handle(ctx context.Context, m *nats.Msg) {
	c, err := f.read(m.Subject, m.Data)
	if err != nil {
		f.refuse(m, err)
		return
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	got, err := f.deliver(limited, c)
	switch {
	case ctx.Err() != nil && err != nil:
		f.refuse(m, errBusy)
	case err != nil:
		f.log.Warn("forwarding failed", "run", c.run, "model", c.name, "path", c.path, "error", err)
		f.refuse(m, err)
	default:
		f.answer(m, got.Body, subjects.HeaderContentType, got.ContentType, subjects.HeaderServedBy, got.host)
	}
}

// most is the longest response that fits in a message beside its headers.
func (f *forwarder) most() int { return int(f.nc.MaxPayload()) - 4<<10 }

// refuse answers with an error: in a header, and as text in the content, so that a person with a command line sees it.
func (f *forwarder) refuse(m *nats.Msg, why error) {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(why.Error(), "")), " ")
	data, err := json.Marshal(map[string]string{"error": text})
	if err != nil {
		data = nil // a text can be written
	}
	f.answer(m, data, subjects.HeaderContentType, subjects.ContentJSON, subjects.HeaderError, text)
}

func (f *forwarder) answer(m *nats.Msg, data []byte, headers ...string) {
	out := nats.NewMsg(m.Reply)
	out.Data = data
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] != "" {
			out.Header.Set(headers[i], headers[i+1])
		}
	}
	if err := f.nc.PublishMsg(out); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		f.log.Error("forwarded response not sent", "subject", m.Subject, "bytes", len(data), "error", err)
	}
}
