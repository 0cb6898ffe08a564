package agenthost

import (
	"math"
	"slices"
	"sync"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
)

// columns are answers in the form they are logged in. They are used over and over: a million agents would otherwise leave
// fifty megabytes a round behind.
type columns struct {
	runlog.Answers
}

var columnPool = sync.Pool{New: func() any { return grown(runlog.MaxChunk) }}

func grown(n int) *columns {
	return &columns{runlog.Answers{
		Agents: make([]int, n), Status: make([]stats.Status, n), Values: make([]int64, n), Text: make([]string, n),
		TokensIn: make([]uint32, n), TokensOut: make([]uint32, n), Calls: make([]uint8, n), Retries: make([]uint8, n),
		PromptSHA: make([]uint64, n), Model: make([]string, n), Served: make([]string, n),
	}}
}

// newColumns returns columns for n answers, at most runlog.MaxChunk. What they hold means nothing until it is set.
func newColumns(n int) *columns {
	c := columnPool.Get().(*columns)
	c.Answers = cutAnswers(&c.Answers, 0, n)
	return c
}

// free gives the columns back; nobody may use them any more.
func (c *columns) free() {
	c.Attempts, c.Shared, c.Apportioned, c.Reasons = nil, nil, nil, nil
	c.Answers = cutAnswers(&c.Answers, 0, runlog.MaxChunk)
	clear(c.Text) // or the messages they are parts of would live on
	clear(c.Served)
	columnPool.Put(c)
}

// cutAnswers is a part of a, which it shares its columns with.
func cutAnswers(a *runlog.Answers, from, end int) runlog.Answers {
	out := runlog.Answers{
		Question: a.Question, Shard: a.Shard, Agents: a.Agents[from:end], Status: a.Status[from:end], Values: a.Values[from:end],
		Text: a.Text[from:end], TokensIn: a.TokensIn[from:end], TokensOut: a.TokensOut[from:end], Calls: a.Calls[from:end],
		Retries: a.Retries[from:end], PromptSHA: a.PromptSHA[from:end], Model: a.Model[from:end], Served: a.Served[from:end],
	}
	for at, attempts := range a.Attempts {
		if at >= from && at < end {
			setAttempts(&out, at-from, attempts)
		}
	}
	for at, why := range a.Reasons {
		if at >= from && at < end {
			setReason(&out, at-from, why)
		}
	}
	if a.Shared != nil {
		out.Shared = a.Shared[from:end]
	}
	if a.Apportioned != nil {
		out.Apportioned = a.Apportioned[from:end]
	}
	return out
}

func setReason(a *runlog.Answers, at int, why string) {
	if a.Reasons == nil {
		a.Reasons = map[int]string{}
	}
	a.Reasons[at] = why
}

// paid says whose call an answer came of, -1 for its own, and whether its tokens are a share of a batch's. Few answers have
// anything to say of that, so the columns are there only where one has.
func (c *columns) paid(at int, shared int32, apportioned bool) {
	if shared >= 0 && c.Shared == nil {
		c.Shared = slices.Repeat([]int32{-1}, len(c.Agents))
	}
	if c.Shared != nil {
		c.Shared[at] = shared
	}
	if apportioned && c.Apportioned == nil {
		c.Apportioned = make([]bool, len(c.Agents))
	}
	if c.Apportioned != nil {
		c.Apportioned[at] = apportioned
	}
}

// sharedWith is the agent whose call was made in place of that of completion i; -1: its own was made.
func sharedWith(r *llm.Result, i int) int32 {
	if r.Shared == nil || r.Shared[i] == 0 || r.Shared[i] > math.MaxInt32 {
		return -1
	}
	return int32(r.Shared[i] - 1)
}

func setAttempts(a *runlog.Answers, at int, attempts []runlog.Attempt) {
	if a.Attempts == nil {
		a.Attempts = map[int][]runlog.Attempt{}
	}
	a.Attempts[at] = attempts
}

// first sets an answer that was the first reply, completion i of r.
func (c *columns) first(at int, status stats.Status, value int64, text string, r *llm.Result, i int) {
	c.Status[at], c.Values[at], c.Text[at] = status, value, text
	c.TokensIn[at], c.TokensOut[at], c.Calls[at], c.Retries[at] = r.TokensIn[i], r.TokensOut[i], 1, r.Retries[i]
	c.Served[at] = r.Served
	c.paid(at, sharedWith(r, i), r.Apportioned)
}

// item sets an answer that took more.
func (c *columns) item(at int, status stats.Status, value int64, it *item) {
	c.Status[at], c.Values[at], c.Text[at] = status, value, it.reply
	c.TokensIn[at], c.TokensOut[at], c.Calls[at], c.Retries[at] = it.in, it.out, it.calls, it.retries
	c.Served[at], c.PromptSHA[at] = it.served, it.sha
	c.paid(at, it.shared, it.apportioned)
	if all := it.attempts(); len(all) > 0 {
		setAttempts(&c.Answers, at, all)
	}
	if it.refused != "" {
		setReason(&c.Answers, at, it.refused)
	}
}

// copy sets an answer to one of others.
func (c *columns) copy(at int, o *columns, from int) {
	c.Status[at], c.Values[at], c.Text[at] = o.Status[from], o.Values[from], o.Text[from]
	c.TokensIn[at], c.TokensOut[at], c.Calls[at], c.Retries[at] = o.TokensIn[from], o.TokensOut[from], o.Calls[from], o.Retries[from]
	c.Served[at], c.PromptSHA[at] = o.Served[from], o.PromptSHA[from]
	shared := int32(-1)
	if o.Shared != nil {
		shared = o.Shared[from]
	}
	c.paid(at, shared, o.Apportioned != nil && o.Apportioned[from])
	if a := o.Attempts[from]; a != nil {
		setAttempts(&c.Answers, at, a)
	}
	if why, ok := o.Reasons[from]; ok {
		setReason(&c.Answers, at, why)
	}
}
