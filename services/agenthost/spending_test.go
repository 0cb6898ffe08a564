package agenthost

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// A call that a server refuses for its content ends as the scenario says, with the reason in the log, and nobody else's.
func TestRejectedCalls(t *testing.T) {
	s := newStage(t)
	told := s.troubles()
	h := s.host(quick())
	p := s.proxy(func(a asked) {
		r := &llm.Result{ID: a.ID, Done: true, Served: "served-model"}
		for i, c := range a.Calls {
			text, why := fmt.Sprint(number(a.Round, int(c.Agent))), ""
			if c.Agent == 2 && a.Round == 2 {
				text, why = "", "HTTP 400: too long"
				r.Rejected = append(r.Rejected, uint32(i))
			}
			r.Index, r.Text, r.Error = append(r.Index, uint32(i)), append(r.Text, text), append(r.Error, why)
		}
		a.send(r)
	})
	s.create(guess(4, "missing: {then: previous}"), 4, 4, h)
	s.open()
	s.complete()
	s.close(nil)
	s.open()
	s.complete()
	require.Equal(t, stats.Fallback, s.status(0, 2))
	require.Equal(t, float64(number(1, 2)), s.value(0, 2), "of the round before")
	require.Equal(t, map[int]string{s.position(2): "HTTP 400: too long"}, s.last.Reasons)
	require.Equal(t, float64(number(2, 3)), s.value(0, 3))
	require.Len(t, p.seen(), 2, "nobody asks again")
	require.Empty(t, told, "one agent's call is no trouble of the run")
	s.idle(h)
}

// position is where an agent is in the last record.
func (s *stage) position(agent int) int {
	for at, a := range s.last.Agents {
		if a == agent {
			return at
		}
	}
	return -1
}

// A reply that could not be extracted because a server would not read it is asked for again.
func TestRejectedExtraction(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	s.proxy(func(a asked) {
		switch a.Purpose {
		case llm.PurposeAnswer:
			a.all(func(int) string { return "Perhaps 3, or 50, or 71, who knows." })
		case llm.PurposeExtract:
			a.send(&llm.Result{ID: a.ID, Done: true, Index: []uint32{0}, Text: []string{""}, Error: []string{"HTTP 413"}, Rejected: []uint32{0}})
		case llm.PurposeReask:
			a.all(func(int) string { return "50" })
		}
	})
	s.create(guess(1, ""), 1, 1, h)
	s.open()
	s.complete()
	require.Equal(t, stats.Repaired, s.status(0, 0))
	require.Equal(t, 50.0, s.value(0, 0))
	s.idle(h)
}

// The log says which answers came of another agent's call, and whose tokens are shares of a batch's.
func TestSharedAndApportioned(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	s.proxy(func(a asked) {
		all := &llm.Result{ID: a.ID, Done: true, Served: "x", Apportioned: true}
		for i := range a.Calls {
			all.Index, all.Text = append(all.Index, uint32(i)), append(all.Text, "7")
			shared := uint64(0)
			if i > 0 {
				shared = 1 // agent 0
			}
			all.Shared = append(all.Shared, shared)
		}
		a.send(all)
	})
	s.create(guess(3, ""), 3, 3, h)
	s.open()
	s.complete()
	require.Equal(t, []int32{-1, 0, 0}, s.last.Shared)
	require.Equal(t, []bool{true, true, true}, s.last.Apportioned)
	s.idle(h)
}

// Requests carry the caps in force. When nothing is left the coordinator hears that it is the budget, and with more the run
// goes on with the rest.
func TestBudget(t *testing.T) {
	s := newStage(t)
	told := s.troubles()
	h := s.host(quick())
	p := s.proxy(func(a asked) {
		b, err := llm.DecodeBudget(a.Budget)
		if err != nil {
			t.Errorf("budget: %v", err)
		}
		if b.Run.Tokens < 1000 {
			a.some(false, text(a), 0)
			a.send(&llm.Result{ID: a.ID, Done: true, Refused: llm.RefusedBudget + "500 of 500 tokens are spent"})
			return
		}
		numbers(a)
	})
	const spend = `budget: {tokens: 500, models: {m: {money: 2.5}}}`
	source := guess(4, spend)
	s.create(strings.Replace(source, "provider: openai,", "provider: openai, max_tokens: 9,", 1), 4, 4, h)
	s.open()
	got := <-told
	require.True(t, got.Budget)
	require.False(t, got.Fatal)
	require.Contains(t, got.Reason, "500 of 500 tokens are spent")
	first, err := llm.DecodeBudget(p.seen()[0].Budget)
	require.NoError(t, err)
	require.Equal(t, llm.Cap{Tokens: 500}, first.Run)
	require.Equal(t, llm.Cap{Micros: 2_500_000}, first.Model)

	s.pause()
	s.control(subjects.KindResumed, 1, 0, runlog.Reason{Caps: &runlog.Caps{Tokens: 1000}})
	s.complete()
	s.answered(h)
	second, err := llm.DecodeBudget(p.seen()[1].Budget)
	require.NoError(t, err)
	require.Greater(t, second.Seq, first.Seq)
	require.Equal(t, llm.Cap{Tokens: 1000}, second.Run)
	require.Equal(t, llm.Cap{}, second.Model)
	require.Len(t, p.seen()[1].Calls, 3, "only what has no answer")
}
