package actor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// request is a message to an agent on its way through the host.
type request struct {
	rt     *Runtime
	to     *actor
	verb   string
	raw    *nats.Msg
	read   wire.Request
	key    key                     // with an id in it, if the request has one
	task   *promise.Task           // of a call
	taskID string                  // and of its placeholder
	cancel context.CancelCauseFunc // ends the work on it
}

// receive takes a request to an agent, on the goroutine of the subscription: that is what keeps the order.
func (rt *Runtime) receive(ctx context.Context, m *nats.Msg) {
	runName, _, name, verb, err := subjects.ParseCode(m.Subject)
	if err != nil {
		rt.answerRaw(m, fmt.Errorf("%w: %w", wire.ErrBadRequest, err))
		return
	}
	read, err := wire.Read(m)
	if err != nil {
		rt.answer(m, read.Encoding, msg.Msg{}, err)
		return
	}
	to, err := rt.find(runName, name)
	if err != nil {
		rt.answer(m, read.Encoding, msg.Msg{}, err)
		return
	}
	q := &request{rt: rt, to: to, verb: verb, raw: m, read: read}
	if err := q.check(); err != nil {
		q.reply(result{err: err})
		return
	}
	if verb == subjects.VerbState {
		q.describe()
		return
	}
	if err := rt.load.take(len(m.Data)); err != nil {
		q.reply(result{err: err})
		return
	}
	if read.ID != "" && verb != subjects.VerbInterview {
		q.key = key{runName, name, read.ID}
		if !q.first() {
			return
		}
	}
	q.accept(ctx)
}

// check refuses what would wait for itself, or comes too late.
func (q *request) check() error {
	if q.verb == subjects.VerbCall || q.verb == subjects.VerbState {
		return nil // nobody waits for it
	}
	if slices.Contains(q.read.Chain, q.to.address) {
		return fmt.Errorf("%w: %s waits for this %s", wire.ErrCycle, q.to.address, q.verb)
	}
	if d := q.read.Deadline; !d.IsZero() && time.Now().After(d) {
		return wire.ErrDeadline
	}
	return nil
}

// first reports whether a request with an id is new. If not, it is answered when the first one is, and takes room until then.
func (q *request) first() bool {
	join := func(r result) {
		q.rt.load.give(len(q.raw.Data))
		q.reply(r)
	}
	isNew, p := q.rt.outcomes.begin(q.key, join)
	if isNew {
		return true
	}
	if p == nil {
		return false
	}
	if q.verb == subjects.VerbCall && q.rt.producer.Holds(*p) {
		join(result{out: msg.Promise(q.to.name, *p)})
		return false
	}
	q.rt.outcomes.follow(q.key, join)
	return false
}

// accept gives the request, for which there is room, its place in the agent's mailbox.
func (q *request) accept(ctx context.Context) {
	deadline := q.read.Deadline
	if deadline.IsZero() || q.verb == subjects.VerbCall { // whoever calls waits for the promise until then, not for the answer
		deadline = time.Now().Add(q.rt.cfg.CallTimeout)
	}
	var promised msg.Placeholder
	if q.verb == subjects.VerbCall {
		var err error
		if promised, q.task, err = q.rt.producer.Begin(q.to.run.name, deadline); err != nil {
			q.rt.load.give(len(q.raw.Data))
			q.refuse(err)
			return
		}
		q.taskID = promised.ID
	} else if len(q.read.Chain) > 0 { // nobody waits for a call
		ctx = wire.WithChain(ctx, q.read.Chain)
	}
	work, cancel := context.WithCancelCause(ctx)
	work, end := context.WithDeadlineCause(work, deadline, wire.ErrDeadline)
	q.cancel = cancel
	in := newInputs(q.read.Msgs)
	over := func() {
		end()
		cancel(nil)
		q.rt.load.give(len(q.raw.Data))
	}
	start, err := q.to.put(item{stop: cancel, do: func() { q.handle(work, in, over) }})
	if err != nil {
		over()
		q.refuse(noAgent(q.rt.cfg.Host, q.to.run.name, q.to.name))
		return
	}
	if q.task != nil { // it has its place; all else can wait until the caller knows
		if q.key.id != "" {
			q.rt.outcomes.promised(q.key, promised)
		}
		q.rt.answer(q.raw, q.read.Encoding, msg.Promise(q.to.name, promised), nil)
	}
	in.resolve(work, q.rt)
	q.to.wake(start)
}

// refuse answers a request that got no place.
func (q *request) refuse(err error) {
	if q.task != nil {
		q.task.Finish(msg.Msg{}, err)
	}
	if q.key.id != "" {
		q.rt.outcomes.drop(q.key, err)
	}
	q.reply(result{err: err})
}

// reply answers the request itself. A repeated call whose outcome is known gets a promise that is kept already.
func (q *request) reply(r result) {
	if q.verb == subjects.VerbCall && r.err == nil && !r.out.Pending() {
		p, task, err := q.rt.producer.Begin(q.to.run.name, time.Now().Add(q.rt.cfg.Keep))
		if err == nil {
			task.Finish(r.out, nil)
			r.out = msg.Promise(q.to.name, p)
		}
		r.err = err
	}
	q.rt.answer(q.raw, q.read.Encoding, r.out, r.err)
}

// finish tells the outcome to whoever waits for it: holders of the promise, the sender, and those who sent the same again.
// kept says that it is the outcome of the request id, else the same request may come again.
func (q *request) finish(r result, kept bool) {
	stopped := errors.Is(r.err, wire.ErrStopped)
	switch {
	case q.task == nil:
		q.rt.answer(q.raw, q.read.Encoding, r.out, r.err)
	case !stopped: // of a host that stops the promises are lost, as the producer says when it ends
		q.task.Finish(r.out, r.err)
	}
	switch {
	case q.key.id == "":
	case kept:
		q.rt.outcomes.end(q.key, r)
	default:
		q.rt.outcomes.drop(q.key, r.err)
	}
}

// answer replies to a request, unless the log belongs to another program.
func (rt *Runtime) answer(m *nats.Msg, e msg.Encoding, out msg.Msg, failure error) {
	if rt.fenced.Load() {
		return
	}
	if failure != nil {
		if text := failure.Error(); len(text) > maxErrorText {
			failure = wire.FromCode(wire.Code(failure), shortText(failure))
		}
	}
	err := wire.Answer(rt.nc, m, e, rt.cfg.Host, out, failure)
	if errors.Is(err, nats.ErrMaxPayload) { // who asked must not wait for ever
		err = wire.Answer(rt.nc, m, e, rt.cfg.Host, msg.Msg{}, fmt.Errorf("%w: the answer: the broker carries %d bytes", wire.ErrTooLarge, rt.nc.MaxPayload()))
	}
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		rt.log.Warn("request not answered", "subject", m.Subject, "error", err)
	}
}

// answerRaw replies with an error to what has not been read.
func (rt *Runtime) answerRaw(m *nats.Msg, failure error) {
	e, err := msg.EncodingOf(m.Header.Get(subjects.HeaderContentType))
	if err != nil {
		e = msg.JSON
	}
	rt.answer(m, e, msg.Msg{}, failure)
}

// maxErrorText bounds the words of an error, in bytes: code may quote anything, and neither a record nor an answer holds
// everything.
const maxErrorText = 8 << 10

func shortText(err error) string {
	text := err.Error()
	if len(text) <= maxErrorText {
		return text
	}
	return strings.ToValidUTF8(text[:maxErrorText], "") + "…"
}
