package gateway

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/semaphore"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/rng"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// host asks the gateway as agent hosts do: calls are written into requests, one inbox takes all results, and so many
// calls are open at most.
type host struct {
	nc     *nats.Conn
	m      *meter
	head   llm.Request
	prefix string
	sub    *nats.Subscription
	free   *semaphore.Weighted // places for calls; nil: no bound
	w      llm.RequestWriter
	say    question

	mu   sync.Mutex
	open map[uint64]*open
	id   uint64
}

// open is a request without its last result.
type open struct {
	sent time.Time
	seen []bool // calls that were answered
	left int
}

func newHost(nc *nats.Conn, l *Load, m *meter) (*host, error) {
	head, err := l.header()
	if err != nil {
		return nil, err
	}
	h := &host{nc: nc, m: m, head: head, prefix: nc.NewInbox() + ".", open: map[uint64]*open{}, say: l.question()}
	if l.Rate == 0 && l.InFlight > 0 {
		h.free = semaphore.NewWeighted(int64(l.InFlight))
	}
	if h.sub, err = nc.Subscribe(h.prefix+"*", h.receive); err == nil {
		err = h.sub.SetPendingLimits(-1, -1) // bounded by what is asked
	}
	if err != nil {
		return nil, fmt.Errorf("gateway: subscribe: %w", err)
	}
	return h, nil
}

// places waits for places for n more calls.
func (h *host) places(ctx context.Context, n int) error {
	if h.free == nil {
		return nil
	}
	return h.free.Acquire(ctx, int64(n))
}

// ended counts calls that have ended, which gives their places to others.
func (h *host) ended(n int) {
	if h.free != nil {
		h.free.Release(int64(n))
	}
}

// ask asks n agents, from one on, in a request. Their places were taken.
func (h *host) ask(agent uint64, n int) error {
	h.id++
	h.head.ID = h.id
	h.w.Reset(&h.head)
	for i := range uint64(n) {
		h.w.Begin(agent+i, 0)
		h.w.Content(h.say(h.w.Message(llm.RoleUser), agent+i))
		h.w.End(nil, nil)
	}
	data, err := h.w.Bytes()
	if err != nil {
		return err
	}
	h.m.sent.Add(int64(n))
	h.mu.Lock()
	h.open[h.id] = &open{sent: time.Now(), seen: make([]bool, n), left: n}
	h.mu.Unlock()
	if err := h.nc.PublishRequest(subjects.Chat("player"), h.prefix+strconv.FormatUint(h.id, 36), data); err != nil {
		return fmt.Errorf("gateway: publish: %w", err)
	}
	return nil
}

// receive takes a result. It runs on the goroutine of the subscription.
func (h *host) receive(msg *nats.Msg) {
	id, err := strconv.ParseUint(strings.TrimPrefix(msg.Subject, h.prefix), 36, 64)
	if err != nil {
		return // not a reply to anything that was sent
	}
	h.mu.Lock()
	o := h.open[id]
	h.mu.Unlock()
	var r *llm.Result
	if msg.Header.Get("Status") != "" {
		err = errNobody
	} else {
		r, err = llm.DecodeResult(msg.Data)
	}
	switch {
	case o == nil:
		if err == nil && len(r.Index) > 0 { // of a request that was done
			h.m.twice.Add(int64(len(r.Index)))
		}
	case err != nil:
		h.over(id, o, err.Error())
	default:
		h.take(o, r)
		if r.Done {
			h.over(id, o, "the request is done: "+r.Refused)
		}
	}
}

var errNobody = errors.New("no llmproxy is running")

// take counts the completions of a result.
func (h *host) take(o *open, r *llm.Result) {
	good, failed := 0, 0
	for i, at := range r.Index {
		switch {
		case int(at) >= len(o.seen) || o.seen[at]:
			h.m.twice.Add(1)
			continue
		case len(r.Error) > 0 && r.Error[i] != "":
			h.m.fail(1, r.Error[i])
			failed++
		default:
			good++
		}
		o.seen[at] = true
	}
	o.left -= good + failed
	h.ended(good + failed)
	h.m.answered.Add(int64(good))
	h.m.timed(o.sent, good)
}

// over forgets a request. Its calls without a result have failed, for a reason.
func (h *host) over(id uint64, o *open, why string) {
	if o.left > 0 {
		h.m.fail(o.left, why)
		h.ended(o.left)
	}
	h.mu.Lock()
	delete(h.open, id)
	h.mu.Unlock()
}

// none waits until no request is open.
func (h *host) none(ctx context.Context) error {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		h.mu.Lock()
		n := len(h.open)
		h.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("gateway: %d requests are open: %w", n, context.Cause(ctx))
		}
	}
}

// run plays a load through the gateway. Asking ends with asking; then all results are waited for.
func (h *host) run(ctx, asking context.Context, l *Load) error {
	agent, err := uint64(0), error(nil)
	ask := func() {
		if err = h.ask(agent, l.Request); err == nil {
			agent += uint64(l.Request)
		}
	}
	if l.Rate > 0 {
		going, end := context.WithCancel(asking)
		defer end()
		pace(going, l.Rate/float64(l.Request), func() {
			if ask(); err != nil {
				end()
			}
		})
	}
	for l.Rate == 0 && err == nil && h.places(asking, l.Request) == nil {
		ask()
	}
	if err != nil {
		return err
	}
	return h.none(ctx)
}

// rounds has the agents of all groups asked, round by round. Agents of a group share a system prompt. With one call in a
// request the groups come mixed.
func (h *host) rounds(ctx context.Context, l *Load) error {
	draw := rng.NewKey(1, "bench/gateway")
	prompts := make([]string, l.Groups)
	for g := range prompts {
		prompts[g] = persona(g)
	}
	for round := range l.Rounds {
		for n := range l.Groups * l.Agents / l.Request {
			g := n % l.Groups
			if l.Request == 1 {
				g = draw.IntN(l.Groups, uint64(n), uint32(round), 0, 0) //nolint:gosec // few rounds
			}
			h.head.System = prompts[g]
			if err := h.places(ctx, l.Request); err != nil {
				return err
			}
			if err := h.ask(uint64(n*l.Request), l.Request); err != nil {
				return err
			}
		}
		if err := h.none(ctx); err != nil {
			return err
		}
	}
	return nil
}
