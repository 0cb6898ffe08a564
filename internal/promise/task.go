package promise

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// Task is the work on one promise. It is safe for concurrent use.
type Task struct {
	p         *Producer
	at        place
	run       string
	cancelled chan struct{} // nil if restored
	deadline  *time.Timer   // nil: none

	// The fields below belong to p.mu.
	waiters map[string]msg.Encoding // by the subject on which each wants its reply
	out     *outcome                // nil: not yet
	since   time.Time               // when out came to be
}

// Cancelled is closed when the task ended without Finish: a holder cancelled it, its time was over, or the producer was
// closed.
func (t *Task) Cancelled() <-chan struct{} { return t.cancelled }

// Finish answers all who wait with a message, which may be a promise itself, or with an error, and keeps it for those who
// come later. Only the first outcome of a task counts; one that ended by itself has one already. A message that cannot
// travel becomes an error: wire.ErrTooLarge, or wire.ErrFailed with the reason.
func (t *Task) Finish(out msg.Msg, err error) {
	if err != nil {
		t.end(failed(err), false)
		return
	}
	t.end(made(out), false)
}

// end gives a task its outcome, unless it has one. cancel says that whoever works on it should stop.
func (t *Task) end(o *outcome, cancel bool) {
	p := t.p
	p.mu.Lock()
	if t.out != nil {
		p.mu.Unlock()
		return
	}
	t.out, t.since = o, time.Now()
	waiters := t.waiters
	t.waiters = nil
	p.keep(t)
	p.mu.Unlock()
	if t.deadline != nil && t.deadline.Stop() {
		p.timers.Done()
	}
	if cancel {
		close(t.cancelled)
	}
	for reply, e := range waiters {
		p.answer(reply, e, o)
	}
}

// outcome is what became of a task. It does not change.
type outcome struct {
	data []byte // a message in msgpack, which is what nearly all ask for
	next bool   // the message is a promise
	err  error  // or an error, as it travels
}

// size is what keeping an outcome costs, in bytes.
func (o *outcome) size() int64 {
	const beside = 512 // the task, its id, and its place in a map
	n := len(o.data) + beside
	if o.err != nil {
		n += len(o.err.Error())
	}
	return int64(n)
}

// payload is the message in an encoding.
func (o *outcome) payload(e msg.Encoding) ([]byte, error) {
	if e == msg.Msgpack {
		return o.data, nil
	}
	m, err := msg.Msgpack.Decode(o.data)
	if err != nil {
		return nil, unfit(err)
	}
	data, err := e.Encode(m)
	if err != nil {
		return nil, unfit(err)
	}
	return data, nil
}

func made(m msg.Msg) *outcome {
	data, err := msg.Msgpack.Encode(m)
	if err != nil {
		return failed(unfit(err))
	}
	return &outcome{data: data, next: m.Pending()}
}

// failed is the outcome of an error: its code and text, without what else it may hold on to.
func failed(err error) *outcome {
	const most = 8 << 10 // bytes; an agent's error may quote anything, and headers are read by people
	text := err.Error()
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return &outcome{err: wire.FromCode(wire.Code(err), text)}
}

// unfit is the error of a message that cannot be encoded.
func unfit(err error) error {
	if errors.Is(err, msg.ErrTooLarge) {
		return fmt.Errorf("%w: the answer: %w", wire.ErrTooLarge, err)
	}
	return fmt.Errorf("%w: the answer cannot travel: %w", wire.ErrFailed, err)
}
