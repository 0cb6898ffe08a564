package conformance

import (
	"context"
	"crypto/rand"
	"reflect"
	"strings"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// numbered is a request with a text and a fresh id.
func numbered(verb, text string) ask {
	return say(verb, text).with(subjects.HeaderRequestID, rand.Text())
}

// same reports whether two answers are one outcome.
func same(a, b answer) bool {
	return a.code == b.code && a.text == b.text && reflect.DeepEqual(a.msg, b.msg)
}

func checkRequestID(ctx context.Context, p *probe) *failure {
	visible := false
	for _, verb := range []string{subjects.VerbReply, subjects.VerbObserve} {
		begin, f := p.state(ctx)
		if f != nil {
			return f
		}
		a := numbered(verb, token())
		once := p.ask(ctx, a)
		if !once.answered() {
			return fail(aMessage, "%s", once)
		}
		before, f := p.state(ctx)
		if f != nil {
			return f
		}
		if again := p.ask(ctx, a); !same(once, again) {
			return fail("the same answer to a "+verb+" with the same "+subjects.HeaderRequestID+": "+once.String(), "%s", other(once, again))
		}
		after, f := p.state(ctx)
		if f != nil {
			return f
		}
		if before != after {
			return fail("a "+verb+" with the same "+subjects.HeaderRequestID+" done once", "it was done twice: %s", difference(before, after))
		}
		visible = visible || begin != before || verb == subjects.VerbReply && (once.msg.ID != "" || !once.msg.Time.IsZero())
	}
	if !visible {
		return skip("neither the state nor the ids of answers tell whether something was done twice")
	}
	return nil
}

// other describes an answer that should have been like another.
func other(want, got answer) string {
	if want.String() == got.String() {
		return got.String() + ", with another id, time or metadata"
	}
	return got.String()
}

func checkRequestIDAtOnce(ctx context.Context, p *probe) *failure {
	text := token()
	a := numbered(subjects.VerbReply, text)
	var under [3]*asking
	for i := range under {
		var err error
		if under[i], err = p.send(a); err != nil {
			return fail("a connection", "%v", err)
		}
	}
	once := p.wait(ctx, under[0], 0)
	for _, w := range under[1:] {
		if again := p.wait(ctx, w, 0); !once.came() || !same(once, again) {
			return fail("the same answer to all: "+once.String(), "%s", other(once, again))
		}
	}
	single := token()
	if f := p.isMessage(ctx, say(subjects.VerbReply, single)); f != nil {
		return f
	}
	state, f := p.state(ctx)
	if f == nil && p.shows && strings.Count(state, text) > strings.Count(state, single) {
		f = fail("one trace in the state", "%d for 3 requests with the same id, %d for one request", strings.Count(state, text), strings.Count(state, single))
	}
	return f
}

// inOrder is how many requests are sent without waiting.
const inOrder = 24

func checkOrder(ctx context.Context, p *probe) *failure {
	tokens := make([]string, inOrder)
	under := make([]*asking, inOrder)
	for i := range under {
		tokens[i] = token()
		text := tokens[i]
		if i%4 == 0 {
			text += strings.Repeat(" and more", 200) // takes longer to read
		}
		var err error
		if under[i], err = p.send(numbered(subjects.VerbReply, text)); err != nil {
			return fail("a connection", "%v", err)
		}
	}
	last := 0
	for i, w := range under {
		got := p.wait(ctx, w, 0)
		if !got.answered() {
			return fail(aMessage, "%s", got)
		}
		if got.order < last {
			return fail("answers in the order of the requests", "the answer to request %d of %d came before that to request %d", i+1, inOrder, i)
		}
		last = got.order
	}
	state, f := p.state(ctx)
	if f != nil || !p.shows {
		return f
	}
	at := -1
	for i, t := range tokens {
		next := strings.Index(state, t)
		if next < at {
			return fail("the messages in the state in the order of the requests", "message %d of %d stands before message %d, or is missing", i+1, inOrder, i)
		}
		at = next
	}
	return nil
}
