package conformance

import (
	"context"
	"strings"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// check is one rule of the protocol. Checks run in order: later ones use what earlier ones found out.
type check struct {
	Check
	run        func(ctx context.Context, p *probe) *failure
	afterwards bool // makes sense even when the agent has stopped answering
}

// Kinds of checks.
const (
	must         = "must"
	withMsgpack  = "msgpack"
	withPromises = "promises"
	withCall     = "call"
)

// Checks that look at all replies.
const (
	checkContentType = "content-type"
	checkErrors      = "errors"
	checkOneReply    = "one-reply"
)

// all are the checks in order.
var all = []check{
	{Check: Check{"reply", must, "a text is answered with a message"}, run: checkReply},
	{Check: Check{"observe", must, "what the agent is told is acknowledged"}, run: checkObserve},
	{Check: Check{"state", must, "the state can be read, and reading changes nothing"}, run: checkState},
	{Check: Check{"interview", must, "an interview is answered and leaves no trace"}, run: checkInterview},
	{Check: Check{"list", must, "one request may hold several messages"}, run: checkList},
	{Check: Check{"no-message", must, "a request without a message is answered, if only with an error"}, run: checkNoMessage},
	{Check: Check{"unicode", must, "texts of all languages arrive as they were sent"}, run: checkUnicode},
	{Check: Check{"unknown-fields", must, "later versions may add fields"}, run: checkUnknownFields},
	{Check: Check{"version", must, "a message of another version is refused by name, not misread"}, run: checkVersion},
	{Check: Check{"malformed", must, "what is no message is answered with bad-request, not with silence"}, run: checkMalformed},
	{Check: Check{"unknown-verb", must, "a verb of a later version is answered with bad-request"}, run: checkUnknownVerb},
	{Check: Check{"unknown-encoding", must, "an unknown Content-Type is answered with bad-request"}, run: checkUnknownEncoding},
	{Check: Check{"no-inbox", must, "a request that wants no answer is done, and does no harm"}, run: checkNoInbox},
	{Check: Check{"deadline", must, "what nobody waits for any more is not begun"}, run: checkDeadline},
	{Check: Check{"request-id", must, "a repeated request is done once, and answered as before"}, run: checkRequestID},
	{Check: Check{"request-id-at-once", must, "so is one that is repeated while the first is under way"}, run: checkRequestIDAtOnce},
	{Check: Check{"order", must, "one message at a time, in the order in which they came"}, run: checkOrder},
	{Check: Check{"msgpack", withMsgpack, "programs speak msgpack unless they are told otherwise"}, run: checkMsgpack},
	{Check: Check{"msgpack-list", withMsgpack, "one request may hold several messages"}, run: checkMsgpackList},
	{Check: Check{"msgpack-longer", withMsgpack, "later versions may add fields"}, run: checkMsgpackLonger},
	{Check: Check{"msgpack-version", withMsgpack, "a message of another version is refused by name, not misread"}, run: checkMsgpackVersion},
	{Check: Check{"msgpack-malformed", withMsgpack, "what is no message is answered with bad-request, not with silence"}, run: checkMsgpackMalformed},
	{Check: Check{"promise", withPromises, "a promised message is waited for before the agent sees it"}, run: checkPromise},
	{Check: Check{"promise-error", withPromises, "a promise that failed fails the request, with the same code"}, run: checkPromiseError},
	{Check: Check{"promise-lost", withPromises, "a promise that nobody keeps is producer-lost, not waited for"}, run: checkPromiseLost},
	{Check: Check{"call", withCall, "a call is answered at once with a promise, which holds what reply would say"}, run: checkCall},
	{Check: Check{"call-repeated", withCall, "a repeated call gives the same promise"}, run: checkCallRepeated},
	{Check: Check{"call-unknown", withCall, "who asks for a promise that never was gets an error, not silence"}, run: checkCallUnknown},
	{Check: Check{"call-alive", withCall, "who waits can tell a slow producer from a dead one"}, run: checkCallAlive},
	{Check: Check{"large", must, "a message as large as the broker carries is answered"}, run: checkLarge},
	{
		Check: Check{checkContentType, must, "every reply says how it is encoded, and has the encoding of its request"},
		run:   noted(checkContentType, "the header Content-Type and the encoding of the request"), afterwards: true,
	},
	{
		Check: Check{checkErrors, must, "programs read the code of an error, people its text"},
		run:   noted(checkErrors, "both headers, a code from the list, and a message with the text"), afterwards: true,
	},
	{
		Check: Check{checkOneReply, must, "a second reply to one request is lost, or taken for another's"},
		run:   noted(checkOneReply, "one reply to each request"), afterwards: true,
	},
	{Check: Check{"alive", must, "the agent has survived all of this"}, run: checkAlive, afterwards: true},
}

func noted(check, expected string) func(context.Context, *probe) *failure {
	return func(_ context.Context, p *probe) *failure {
		if bad := p.noted(check); bad != "" {
			return fail(expected, "%s", bad)
		}
		return nil
	}
}

const (
	aMessage   = "a message"
	badRequest = "the error bad-request"
)

// isMessage asks and wants a message.
func (p *probe) isMessage(ctx context.Context, a ask) *failure {
	if got := p.ask(ctx, a); !got.answered() {
		return fail(aMessage, "%s", got)
	}
	return nil
}

// isError asks and wants an error with a code.
func (p *probe) isError(ctx context.Context, a ask, code, about string) *failure {
	if got := p.ask(ctx, a); got.code != code {
		return fail("the error "+code+" for "+about, "%s", got)
	}
	return nil
}

// busy are keys of a state that tell how busy the agent is, not what it knows.
var busy = []string{"waiting", "handled"}

// state reads what the agent knows as text, in a form in which equal states are equal texts.
func (p *probe) state(ctx context.Context) (string, *failure) {
	got := p.ask(ctx, ask{verb: subjects.VerbState, encoding: msg.JSON})
	if !got.answered() {
		return "", fail("the state", "%s", got)
	}
	var known map[string]any
	if err := got.msg.Content.Decode(&known); err != nil || known == nil {
		return got.msg.Content.String(), nil // a text, or a list
	}
	for _, key := range busy {
		delete(known, key)
	}
	content, err := msg.Data(known)
	if err != nil {
		return "", fail("the state", "%v", err)
	}
	return content.String(), nil
}

// unchanged does something that must leave the state as it is.
func (p *probe) unchanged(ctx context.Context, by string, do func() *failure) *failure {
	before, f := p.state(ctx)
	if f != nil {
		return f
	}
	if f := do(); f != nil {
		return f
	}
	after, f := p.state(ctx)
	if f == nil && before != after {
		f = fail("the same state before and after "+by, "%s", difference(before, after))
	}
	return f
}

// difference shows where two texts begin to differ.
func difference(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	n = max(0, n-20)
	return "before …" + cut(strings.ToValidUTF8(a[n:], "")) + ", after …" + cut(strings.ToValidUTF8(b[n:], ""))
}
