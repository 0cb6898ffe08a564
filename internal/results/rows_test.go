package results

import (
	"context"
	"errors"
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
		out = append(out, *r)
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
				shared, apportioned, reason := had(agent, q)
				want := report.Row{
					Run: "r1", Replicate: 1, Round: round, Agent: agent, Block: s.Scenario.BlockOf(agent).Name, Question: id, Status: status, Raw: text,
					Model: "m", ServedModel: "x-served", PromptSHA: uint64(q), Attempts: 3, TokensIn: agent, TokensOut: 2, //nolint:gosec // small
					SharedWith: shared + 1, Apportioned: apportioned, Note: reason,
					Personas: []uint16{uint16(pop.Category(agent, 0))}, //nolint:gosec // one of two
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
	require.Equal(t, len(got), Count(s))

	for agent := range 5 {
		var mine []report.Row
		require.NoError(t, AgentRows(t.Context(), l.js, s, agent, func(r *report.Row) error {
			mine = append(mine, *r)
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

// Of records that overlap each answer counts once, where it came first, also where neighbours come from different records.
func TestRowsOfRecordsThatOverlap(t *testing.T) {
	l := newLog(t, "r1", 300, 150)
	l.open(0)
	for _, part := range [][3]int{{20, 60, 1}, {0, 50, 2}, {30, 40, 3}, {55, 150, 4}, {0, 150, 5}} {
		l.answerFor(0, part[0], part[1], part[2])
	}
	l.answerFor(1, 150, 300, 6)
	l.close()
	nonce := func(agent int) int {
		switch {
		case agent >= 150:
			return 6
		case agent >= 60:
			return 4
		case agent >= 20:
			return 1
		}
		return 2
	}
	got := rows(t, l.js, l.read())
	require.Len(t, got, 4*300)
	for i, r := range got {
		_, _, text := said(1, i/4, i%4, nonce(i/4))
		require.Equal(t, text, r.Raw, "row %d", i)
	}
}

// A record that is not the one the fold counted is not believed, and one that is gone is not waited for for ever.
func TestRecordsAreThoseThatWereCounted(t *testing.T) {
	l := newLog(t, "r1", 4, 2)
	l.play()
	index := make(chan roundIndex, 1)
	require.NoError(t, indexRounds(t.Context(), l.js, l.read(), runlog.RunSubjects, nil, index))
	entries := (<-index).entries
	require.Len(t, entries, 2*4)
	log, err := openRecords(t.Context(), l.js)
	require.NoError(t, err)
	_, err = log.fetch(t.Context(), entries[0])
	require.NoError(t, err)
	other := entries[0]
	other.seq = entries[1].seq
	_, err = log.fetch(t.Context(), other)
	require.ErrorIs(t, err, runlog.ErrDigest)

	stream, err := l.js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	require.NoError(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject(subjects.LogAnswer("r1", 0))))
	err = log.each(t.Context(), entries, func(entry, *runlog.Answers) error { return nil })
	require.ErrorIs(t, err, runlog.ErrNoRun)
}

func TestRowsStopWithTheirContext(t *testing.T) {
	l := newLog(t, "r1", 3000, 1024)
	l.play()
	l.play()
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	err := Batches(ctx, l.js, l.read(), func(rows []report.Row) error {
		seen += len(rows)
		cancel()
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, seen, 2*3000*4)
}
