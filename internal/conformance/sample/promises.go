package sample

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	beat   = 500 * time.Millisecond
	askIn  = time.Second             // of silence: ask again
	lostIn = 2500 * time.Millisecond // of silence: lost
)

// tasks are the promises that the agent has made.
type tasks struct {
	a        *Agent
	producer string
	sub      *nats.Subscription
	mu       sync.Mutex
	byID     map[string]*task
}

// task is one promise.
type task struct {
	of      *tasks
	done    *outcome
	given   bool
	waiting []*nats.Msg
}

func newTasks(a *Agent) (*tasks, error) {
	t := &tasks{a: a, producer: a.host + "." + rand.Text(), byID: map[string]*task{}}
	var err error
	if t.sub, err = a.nc.Subscribe(subjects.AnyRunTask(t.producer), t.receive); err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	a.wg.Go(func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			if !a.is(NoBeats) {
				_ = a.nc.Publish(subjects.Alive(t.producer), nil) // without a connection nobody listens
			}
			select {
			case <-tick.C:
			case <-a.over:
				return
			}
		}
	})
	return t, nil
}

func (t *tasks) begin(run string) (msg.Msg, *task) {
	if t.a.is(OtherRun) {
		run += "-2"
	}
	p := msg.Placeholder{Run: run, Producer: t.producer, ID: rand.Text()}
	one := &task{of: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byID[p.ID] = one
	return msg.Promise(t.a.name, p), one
}

// receive answers whoever asks for a promised message, now or when it is there.
func (t *tasks) receive(m *nats.Msg) {
	_, _, id, err := subjects.ParseTask(m.Subject)
	if err != nil {
		return
	}
	t.mu.Lock()
	one := t.byID[id]
	if one != nil && one.done == nil {
		one.waiting = append(one.waiting, m)
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	switch {
	case one != nil:
		one.give(m)
	case !t.a.is(SilentTasks):
		t.a.answer(m, encodingOf(m), outcome{err: &problem{"expired", "no such promise"}})
	}
}

func (o *task) finish(out outcome) {
	o.of.mu.Lock()
	o.done = &out
	waiting := o.waiting
	o.waiting = nil
	o.of.mu.Unlock()
	for _, m := range waiting {
		o.give(m)
	}
}

func (o *task) give(m *nats.Msg) {
	a := o.of.a
	o.of.mu.Lock()
	again := o.given
	o.given = true
	o.of.mu.Unlock()
	if a.is(NeverKeeps) || a.is(KeepsOnce) && again {
		return
	}
	a.answer(m, encodingOf(m), *o.done)
}

func encodingOf(m *nats.Msg) msg.Encoding {
	e, err := msg.EncodingOf(m.Header.Get(subjects.HeaderContentType))
	if err != nil {
		return msg.JSON
	}
	return e
}

// resolve replaces promises by what was promised.
func (a *Agent) resolve(list []msg.Msg) ([]msg.Msg, *problem) {
	out := make([]msg.Msg, len(list))
	for i, m := range list {
		for hops := 0; m.Pending() && !a.is(BlindToPromises); hops++ {
			if a.is(NoPromises) || a.is(JSONOnly) {
				return nil, bad("this agent takes no promises")
			}
			if hops == 100 {
				return nil, &problem{"cycle", "a promise of a promise of a promise …"}
			}
			var err *problem
			if m, err = a.await(*m.Placeholder); err != nil {
				if a.is(PromiseFailed) {
					err = &problem{"failed", err.text}
				}
				return nil, err
			}
		}
		out[i] = m
	}
	return out, nil
}

// await waits for a promised message as long as its producer shows signs of life.
func (a *Agent) await(p msg.Placeholder) (msg.Msg, *problem) {
	lost := &problem{"producer-lost", "lost: " + p.Producer + " is gone"}
	inbox := a.nc.NewInbox()
	replies, err1 := a.nc.SubscribeSync(inbox)
	beats, err2 := a.nc.SubscribeSync(subjects.Alive(p.Producer))
	if err := errors.Join(err1, err2); err != nil {
		return msg.Msg{}, &problem{"unavailable", err.Error()}
	}
	defer func() { _, _ = replies.Unsubscribe(), beats.Unsubscribe() }() // fail only when the connection is gone
	ask := func() { _ = a.nc.PublishRequest(subjects.Task(p.Run, p.Producer, p.ID), inbox, nil) }
	ask()
	heard, asked := time.Now(), time.Now()
	for !a.ended() {
		m, err := replies.NextMsg(10 * time.Millisecond)
		if err == nil {
			return readAnswer(m)
		}
		if errors.Is(err, nats.ErrNoResponders) && !a.is(WaitsForTheLost) {
			return msg.Msg{}, lost
		}
		if a.is(HastyHolder) {
			return msg.Msg{}, lost
		}
		if n, _, err := beats.Pending(); err == nil && n > 0 {
			_, _ = beats.NextMsg(time.Millisecond) // is there
			heard = time.Now()
		}
		if time.Since(heard) > lostIn && !a.is(WaitsForTheLost) {
			return msg.Msg{}, lost
		}
		if time.Since(heard) > askIn && time.Since(asked) > askIn {
			ask()
			asked = time.Now()
		}
	}
	return msg.Msg{}, &problem{"stopped", "stopping"}
}

func readAnswer(m *nats.Msg) (msg.Msg, *problem) {
	if text := m.Header.Get(subjects.HeaderError); text != "" {
		return msg.Msg{}, &problem{m.Header.Get(subjects.HeaderErrorCode), text}
	}
	if strings.TrimSpace(string(m.Data)) == "" {
		return msg.Msg{}, nil
	}
	out, err := encodingOf(m).Decode(m.Data)
	if err != nil {
		return msg.Msg{}, bad("%v", err)
	}
	return out, nil
}
