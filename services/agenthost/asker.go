package agenthost

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/llm"
)

// asker sends batches of model calls and delivers their results. All batches of a host share one inbox subscription; a
// batch whose proxy falls silent is handed back to be sent again (watch.go).
type asker struct {
	nc     *nats.Conn
	log    *slog.Logger
	prefix string
	sub    *nats.Subscription
	lost   time.Duration
	began  time.Time

	id      atomic.Uint64
	bytes   *gate // of open requests
	mu      sync.Mutex
	pending map[uint64]*pendingCall
	later   []postponed
	queues  []chan incoming // one a worker: the results of a request stay in order
	stop    chan struct{}
	done    sync.WaitGroup
}

// replies is told what becomes of a request. Calls for one request never overlap and come in the order of the results.
type replies interface {
	result(r *llm.Result)
	// again says that the request was not (fully) answered and nobody works on it any more.
	again(why error)
	// tick is called every flush interval while the request is open.
	tick()
}

// incoming is a message for an open request.
type incoming struct {
	id  uint64
	msg *nats.Msg
}

type pendingCall struct {
	mu    sync.Mutex
	to    replies
	bytes int64        // of the request, given back when it is over
	heard atomic.Int64 // when there was a sign of life last, at first of the asking: nanoseconds since the asker began
	over  bool

	received atomic.Bool // a proxy has taken it
}

var (
	errProxyLost   = errors.New("the llmproxy fell silent")
	errProxyShort  = errors.New("the llmproxy said that it was done and was not")
	errProxyBroken = errors.New("the llmproxy's answer cannot be read")
	errProxyLeft   = errors.New("the llmproxy left the request")
	errProxyRefuse = errors.New("the llmproxy refused the request")
	errBudget      = errors.New("nothing is left to spend")

	// errUntaken: nobody has done anything about the request.
	errUntaken   = errors.New("nobody took the request")
	errNoProxy   = fmt.Errorf("%w: no llmproxy is running", errUntaken)
	errProxyBusy = fmt.Errorf("%w: the llmproxy is busy", errUntaken)
	errNotSent   = fmt.Errorf("%w: it could not be sent", errUntaken)
)

func newAsker(nc *nats.Conn, log *slog.Logger, cfg Config) (*asker, error) {
	a := &asker{
		nc: nc, log: log, prefix: nc.NewInbox() + ".", lost: cfg.Lost, began: time.Now(), bytes: newGate(cfg.InFlightBytes),
		pending: map[uint64]*pendingCall{}, stop: make(chan struct{}),
	}
	for range max(2, runtime.GOMAXPROCS(0)) {
		a.queues = append(a.queues, make(chan incoming, 1024))
	}
	sub, err := nc.Subscribe(a.prefix+"*", a.receive)
	if err != nil {
		return nil, fmt.Errorf("agenthost: subscribe to model results: %w", err)
	}
	// What arrives here is bounded by the calls in flight; a limit would drop results that were paid for.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("agenthost: subscribe to model results: %w", err)
	}
	a.sub = sub
	for _, q := range a.queues {
		a.done.Go(func() { a.work(q) })
	}
	a.done.Go(func() { a.watch(cfg.Flush) })
	return a, nil
}

// now is how long the asker has been there, in nanoseconds. The clock on the wall may jump, and would take every proxy for lost
// or none.
func (a *asker) now() int64 { return int64(time.Since(a.began)) }

// newID is an ID for a request.
func (a *asker) newID() uint64 { return a.id.Add(1) }

// send publishes an encoded request with an ID of newID; to is told what becomes of it. Its bytes have been taken from the
// gate, and are given back when it is over. Nothing of data is kept. Error: nats.ErrMaxPayload for a request that can never
// be sent, else errNotSent.
func (a *asker) send(subject string, id uint64, data []byte, to replies) error {
	p := &pendingCall{to: to, bytes: int64(len(data))}
	p.heard.Store(a.now())
	a.mu.Lock()
	a.pending[id] = p
	a.mu.Unlock()
	if err := a.nc.PublishRequest(subject, a.prefix+strconv.FormatUint(id, 36), data); err != nil {
		a.over(id, p)
		if errors.Is(err, nats.ErrMaxPayload) {
			return fmt.Errorf("a request of %d bytes: %w", len(data), err)
		}
		return fmt.Errorf("%w: %w", errNotSent, err)
	}
	return nil
}

// over forgets a request.
func (a *asker) over(id uint64, p *pendingCall) {
	a.mu.Lock()
	delete(a.pending, id)
	a.mu.Unlock()
	a.bytes.give(p.bytes)
}

func (a *asker) receive(m *nats.Msg) {
	id, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, a.prefix), 36, 64)
	if err != nil {
		return // not a reply to anything that was sent
	}
	select {
	case a.queues[id%uint64(len(a.queues))] <- incoming{id, m}:
	case <-a.stop:
	}
}

func (a *asker) work(queue chan incoming) {
	for {
		select {
		case m := <-queue:
			a.deliver(m.id, m.msg)
		case <-a.stop:
			return
		}
	}
}

func (a *asker) deliver(id uint64, m *nats.Msg) {
	a.mu.Lock()
	p := a.pending[id]
	a.mu.Unlock()
	if p == nil {
		return // a late answer to a request that was given up; its calls were sent again
	}
	p.heard.Store(a.now())
	if m.Header.Get("Status") == "503" {
		a.end(id, p, errNoProxy)
		return
	}
	r, err := llm.DecodeResult(m.Data)
	if err != nil {
		a.end(id, p, fmt.Errorf("%w: %w", errProxyBroken, err))
		return
	}
	if r.Refused != "" {
		a.end(id, p, refusal(r.Refused, p.received.Load()))
		return
	}
	p.received.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	if r.Done {
		p.over = true
		a.over(id, p)
	}
	if len(r.Index) > 0 || r.Done {
		p.to.result(r)
	}
}

// refusal is what a refused request means; received says that a proxy had taken it before.
func refusal(why string, received bool) error {
	switch {
	case strings.HasPrefix(why, llm.RefusedBudget):
		return fmt.Errorf("%w: %s", errBudget, strings.TrimPrefix(why, llm.RefusedBudget))
	case why != llm.RefusedBusy:
		return fmt.Errorf("%w: %s", errProxyRefuse, why)
	case received: // it may have made the calls
		return errProxyLeft
	}
	return errProxyBusy
}

func (a *asker) end(id uint64, p *pendingCall, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.over = true
	a.over(id, p)
	p.to.again(why)
}

// close ends the goroutines of the asker. Open requests are forgotten, and what was postponed does not happen.
func (a *asker) close() error {
	err := a.sub.Unsubscribe()
	close(a.stop)
	a.done.Wait()
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("agenthost: close: %w", err)
	}
	return nil
}
