package agenthost

import (
	"context"
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
// batch whose proxy falls silent is handed back to be sent again.
type asker struct {
	nc     *nats.Conn
	log    *slog.Logger
	prefix string
	sub    *nats.Subscription
	lost   time.Duration

	id      atomic.Uint64
	mu      sync.Mutex
	pending map[uint64]*pendingCall
	queue   chan *nats.Msg
	stop    chan struct{}
	done    sync.WaitGroup
}

// replies is told what becomes of a request. Calls for one request never overlap.
type replies interface {
	result(r *llm.Result)
	// again says that the request was not (fully) answered and nobody works on it any more.
	again(why error)
	// tick is called every flush interval while the request is open.
	tick()
}

type pendingCall struct {
	mu    sync.Mutex // one result at a time, in order
	to    replies
	heard atomic.Int64 // unix nanoseconds of the last sign of life, at first of the asking
	over  bool

	acknowledged atomic.Bool // a proxy has said something about it
}

var (
	errProxyLost   = errors.New("the llmproxy fell silent")
	errNoProxy     = errors.New("no llmproxy is running")
	errProxyBusy   = errors.New("the llmproxy is busy")
	errProxyRefuse = errors.New("the llmproxy refused the request")
)

func newAsker(nc *nats.Conn, log *slog.Logger, cfg Config) (*asker, error) {
	a := &asker{
		nc: nc, log: log, prefix: nats.NewInbox() + ".", lost: cfg.Lost,
		pending: map[uint64]*pendingCall{}, queue: make(chan *nats.Msg, 1024), stop: make(chan struct{}),
	}
	sub, err := nc.Subscribe(a.prefix+"*", func(m *nats.Msg) {
		select {
		case a.queue <- m:
		case <-a.stop:
		}
	})
	if err != nil {
		return nil, fmt.Errorf("agenthost: subscribe to model results: %w", err)
	}
	// What arrives here is bounded by the calls in flight; a limit would drop results that were paid for.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("agenthost: subscribe to model results: %w", err)
	}
	a.sub = sub
	for range max(2, runtime.GOMAXPROCS(0)) {
		a.done.Go(a.work)
	}
	a.done.Go(func() { a.watch(cfg.Flush) })
	return a, nil
}

// send publishes a request and returns its id. The request's ID is set by send.
func (a *asker) send(subject string, req *llm.Request, to replies) error {
	id := a.id.Add(1)
	req.ID = id
	data, err := llm.EncodeRequest(req)
	if err != nil {
		return err
	}
	p := &pendingCall{to: to}
	p.heard.Store(time.Now().UnixNano())
	a.mu.Lock()
	a.pending[id] = p
	a.mu.Unlock()
	if err := a.nc.PublishRequest(subject, a.prefix+strconv.FormatUint(id, 36), data); err != nil {
		a.forget(id)
		return fmt.Errorf("agenthost: ask the model: %w", err)
	}
	return nil
}

func (a *asker) forget(id uint64) {
	a.mu.Lock()
	delete(a.pending, id)
	a.mu.Unlock()
}

func (a *asker) work() {
	for {
		select {
		case m := <-a.queue:
			a.deliver(m)
		case <-a.stop:
			return
		}
	}
}

func (a *asker) deliver(m *nats.Msg) {
	id, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, a.prefix), 36, 64)
	a.mu.Lock()
	p := a.pending[id]
	a.mu.Unlock()
	if err != nil || p == nil {
		return // a late answer to a request that was given up; its calls were sent again
	}
	p.heard.Store(time.Now().UnixNano())
	p.acknowledged.Store(true)
	if m.Header.Get("Status") == "503" {
		a.end(id, p, errNoProxy)
		return
	}
	r, err := llm.DecodeResult(m.Data)
	if err != nil {
		a.log.Error("model result dropped", "error", err)
		a.end(id, p, err)
		return
	}
	if r.Refused != "" {
		err := fmt.Errorf("%w: %s", errProxyRefuse, r.Refused)
		if r.Refused == llm.RefusedBusy {
			err = errProxyBusy
		}
		a.end(id, p, err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	if r.Done {
		p.over = true
		a.forget(id)
	}
	if len(r.Index) > 0 || r.Done {
		p.to.result(r)
	}
}

func (a *asker) end(id uint64, p *pendingCall, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.over = true
	a.forget(id)
	p.to.again(why)
}

// A request that was never acknowledged may wait its turn at a proxy that is alive and busy, so it gets more time.
const unheardFactor = 3

// watch hands back the requests of silent proxies and lets open ones flush what they have. While this host has not kept
// up with what it was sent, silence proves nothing: the sign of life may be in the queue.
func (a *asker) watch(every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	behind := true
	for {
		select {
		case <-a.stop:
			return
		case <-t.C:
		}
		waiting, _, err := a.sub.Pending()
		wasBehind := behind
		behind = err != nil || waiting+len(a.queue) > 0 || !a.nc.IsConnected()
		a.mu.Lock()
		open := make(map[uint64]*pendingCall, len(a.pending))
		for id, p := range a.pending {
			open[id] = p
		}
		a.mu.Unlock()
		now, lost := time.Now().UnixNano(), 0
		for id, p := range open {
			limit := a.lost
			if !p.acknowledged.Load() {
				limit *= unheardFactor
			}
			if !behind && !wasBehind && now-p.heard.Load() > int64(limit) {
				a.end(id, p, errProxyLost)
				lost++
				continue
			}
			p.mu.Lock()
			if !p.over {
				p.to.tick()
			}
			p.mu.Unlock()
		}
		if lost > 0 {
			a.log.Warn("an llmproxy fell silent; its calls go out again", "requests", lost)
		}
	}
}

// close ends the goroutines of the asker. Open requests are forgotten.
func (a *asker) close(context.Context) error {
	err := a.sub.Unsubscribe()
	close(a.stop)
	a.done.Wait()
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("agenthost: close: %w", err)
	}
	return nil
}
