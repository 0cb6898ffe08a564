package conformance

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const hello = "hello"

func checkReply(ctx context.Context, p *probe) *failure {
	got := p.ask(ctx, say(subjects.VerbReply, hello))
	if got.nobody {
		return fail(aMessage, "nobody listens on %s; is the agent's program running, and on this server?", p.target.Subject(subjects.VerbReply))
	}
	if got.came() {
		p.level = LevelJSON
	}
	if !got.answered() {
		return fail(aMessage, "%s", got)
	}
	return nil
}

// token is a text that is nowhere else.
func token() string { return "token " + rand.Text() }

func checkObserve(ctx context.Context, p *probe) *failure {
	text := token()
	if f := p.isMessage(ctx, say(subjects.VerbObserve, text)); f != nil {
		return f
	}
	if state, f := p.state(ctx); f == nil {
		p.shows = strings.Contains(state, text)
	}
	return nil
}

func checkState(ctx context.Context, p *probe) *failure {
	return p.unchanged(ctx, "reading it", func() *failure { return nil })
}

func checkInterview(ctx context.Context, p *probe) *failure {
	return p.unchanged(ctx, "an interview", func() *failure {
		return p.isMessage(ctx, say(subjects.VerbInterview, token()))
	})
}

func checkList(ctx context.Context, p *probe) *failure {
	return p.list(ctx, msg.JSON)
}

func (p *probe) list(ctx context.Context, e msg.Encoding) *failure {
	one, two := token(), token()
	both := []msg.Msg{{Content: msg.Text(one)}, {Name: "bob", Content: msg.Text(two)}}
	return first(
		func() *failure { return p.isMessage(ctx, ask{verb: subjects.VerbReply, encoding: e, list: both}) },
		func() *failure {
			state, f := p.state(ctx)
			if f == nil && p.shows && !(strings.Contains(state, one) && strings.Contains(state, two)) {
				f = fail("both messages in the state, which shows others", "%s", cut(state))
			}
			return f
		})
}

func checkNoMessage(ctx context.Context, p *probe) *failure {
	return first(
		func() *failure { return p.comes(ctx, ask{verb: subjects.VerbReply, encoding: msg.JSON}) },
		func() *failure { return p.comes(ctx, data(subjects.VerbReply, msg.JSON, "[]")) })
}

// comes asks and wants any answer.
func (p *probe) comes(ctx context.Context, a ask) *failure {
	if got := p.ask(ctx, a); !got.came() {
		return fail("a message or an error", "%s", got)
	}
	return nil
}

func checkUnicode(ctx context.Context, p *probe) *failure {
	text := token() + " Zoë 你好 שלום 🂡 e\u0301 <&> \" \\ \u0000 \u2028 𝟚"
	if f := p.isMessage(ctx, say(subjects.VerbObserve, text)); f != nil || !p.shows {
		return f
	}
	got := p.ask(ctx, ask{verb: subjects.VerbState, encoding: msg.JSON})
	if !got.answered() {
		return fail("the state", "%s", got)
	}
	var state any
	if err := got.msg.Content.Decode(&state); err != nil {
		return fail("a state that can be read", "%v", err)
	}
	if !holds(state, text) {
		return fail("a text in the state as it was sent: "+strconv.Quote(text), "%s", cut(strconv.Quote(got.msg.Content.String())))
	}
	return nil
}

// holds reports whether a text stands anywhere in a value read from JSON.
func holds(v any, text string) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, text)
	case []any:
		for _, e := range v {
			if holds(e, text) {
				return true
			}
		}
	case map[string]any:
		for k, e := range v {
			if strings.Contains(k, text) || holds(e, text) {
				return true
			}
		}
	}
	return false
}

func checkUnknownVerb(ctx context.Context, p *probe) *failure {
	return p.unchanged(ctx, "an unknown verb", func() *failure {
		return p.isError(ctx, say("dance", hello), "bad-request", `the verb "dance"`)
	})
}

func checkNoInbox(ctx context.Context, p *probe) *failure {
	text := token()
	for _, a := range []ask{
		say(subjects.VerbReply, hello), data(subjects.VerbReply, msg.JSON, "{"), say("dance", hello), say(subjects.VerbObserve, text),
	} {
		m, err := a.message(p.target)
		if err == nil {
			err = p.nc.PublishMsg(m)
		}
		if err != nil {
			return fail("a connection", "%v", err)
		}
	}
	// The state may be read while others wait for their turn; who has answered this has had the messages before it.
	if f := p.isMessage(ctx, say(subjects.VerbInterview, hello)); f != nil {
		return f
	}
	state, f := p.state(ctx)
	if f == nil && p.shows && !strings.Contains(state, text) {
		f = fail("what was told without an inbox in the state, which shows the rest", "%s", cut(state))
	}
	return f
}

func checkDeadline(ctx context.Context, p *probe) *failure {
	past := strconv.FormatInt(time.Now().Add(-time.Hour).UnixMilli(), 10)
	future := strconv.FormatInt(time.Now().Add(time.Hour).UnixMilli(), 10)
	return first(
		func() *failure {
			return p.unchanged(ctx, "a request that was late", func() *failure {
				return p.isError(ctx, say(subjects.VerbObserve, token()).with(subjects.HeaderDeadline, past), "deadline", "a deadline an hour ago")
			})
		},
		func() *failure {
			return p.isMessage(ctx, say(subjects.VerbObserve, token()).with(subjects.HeaderDeadline, future))
		})
}

func checkLarge(ctx context.Context, p *probe) *failure {
	a := say(subjects.VerbInterview, strings.Repeat("large ", p.large/6))
	a.patience = 2 * p.timeout // there is much to read
	got := p.ask(ctx, a)
	if errors.Is(got.broken, msg.ErrTooLarge) || !got.came() {
		return fail("a message or an error such as too-large", "%s", got)
	}
	return nil
}

func checkAlive(ctx context.Context, p *probe) *failure {
	return p.isMessage(ctx, say(subjects.VerbReply, hello))
}
