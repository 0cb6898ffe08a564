package results

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestSummary(t *testing.T) {
	l := newLog(t, "r1", 5, 2)
	fresh := Summary(l.read())
	require.Equal(t, "created", fresh.State)
	require.Empty(t, fresh.Rounds)
	require.Empty(t, fresh.ResultHash)
	require.Nil(t, fresh.Finished)

	l.play()
	l.open(0)
	data, err := runlog.EncodeAsked(runlog.Header{Run: "r1", Round: 2, Writer: "h1", Epoch: 1}, runlog.Asked{Shard: 1, Agents: []int{2, 2}})
	require.NoError(t, err)
	for range 12 {
		_, err = l.js.Publish(t.Context(), subjects.LogAsked("r1", 1), data)
		require.NoError(t, err)
	}
	l.answer(0, 0)
	l.lease("h2") // takes over three shards
	l.answer(0, 0)
	l.answer(1, 0)
	l.answer(2, 0)
	l.control(subjects.KindPaused, 0, runlog.Reason{Reason: "the model server is away", Trouble: true})
	require.Equal(t, "paused", Summary(l.read()).State)
	l.control(subjects.KindResumed, 0, runlog.Reason{})
	l.close()
	running := Summary(l.read())
	require.Equal(t, "running", running.State)
	require.Nil(t, running.Finished)
	l.control(subjects.KindFinished, 0, runlog.Reason{Reason: "all played", Hash: l.fold.Chain})

	st := l.read()
	s := Summary(st)
	require.Equal(t, []any{"r1", "test", uint64(7), "finished", "all played", 5}, []any{s.Run, s.Scenario, s.Seed, s.State, s.StopReason, s.Agents})
	require.Equal(t, hex.EncodeToString(l.fold.Chain), s.ResultHash)
	require.Equal(t, running.ResultHash, s.ResultHash)
	require.Equal(t, st.EndedAt.Sub(st.CreatedAt).Seconds(), s.Seconds)
	require.Zero(t, fresh.ReadySeconds)
	require.Equal(t, st.Rounds[0].OpenedAt.Sub(st.CreatedAt).Seconds(), s.ReadySeconds)
	require.Positive(t, s.ReadySeconds)
	require.Less(t, s.ReadySeconds, s.Seconds)
	require.True(t, st.EndedAt.Equal(*s.Finished))
	// 24 asked for 40 answers, so none of the calls can be shown to be repeated; the answers of the old owner come twice.
	require.Len(t, s.Receipt.FaultList, 2)
	require.Equal(t, []string{"agenthost h1", "the run"}, []string{s.Receipt.FaultList[0].Who, s.Receipt.FaultList[1].Who})
	require.Equal(t, report.Receipt{
		Lost: 0, Duplicates: 8, RepeatedCalls: 0, Faults: 1 + 1, Takeovers: 3, LostHosts: 1, Retries: 40, Shared: 4, TokensIn: 80, TokensOut: 80,
		FaultList: s.Receipt.FaultList,
	}, s.Receipt)
	st.Asked += 20
	require.Equal(t, 4, Summary(st).Receipt.RepeatedCalls)

	require.Len(t, s.Rounds, 2)
	for i, r := range s.Rounds {
		require.Equal(t, []int{i + 1, 60, 20, 40, 40}, []int{r.Round, r.Calls, r.Retries, r.TokensIn, r.TokensOut})
		require.InDelta(t, (2+3+4)/4.0+float64(i+1)/100, r.World["mean"], 1e-9)
		guess, mood, agree, why := r.Questions["guess"], r.Questions["mood"], r.Questions["agree"], r.Questions["why"]
		require.Equal(t, []int{5, 4, 1}, []int{guess.Answers, guess.Valid, guess.Missing})
		require.InDelta(t, r.World["mean"], *guess.Mean, 1e-9)
		require.Equal(t, []any{*guess.Mean, 2, []int{2, 3}, 4}, []any{*guess.Target, *guess.Nearest, guess.NearestAgents, *guess.Within})
		require.Nil(t, guess.Counts, "a histogram is no table of counts")
		require.Equal(t, []int{3, 2}, mood.Counts)
		require.Nil(t, mood.Mean)
		require.Equal(t, []int{2, 2, 1}, agree.Counts)
		require.InDelta(t, 1.8, *agree.Mean, 1e-12, "points, not canonical numbers")
		require.Nil(t, agree.Target)
		require.Equal(t, []int{5, 5}, []int{why.Answers, why.Valid})
		require.Nil(t, why.Counts)
	}
	require.Equal(t, []report.Model{
		{Name: "m", Provider: "openai", Note: "language model x", Agents: 5},
		{Name: "d", Provider: "dummy", Behavioural: true, Note: "a stand-in that waits 2s and answers at random, not a language model"},
	}, s.Models)
	require.Equal(t, []report.Question{
		{ID: "guess", Type: "number", Decimals: 2, Ask: "Guess {{.round}}"}, {ID: "mood", Type: "choice", Choices: []string{"good", "bad"}, Ask: "Mood"},
		{ID: "agree", Type: "likert", Points: 3, Ask: "Agree"}, {ID: "why", Type: "text", Ask: "Why"},
	}, s.Questions)
}

func TestReport(t *testing.T) {
	l := newLog(t, "r1", 6, 4)
	l.play()
	l.play()
	st := l.read()
	d := Report(st, "myriad run test.yaml")
	require.Equal(t, Summary(st), d.Summary)
	require.Equal(t, "myriad run test.yaml", d.Reproduce)
	require.Equal(t, "test.yaml", d.File)
	require.Contains(t, d.Source, "size: 6")
	require.Equal(t, []report.Persona{{Name: "education", Categories: []report.Category{{Name: "school", Count: 3}, {Name: "Ph.D.", Count: 3}}}}, d.Personas)
	require.Len(t, d.Histograms, 2)
	for _, h := range d.Histograms {
		require.Len(t, h, 1, "number questions only")
		g := h["guess"]
		require.Equal(t, []float64{0, 100}, []float64{g.Lo, g.Hi})
		sum := 0
		for _, n := range g.Counts {
			sum += n
		}
		require.Equal(t, 5, sum, "every valid answer is in a bin")
	}
}

func TestNotes(t *testing.T) {
	require.Equal(t, "a behavioural model (Poisson level-k, tau 1.5), not a language model", Note(scenario.Model{Provider: "levelk", Tau: "1.5"}))
	require.Equal(t, "a scripted player that follows expressions, not a language model", Note(scenario.Model{Provider: "scripted"}))
	require.Equal(t, "played by agent alice on host js-1", Note(scenario.Model{Provider: "agent", Host: "js-1", Agent: "alice"}))
}
