package conformance

import (
	"context"
	"crypto/rand"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func checkPromise(ctx context.Context, p *probe) *failure {
	text := token()
	got, f := p.keep(ctx, p.slow, msg.Msg{Name: "conformance", Content: msg.Text(text)}, nil)
	switch {
	case f != nil:
		return f
	case got.code == "bad-request" && !got.asked:
		return skip("the agent takes no promises, and says so: %s", cut(got.text))
	case !got.asked:
		return fail("a request for the promised message, or bad-request", "%s", got)
	case got.answered() && got.took < p.slow:
		return fail("an answer when the promised message exists", "an answer before")
	case !got.answered():
		return fail(aMessage+" after "+p.slow.String()+", when what was promised exists", "%s after %v", got, got.took.Round(time.Millisecond))
	}
	p.reads = true
	state, f := p.state(ctx)
	if f == nil && p.shows && !strings.Contains(state, text) {
		f = fail("the promised message in the state, which shows others", "%s", cut(state))
	}
	return f
}

// lostAfter is how long an agent may watch for signs of life.
const lostAfter = 2500 * time.Millisecond

func (p *probe) noPromises() *failure {
	if !p.reads {
		return skip("the agent takes no promises")
	}
	return nil
}

func checkPromiseError(ctx context.Context, p *probe) *failure {
	if f := p.noPromises(); f != nil {
		return f
	}
	got, f := p.keep(ctx, 0, msg.Msg{}, fmt.Errorf("%w: told so by the conformance check", wire.ErrExpired))
	if f == nil && got.code != "expired" {
		f = fail("the error of the promise, expired", "%s", got)
	}
	return f
}

func checkPromiseLost(ctx context.Context, p *probe) *failure {
	return first(p.noPromises, func() *failure {
		nobody := msg.Promise("nobody", msg.Placeholder{Run: p.target.Run, Producer: "nobody-" + rand.Text(), ID: "x"})
		a := ask{verb: subjects.VerbObserve, encoding: msg.JSON, list: []msg.Msg{nobody}, patience: p.timeout + lostAfter}
		return p.isError(ctx, a, "producer-lost", "a promise of a producer that is not there")
	})
}

// call asks for a promise. It skips agents that do not offer the verb.
func (p *probe) call(ctx context.Context, a ask) (msg.Msg, *failure) {
	got := p.ask(ctx, a)
	switch {
	case got.code == "bad-request" || got.code == "no-function":
		return msg.Msg{}, skip("the agent does not offer call, and says so: %s", cut(got.text))
	case !got.answered() || !got.msg.Pending():
		return msg.Msg{}, fail("a message with a placeholder, or bad-request", "%s", got)
	}
	return got.msg, nil
}

// maxHops is how often a promise may turn out to be another one.
const maxHops = 16

// resolve asks for what a promise stands for.
func (p *probe) resolve(ctx context.Context, m msg.Msg, e msg.Encoding) answer {
	got := answer{msg: m}
	for range maxHops {
		if !got.answered() || !got.msg.Pending() {
			return got
		}
		at := got.msg.Placeholder
		got = p.ask(ctx, ask{subject: subjects.Task(at.Run, at.Producer, at.ID), encoding: e})
	}
	return got
}

func checkCall(ctx context.Context, p *probe) *failure {
	promise, f := p.call(ctx, say(subjects.VerbCall, token()))
	if f != nil {
		return f
	}
	if promise.Placeholder.Run != p.target.Run {
		return fail("a placeholder of the run "+p.target.Run, "one of the run %s", promise.Placeholder.Run)
	}
	once := p.resolve(ctx, promise, msg.JSON)
	if !once.answered() || once.msg.Pending() {
		return fail("the promised message", "%s", once)
	}
	for _, e := range []msg.Encoding{msg.JSON, msg.Msgpack} {
		if e == msg.Msgpack && p.level != LevelFull {
			continue
		}
		if again := p.resolve(ctx, promise, e); !again.answered() || !reflect.DeepEqual(once.msg, again.msg) {
			return fail("the same message for everyone who asks: "+once.String(), "%s", other(once, again))
		}
	}
	return nil
}

func checkCallRepeated(ctx context.Context, p *probe) *failure {
	a := numbered(subjects.VerbCall, token())
	promise, f := p.call(ctx, a)
	if f != nil {
		return f
	}
	again, f := p.call(ctx, a)
	if f == nil && *promise.Placeholder != *again.Placeholder {
		f = fail("the placeholder of the first call, "+promise.Placeholder.ID, "another, %s", again.Placeholder.ID)
	}
	if f == nil {
		if got := p.resolve(ctx, again, msg.JSON); !got.answered() {
			f = fail("the promised message", "%s", got)
		}
	}
	return f
}

func checkCallUnknown(ctx context.Context, p *probe) *failure {
	promise, f := p.call(ctx, say(subjects.VerbCall, token()))
	if f != nil {
		return f
	}
	promise.Placeholder.ID = rand.Text()
	got := p.resolve(ctx, promise, msg.JSON)
	if got.code != "expired" && got.code != "bad-request" && got.code != "producer-lost" {
		return fail("the error expired or bad-request for an id that was never given out", "%s", got)
	}
	return nil
}

func checkCallAlive(ctx context.Context, p *probe) *failure {
	promise, f := p.call(ctx, say(subjects.VerbCall, token()))
	if f != nil {
		return f
	}
	var beats atomic.Int64
	enough := make(chan struct{})
	sub, err := p.nc.Subscribe(subjects.Alive(promise.Placeholder.Producer), func(*nats.Msg) {
		if beats.Add(1) == 2 {
			close(enough)
		}
	})
	if err != nil {
		return fail("a connection", "%v", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is gone
	late := time.NewTimer(5 * beat)
	defer late.Stop()
	select {
	case <-enough:
		return nil
	case <-late.C:
	case <-ctx.Done():
	}
	return fail("an empty message every 500 ms on "+subjects.Alive(promise.Placeholder.Producer), "%d in 2.5 s", beats.Load())
}
