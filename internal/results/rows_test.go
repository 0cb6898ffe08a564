package results

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// rows collects copies.
func rows(t *testing.T, js jetstream.JetStream, s *runlog.State) []report.Row {
	t.Helper()
	var out []report.Row
	require.NoError(t, Rows(t.Context(), js, s, func(r *report.Row) error {
		c := *r
		c.Personas = append([]string{}, r.Personas...)
		out = append(out, c)
		return nil
	}))
	return out
}

func TestRows(t *testing.T) {
	l := newLog(t, "r1", 5, 2)
	require.Empty(t, rows(t, l.js, l.read()), "no round is closed")
	l.play()
	l.open(0)
	l.answer(0, 50) // void: the round is opened again
	l.open(1)
	l.lease("h2")
	l.answer(2, 1)
	l.answer(1, 1)
	l.answer(1, 2) // too late
	l.answer(0, 1)
	l.close()
	s := l.read()
	l.play() // after s was read
	got := rows(t, l.js, s)
	require.Len(t, got, 2*5*4)
	pop, err := remote.Load(t.Context(), l.js, s.Population)
	require.NoError(t, err)
	i := 0
	for round := 1; round <= 2; round++ {
		for agent := range 5 {
			for q, id := range []string{"guess", "mood", "agree", "why"} {
				status, value, text := said(round, agent, q, round-1)
				want := report.Row{
					Run: "r1", Replicate: 1, Round: round, Agent: agent, Block: s.Scenario.BlockOf(agent).Name, Question: id, Status: status, Raw: text,
					Model: "m", ServedModel: "x-served", PromptSHA: uint64(q), Attempts: 3, TokensIn: agent, TokensOut: 2, //nolint:gosec // small
					Personas: []string{pop.Attr(agent, 0)},
				}
				switch {
				case status == stats.Missing:
				case q == 0:
					want.Value = report.Number(value, 2)
				case q == 1:
					want.Value = report.Text([]string{"good", "bad"}[value])
				case q == 2:
					want.Value = report.Number(value, 0)
				default:
					want.Value = report.Text(text)
				}
				require.Equal(t, want, got[i])
				i++
			}
		}
	}
	require.Equal(t, []string{"education"}, Personas(s.Scenario))

	for agent := range 5 {
		var mine []report.Row
		require.NoError(t, AgentRows(t.Context(), l.js, s, agent, func(r *report.Row) error {
			c := *r
			c.Personas = append([]string{}, r.Personas...)
			mine = append(mine, c)
			return nil
		}))
		require.Equal(t, append(append([]report.Row{}, got[4*agent:4*agent+4]...), got[20+4*agent:24+4*agent]...), mine)
	}
	for _, agent := range []int{-1, 5} {
		require.ErrorIs(t, AgentRows(t.Context(), l.js, s, agent, nil), ErrNoAgent)
	}
}

func TestRowsNameWhatIsWrong(t *testing.T) {
	l := newLog(t, "r1", 4, 2)
	l.play()
	s := l.read()
	enough := errors.New("enough")
	n := 0
	err := Rows(t.Context(), l.js, s, func(*report.Row) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
	require.Equal(t, 3, n)

	lost := *s
	lost.Population = "nowhere"
	require.ErrorIs(t, Rows(t.Context(), l.js, &lost, nil), remote.ErrNotFound)

	// The answers of a shard are gone, and then the whole run.
	stream, err := l.js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	require.NoError(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject(subjects.LogAnswer("r1", 1))))
	require.ErrorIs(t, Rows(t.Context(), l.js, s, nil), runlog.ErrDigest)
	require.ErrorIs(t, AgentRows(t.Context(), l.js, s, 3, func(*report.Row) error { return nil }), runlog.ErrDigest)
	require.NoError(t, AgentRows(t.Context(), l.js, s, 0, func(*report.Row) error { return nil }))
	require.NoError(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject(subjects.LogAll("r1"))))
	require.ErrorIs(t, Rows(t.Context(), l.js, s, nil), runlog.ErrNoRun)
}

// What Rows keeps in memory is the answers of one round, however many rounds there are.
func TestRowsKeepOneRoundInMemory(t *testing.T) {
	const agents, rounds = 3000, 6
	l := newLog(t, "r1", agents, 1024)
	for range rounds {
		l.play()
	}
	s := l.read()
	var held []uint64 // at the end of each round
	n := 0
	require.NoError(t, Rows(t.Context(), l.js, s, func(*report.Row) error {
		if n++; n%(agents*4) == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			held = append(held, m.HeapAlloc)
		}
		return nil
	}))
	require.Len(t, held, rounds)
	first, last := held[1], held[rounds-1]
	perRound := uint64(agents * 4 * 100) // bytes that the answers of a round take at least
	require.Less(t, last, first+perRound, fmt.Sprint(held))
}
