package agenthost

import (
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
	c.Answers = cutAnswers(&c.Answers, 0, runlog.MaxChunk)
	clear(c.Text) // or the messages they are parts of would live on
	clear(c.Served)
	c.Attempts = nil
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
	return out
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
}

// item sets an answer that took more.
func (c *columns) item(at int, status stats.Status, value int64, it *item) {
	c.Status[at], c.Values[at], c.Text[at] = status, value, it.reply
	c.TokensIn[at], c.TokensOut[at], c.Calls[at], c.Retries[at] = it.in, it.out, it.calls, it.retries
	c.Served[at], c.PromptSHA[at] = it.served, it.sha
	if len(it.all) > 1 {
		setAttempts(&c.Answers, at, it.all)
	}
}

// copy sets an answer to one of others.
func (c *columns) copy(at int, o *columns, from int) {
	c.Status[at], c.Values[at], c.Text[at] = o.Status[from], o.Values[from], o.Text[from]
	c.TokensIn[at], c.TokensOut[at], c.Calls[at], c.Retries[at] = o.TokensIn[from], o.TokensOut[from], o.Calls[from], o.Retries[from]
	c.Served[at], c.PromptSHA[at] = o.Served[from], o.PromptSHA[from]
	if a := o.Attempts[from]; a != nil {
		setAttempts(&c.Answers, at, a)
	}
}
