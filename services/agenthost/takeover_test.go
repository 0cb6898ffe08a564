package agenthost

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// A host that takes over shards late in a run reads the rounds that its agents remember and what they were told, no more;
// where the log has lost an answer that they remember it says so, for they would remember something else.
func TestTakingOverReadsTheLastRounds(t *testing.T) {
	const rounds = keptRounds + 4
	source := strings.Replace(strings.Replace(interview, "TURNS", "2", 1), "rounds: 9", fmt.Sprintf("rounds: %d", rounds+1), 1)
	s := newStage(t)
	told := s.troubles()
	first, second, third := s.host(quick()), s.host(quick()), s.host(quick())
	p := s.proxy(reason)
	s.create(source, 4, 4, first)
	early := uint64(0)
	for s.fold.Round < rounds-1 {
		s.open()
		s.complete()
		s.close(map[string]float64{"target": 12.5})
		if s.fold.Round == 3 {
			early = s.fold.Seq
			_, err := s.talk(first, 2, "observe", "the sky is red", nil)
			require.NoError(t, err)
		}
	}
	lose := func(upto uint64) {
		require.NoError(t, s.stream.Purge(t.Context(), jetstream.WithPurgeSubject(subjects.LogAnswer("r1", 0)), jetstream.WithPurgeSequence(upto)))
	}
	lose(early) // nobody remembers that
	s.lease(second, 0, 1)
	s.open()
	s.complete()
	last := p.promptsOf(rounds, 2)[1]
	for round := 1; round <= rounds; round++ {
		asked := strings.Contains(last, fmt.Sprintf("user: Round %d,", round)) || strings.Contains(last, fmt.Sprintf("user: Round %d:", round))
		require.Equal(t, round >= rounds-2, asked, "round %d of\n%s", round, last)
	}
	require.Contains(t, last, "the sky is red")
	s.knows(second, func(r *run) bool {
		for _, sh := range r.shards {
			require.Len(t, sh.rounds, 4)
		}
		return len(r.shards) == 1
	})
	s.close(map[string]float64{"target": 12.5})

	lose(s.fold.Seq)
	s.lease(third, 0, 1)
	tr := <-told
	require.True(t, tr.Fatal)
	require.Contains(t, tr.Reason, "is closed and has no answer of agent 0 to question 1")
}

// A fork begins with what the agents of its parent remember, as the parent asked it then, and were told up to there.
func TestAForkRemembersItsParent(t *testing.T) {
	source := strings.Replace(interview, "TURNS", "all", 1)
	s := newStage(t)
	h := s.host(quick())
	p := s.proxy(reason)
	s.create(source, 4, 4, h)
	for s.fold.Round < 2 {
		s.open()
		s.complete()
		if s.fold.Round == 1 {
			_, err := s.talk(h, 2, "observe", "the sky is red", nil)
			require.NoError(t, err)
		}
		s.close(map[string]float64{"target": 12.5})
	}
	of, err := s.fold.ForkAt(2)
	require.NoError(t, err)
	s.open()
	s.complete()
	want := p.promptsOf(3, 2)
	_, err = s.talk(h, 2, "observe", "the sky is green", nil) // to an agent of the parent, after the fork
	require.NoError(t, err)

	c := s.fold.Created
	c.Fork = &of
	c.Source = []byte(strings.Replace(source, "Round {{", "Turn {{", 1))
	require.NotEqual(t, source, string(c.Source))
	population := s.fold.Population
	require.NotEmpty(t, population)
	record := func(kind string, round int, epoch, expect uint64, body any) uint64 {
		seq, err := runlog.AppendControl(t.Context(), s.js, runlog.Header{Kind: kind, Run: "r2", Round: round, Writer: "test", Epoch: epoch}, body, expect)
		require.NoError(t, err)
		return seq
	}
	before := len(p.seen())
	seq := record(subjects.KindCreated, 0, 0, 0, c)
	seq = record(subjects.KindLease, 0, 1, seq, runlog.Lease{Host: h.beat.ID, Incarnation: h.beat.Incarnation, Ranges: []runlog.Range{{First: 0, End: 1}}})
	record(subjects.KindOpened, 3, 0, seq, runlog.Opened{World: map[string]float64{"target": 12.5}, Previous: map[string]float64{"target": 12.5}})
	var got []string
	require.Eventually(t, func() bool {
		got = nil
		for _, r := range p.seen()[before:] {
			for i, call := range r.Calls {
				if call.Agent == 2 {
					got = append(got, dialogue(r, i))
				}
			}
		}
		return len(got) == len(want)
	}, waitFor, pollEvery)
	for i := range want {
		at := strings.LastIndex(want[i], "user: Round 3")
		require.Positive(t, at, want[i])
		require.Equal(t, want[i][:at], got[i][:at], "all that was before is as it was asked then")
		require.Contains(t, got[i], "user: Turn 3")
		require.Contains(t, got[i], "the sky is red")
		require.NotContains(t, got[i], "green")
	}
}
