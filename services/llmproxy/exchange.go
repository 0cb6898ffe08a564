package llmproxy

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/services/llmproxy/fleet"
)

// exchange is an accepted request until its last result is sent.
type exchange struct {
	svc     *Service
	id      uint64
	reply   string
	started time.Time
	entry   entry // the roll's

	// Set once, before the player gets it.
	run      string
	round    int
	purpose  uint8
	asks     []llm.Ask
	system   string   // of players that read; else ""
	body     llm.Body // the same; else the payload is not kept
	deadline int64    // the same: Unix milliseconds, 0: none
	budget   string   // the same: of llm.EncodeBudget
	series   *series

	mu   sync.Mutex // also orders what is published to reply: nothing follows Done
	left int        // calls without a published result
	over bool

	// What providers deliver waits under its own lock, so that they never wait for the bus.
	in        sync.Mutex
	waiting   []completion
	scheduled bool // a flush is in the queue
}

// completion is the end of one call.
type completion struct {
	index int
	fleet.Completion
}

// complete takes the result of one call, each call once. Results that come close together share a message: the flush
// waits its turn in the queue, and takes all there is by then.
func (x *exchange) complete(c completion) {
	x.in.Lock()
	defer x.in.Unlock()
	x.waiting = append(x.waiting, c)
	if !x.scheduled {
		x.scheduled = true
		x.svc.queue.push(x.flush)
	}
}

func (x *exchange) flush() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.in.Lock()
	list := x.waiting
	x.waiting, x.scheduled = nil, false
	x.in.Unlock()
	most := x.svc.mostText()
	b := newBatch(x)
	for _, apportioned := range []bool{false, true} { // of a whole result
		for _, c := range list {
			if c.Apportioned != apportioned {
				continue
			}
			if len(c.Text) > most {
				c.Err = fmt.Sprintf("the completion has %d bytes, a message carries %d", len(c.Text), most)
				c.Text = ""
			}
			if !b.fits(len(c.Text)+len(c.Err)) || b.res.Served != "" && c.Served != "" && b.res.Served != c.Served {
				b.publish()
			}
			b.add(c)
		}
		b.publish()
	}
}

// batch gathers completions of an exchange into results that stay under the limits of a chunk. The exchange's lock is
// held while it lives.
type batch struct {
	x     *exchange
	res   llm.Result
	bytes int
}

func newBatch(x *exchange) *batch { return &batch{x: x, res: llm.Result{ID: x.id}} }

func (b *batch) fits(bytes int) bool {
	return len(b.res.Index) == 0 || len(b.res.Index) < llm.ChunkCalls && b.bytes+bytes <= llm.ChunkBytes
}

func (b *batch) add(c completion) {
	r := &b.res
	at := uint32(len(r.Index)) //nolint:gosec // bounded by MaxCalls
	if c.Err != "" && r.Error == nil {
		r.Error = make([]string, at, at+1)
	}
	if r.Error != nil {
		r.Error = append(r.Error, c.Err)
	}
	if c.Shared != 0 && r.Shared == nil {
		r.Shared = make([]uint64, at, at+1)
	}
	if r.Shared != nil {
		r.Shared = append(r.Shared, c.Shared)
	}
	r.Index = append(r.Index, uint32(c.index))
	r.Text = append(r.Text, c.Text)
	r.TokensIn = append(r.TokensIn, c.TokensIn)
	r.TokensOut = append(r.TokensOut, c.TokensOut)
	r.Apportioned = c.Apportioned
	if c.Cut {
		r.Cut = append(r.Cut, at)
	}
	if c.Rejected {
		r.Rejected = append(r.Rejected, at)
	}
	r.Retries = append(r.Retries, uint8(min(c.Retries, math.MaxUint8)))
	if c.Served != "" {
		r.Served = c.Served
	}
	b.bytes += len(c.Text) + len(c.Err) + 24
}

// publish sends what was gathered and starts anew.
func (b *batch) publish() {
	if len(b.res.Index) > 0 {
		b.x.publish(&b.res)
	}
	b.res, b.bytes = llm.Result{ID: b.x.id}, 0
}

// publish counts a result and sends it, marked Done if it is the last. It is counted first: who has the answer finds the
// room that it gives. x.mu is held.
func (x *exchange) publish(r *llm.Result) {
	if x.over {
		return
	}
	n, failed := len(r.Index), 0
	for _, e := range r.Error {
		if e != "" {
			failed++
		}
	}
	r.Done = x.left == n
	x.settle(n, failed, total(r.TokensIn), total(r.TokensOut))
	x.svc.send(x.reply, r)
}

// settle counts n calls whose result is about to be sent; after the last the exchange is over. x.mu is held.
func (x *exchange) settle(n, failed int, in, out float64) {
	s := x.series
	s.answered.Add(float64(n - failed))
	s.failed.Add(float64(failed))
	s.tokensIn.Add(in)
	s.tokensOut.Add(out)
	s.inFlight.Sub(float64(n))
	x.left -= n
	if x.left > 0 {
		x.svc.roll.sent(x, n)
		return
	}
	x.over = true
	s.latency.Observe(time.Since(x.started).Seconds())
	x.svc.roll.drop(x)
}

func total(column []uint32) float64 {
	sum := uint64(0)
	for _, v := range column {
		sum += uint64(v)
	}
	return float64(sum)
}

// keepAlive tells the requester that its calls are still worked on.
func (x *exchange) keepAlive() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.over {
		x.svc.send(x.reply, &llm.Result{ID: x.id})
	}
}

// abandon publishes the results there are and gives up the rest; the requester is told to ask again.
func (x *exchange) abandon() { x.giveUp(llm.RefusedBusy) }

// giveUp publishes the results there are and gives up the rest, with the reason.
func (x *exchange) giveUp(why string) {
	x.flush()
	x.end(why)
}

// end gives up the calls without a result and says why: a reason of llm.Result.Refused.
func (x *exchange) end(why string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return
	}
	x.over = true
	if x.series != nil {
		x.series.inFlight.Sub(float64(x.left))
	}
	x.svc.roll.drop(x)
	x.svc.send(x.reply, &llm.Result{ID: x.id, Done: true, Refused: why})
}
