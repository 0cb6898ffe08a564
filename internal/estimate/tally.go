package estimate

import (
	"cmp"
	"math"

	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

const (
	frameTokens = 4   // that a server puts around a message
	usualReply  = 100 // tokens of a reply, where the model may say as many
	repairBytes = 200 // that asking again adds beside the reply it is about
)

// tally is what some calls take. Amounts in tokens come from samples, so they are fractions until the end.
type tally struct {
	calls           uint64
	repairs         float64
	in, cached, out float64 // likely
	mostIn, mostOut float64 // as budgets set them aside
}

func (t *tally) add(u tally) {
	t.calls += u.calls
	t.repairs += u.repairs
	t.in += u.in
	t.cached += u.cached
	t.out += u.out
	t.mostIn += u.mostIn
	t.mostOut += u.mostOut
}

// scale makes the sum over samples one over all.
func (t *tally) scale(by float64) {
	t.repairs *= by
	t.in *= by
	t.cached *= by
	t.out *= by
	t.mostIn *= by
	t.mostOut *= by
}

// reply is the assumed number of tokens of a reply.
func (set Settings) reply(m *scenario.Model) float64 {
	n := cmp.Or(set.ReplyTokens, usualReply)
	if m.MaxTokens > 0 {
		n = min(n, m.MaxTokens)
	}
	return float64(n)
}

// call is what one agent's call for a question takes, with what it takes to mend its reply, as often as that is assumed.
// The first common bytes of the prompt are those of all count agents of the block.
func (e *estimator) call(m *scenario.Model, turn []ask, q, common, count int) tally {
	s, reply := turn[q].size, e.set.reply(m)
	tokens := func(bytes, messages int) float64 {
		return float64(bytes)/e.set.BytesPerToken + float64(frameTokens*messages)
	}
	t := tally{repairs: e.set.Repairs, out: reply}
	t.in = tokens(s.bytes, s.messages) + reply*float64(s.replies)
	t.cached = float64(common) / e.set.BytesPerToken * float64(count-1) / float64(count) // somebody is the first
	if q > 0 {                                                                           // the conversation so far is that of the question before
		before := turn[q-1].size
		t.cached = max(t.cached, tokens(before.bytes, before.messages)+reply*float64(before.replies+1))
	}
	longest := func(n int) int { return n * int(math.Ceil(float64(m.MaxTokens)*e.set.BytesPerToken)) }
	most := func(bytes, messages int) float64 { return float64(usage.Upper(bytes+s.parts, messages, 0)) }
	t.mostIn = most(s.bytes+longest(s.replies), s.messages)
	t.mostOut = float64(m.MaxTokens)
	if r := e.set.Repairs; r > 0 { // the same prompt again, then the reply and what was wrong with it
		t.in += r * (tokens(s.bytes+repairBytes, s.messages+2) + reply*float64(s.replies+1))
		t.cached += r * (tokens(s.bytes, s.messages) + reply*float64(s.replies))
		t.out += r * reply
		t.mostIn += r * most(s.bytes+longest(s.replies+1)+repairBytes, s.messages+2)
		t.mostOut += r * float64(m.MaxTokens)
	}
	return t
}

// seconds is how long one endpoint is busy with a tally; 0 if its throughput is not known.
func (set Settings) seconds(t tally) float64 {
	switch {
	case set.TokensPerSecond > 0:
		return t.out / set.TokensPerSecond
	case set.CallsPerSecond > 0:
		return (float64(t.calls) + t.repairs) / set.CallsPerSecond
	}
	return 0
}

// whole rounds up, but for what only looks like a fraction after so many additions.
func whole(f float64) uint64 { return uint64(math.Ceil(f - 1e-6)) }
