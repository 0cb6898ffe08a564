package runlog

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// everDifferent makes each record say something else, so that it shows which was taken.
func everDifferent(round, agent, question, nonce int) one {
	v := int64(7*round + 3*agent + nonce)
	switch question {
	case 0:
		return one{agent, stats.Answered, v, fmt.Sprintf("%d", v)}
	case 1:
		if v%5 == 0 {
			return one{agent, stats.Refused, 0, "no"}
		}
		return one{agent, stats.Extracted, v % 2, fmt.Sprintf("number %d", nonce)}
	default:
		return one{agent, stats.Repaired, 1 + v%5, fmt.Sprintf("%d of 5", v)}
	}
}

func TestFoldAcceptsWhatTheDefinitionSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, rapid.IntRange(1, 12).Draw(t, "agents"), rapid.IntRange(1, 3).Draw(t, "questions"), everDifferent)
		h.grant()
		var closed []Closed
		for range rapid.IntRange(1, 3).Draw(t, "rounds") {
			closed = append(closed, h.play(true))
		}
		final := bare(h.fold.State)
		fresh := NewFold("r1", WithAnswers())
		short := NewFold("r1")
		wanted := rapid.SliceOfN(rapid.Bool(), h.fold.Shards(), h.fold.Shards()).Draw(t, "wanted")
		taken := map[[3]int]one{}
		some := NewFold("r1", WithShards(func(i int) bool { return wanted[i] }), WithAccept(func(round int, a *Answers, positions []int) {
			for _, at := range positions {
				taken[[3]int{round, a.Agents[at], a.Question}] = one{a.Agents[at], a.Status[at], a.Values[at], a.Text[at]}
			}
		}))
		for _, e := range h.entries {
			_, err := fresh.Apply(e)
			require.NoError(t, err)
			at, err := subjects.ParseLog(e.Subject)
			require.NoError(t, err)
			if at.Class == subjects.ClassControl {
				_, err = short.Apply(e)
				require.NoError(t, err)
			}
			if at.Class == subjects.ClassControl || at.Shard < len(wanted) && wanted[at.Shard] {
				_, err = some.Apply(e)
				require.NoError(t, err)
			}
		}
		require.Equal(t, final, bare(fresh.State))
		require.Equal(t, final.Chain, short.Chain)
		require.Equal(t, final.Rounds, short.Rounds)
		require.Equal(t, final.Rounds, some.Rounds)
		for i, c := range closed {
			table, _ := h.table(i+1, c.UptoSeq)
			for agent, row := range table {
				for q, want := range row {
					got, ok := taken[[3]int{i + 1, agent, q}]
					require.Equal(t, wanted[agent/h.size], ok)
					require.True(t, !ok || got == want, "%v is not %v", got, want)
				}
			}
		}
	})
}

// The same answers give the same result hash, however they came to be in the log.
func TestResultHashDependsOnAnswersOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		agents := rapid.SampledFrom([]int{1, 7, 30}).Draw(t, "agents")
		asked := rapid.IntRange(1, 3).Draw(t, "questions")
		seed := rapid.IntRange(0, 1000).Draw(t, "seed")
		same := func(round, agent, question, _ int) one { return everDifferent(round, agent, question, seed) }
		var hashes [][]byte
		for _, disturbed := range []bool{false, true, true} {
			h := newHistory(t, agents, asked, same)
			h.grant(Range{0, h.fold.Shards()})
			h.play(disturbed)
			h.play(disturbed)
			hashes = append(hashes, h.fold.Chain)
		}
		require.Equal(t, hashes[0], hashes[1])
		require.Equal(t, hashes[0], hashes[2])
	})
}
