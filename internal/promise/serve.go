package promise

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// serve handles a request on the subject of a placeholder: answers it if there is an outcome, else takes note of who asked.
func (p *Producer) serve(m *nats.Msg) {
	r, err := wire.Read(m)
	var run string
	var at place
	if err == nil {
		if run, at.incarnation, at.id, err = subjects.ParseTask(m.Subject); err != nil {
			err = fmt.Errorf("%w: %w", wire.ErrBadRequest, err)
		}
	}
	if err != nil {
		p.answer(m.Reply, r.Encoding, failed(err))
		return
	}
	if m.Header.Get(subjects.HeaderCancel) != "" {
		p.answer(m.Reply, r.Encoding, p.cancel(run, at))
		return
	}
	if o := p.ask(run, at, m.Reply, r.Encoding); o != nil {
		p.answer(m.Reply, r.Encoding, o)
	}
}

// ask returns the outcome of a promise, or nil when the reply will come later.
func (p *Producer) ask(run string, at place, reply string, e msg.Encoding) *outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, err := p.find(run, at)
	switch {
	case err != nil:
		return failed(err)
	case t.out != nil:
		return t.out
	case reply != "":
		if t.waiters == nil {
			t.waiters = map[string]msg.Encoding{}
		}
		t.waiters[reply] = e
	}
	return nil
}

// cancel ends a task and returns the answer to who wanted it ended: where the work goes on elsewhere, its promise.
func (p *Producer) cancel(run string, at place) *outcome {
	p.mu.Lock()
	t, err := p.find(run, at)
	var o *outcome
	if err == nil {
		o = t.out
	}
	p.mu.Unlock()
	switch {
	case err != nil:
		return failed(err)
	case o == nil:
		t.end(failed(wire.ErrCancelled), true)
	case o.next:
		return o
	}
	return made(msg.Msg{})
}

// find returns the task at a place. p.mu is held. The error says why there is none: wire.ErrProducerLost for one of a former
// life, wire.ErrExpired for one that was dropped, wire.ErrBadRequest for one that never was.
func (p *Producer) find(run string, at place) (*Task, error) {
	if t := p.tasks[at]; t != nil && t.run == run {
		return t, nil
	}
	if at.incarnation != p.incarnation {
		return nil, wire.ErrProducerLost
	}
	// An id begins with its number, so what was given out and is not held any more needs no list.
	number, _, ok := strings.Cut(at.id, "-")
	n, err := strconv.ParseUint(number, 36, 64)
	if !ok || err != nil || n == 0 || n > p.issued || p.tasks[at] != nil {
		return nil, fmt.Errorf("%w: no promise %.64q was made here in run %.64q", wire.ErrBadRequest, at.id, run)
	}
	return nil, wire.ErrExpired
}

// answer sends an outcome to one who waits. What is lost on the way is asked for again.
func (p *Producer) answer(reply string, e msg.Encoding, o *outcome) {
	if reply == "" {
		return
	}
	err := p.send(reply, e, o)
	if errors.Is(err, nats.ErrMaxPayload) {
		err = p.send(reply, e, failed(fmt.Errorf("%w: the answer: the broker carries %d bytes", wire.ErrTooLarge, p.nc.MaxPayload())))
	}
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		p.log.Warn("promises: an answer was not sent", "error", err)
	}
}

func (p *Producer) send(reply string, e msg.Encoding, o *outcome) error {
	failure := o.err
	if failure == nil {
		var data []byte
		if data, failure = o.payload(e); failure == nil {
			m := nats.NewMsg(reply)
			m.Header.Set(subjects.HeaderContentType, e.ContentType())
			m.Data = data
			return p.nc.PublishMsg(m)
		}
	}
	return wire.Answer(p.nc, &nats.Msg{Reply: reply}, e, p.incarnation, msg.Msg{}, failure)
}
