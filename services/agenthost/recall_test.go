package agenthost

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Values are written the way a float of them is, so that a reply that reads the same need not be kept.
func TestValuesReadLikeNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Int64().Draw(t, "value")
		if rapid.Bool().Draw(t, "small") {
			value %= 10_000_000
		}
		spec := &scenario.AnswerSpec{Type: scenario.TypeNumber, Decimals: rapid.IntRange(0, stats.MaxDecimals).Draw(t, "decimals")}
		want := strconv.FormatFloat(stats.Float(value, spec.Decimals), 'f', -1, 64)
		require.Equal(t, want, string(appendValue(nil, spec, value)))
	})
}

// What agents said is recalled word for word, and what templates see of it is the value where there is one.
func TestAnswersAreRecalled(t *testing.T) {
	specs := []scenario.Question{
		{ID: "n", Answer: scenario.AnswerSpec{Type: scenario.TypeNumber, Decimals: 2}},
		{ID: "c", Answer: scenario.AnswerSpec{Type: scenario.TypeChoice, Choices: []string{"red", "green"}}},
		{ID: "t", Answer: scenario.AnswerSpec{Type: scenario.TypeText}},
	}
	type said struct {
		q, off int
		status stats.Status
		value  int64
		reply  string
	}
	rapid.Check(t, func(t *rapid.T) {
		p := newPastRound(nil, specs, 8)
		all := map[[2]int]said{}
		for range rapid.IntRange(0, 30).Draw(t, "answers") {
			s := said{q: rapid.IntRange(0, 2).Draw(t, "question"), off: rapid.IntRange(0, 7).Draw(t, "agent"), status: stats.Answered}
			if _, twice := all[[2]int{s.q, s.off}]; twice {
				continue
			}
			if s.reply = rapid.StringN(0, 20, -1).Draw(t, "reply"); rapid.Bool().Draw(t, "missing") {
				s.status = stats.Missing
			} else if s.q == 0 {
				s.value = rapid.Int64Range(-500, 500).Draw(t, "number")
				if rapid.Bool().Draw(t, "plain") {
					s.reply = string(appendValue(nil, &specs[0].Answer, s.value))
				}
			} else if s.q == 1 {
				s.value = rapid.Int64Range(0, 1).Draw(t, "choice")
			}
			p.questions[s.q].set(s.off, s.status, s.value, s.reply)
			all[[2]int{s.q, s.off}] = s
		}
		for q := range specs {
			for off := range 8 {
				a := &p.questions[q]
				s, ok := all[[2]int{q, off}]
				require.Equal(t, ok, a.there(off))
				if !ok {
					continue
				}
				require.Equal(t, s.reply, string(a.appendReply(nil, off)))
				want := s.reply
				if s.status.Valid() && q < 2 {
					want = string(appendValue(nil, a.spec, s.value))
				}
				require.Equal(t, want, string(a.appendText(nil, off)))
				require.Equal(t, s.status.Valid(), a.valid(off))
				require.Equal(t, s.value, a.values[off])
			}
		}
	})
}

// A host keeps a window of rounds in memory. What agents remember of earlier ones, and what is told of them, comes from
// the log.
func TestOldRoundsComeFromTheLog(t *testing.T) {
	const rounds = keptRounds + 4
	source := strings.Replace(strings.Replace(interview, "TURNS", "all", 1), "rounds: 9", fmt.Sprintf("rounds: %d", rounds), 1)
	s := newStage(t)
	h := s.host(quick())
	p := s.proxy(reason)
	s.create(source, 4, 4, h)
	for range rounds {
		s.open()
		s.complete()
		if s.fold.Round < rounds {
			s.close(map[string]float64{"target": 12.5})
		}
	}
	last := p.promptsOf(rounds, 3)[1]
	for round := 1; round <= rounds; round++ {
		require.Contains(t, last, fmt.Sprintf("user: Round %d", round))
		require.Contains(t, last, fmt.Sprintf("assistant: Answer: %d\n", number(round, 3)))
		if round < rounds {
			require.Contains(t, last, fmt.Sprintf("assistant: because %d\n", round))
		}
	}
	require.Contains(t, last, fmt.Sprintf("You said %d, before %d. Why?", number(2, 3), number(1, 3)))
	require.Equal(t, rounds-1, strings.Count(last, "assistant: because"))
	s.knows(h, func(r *run) bool {
		for _, sh := range r.shards {
			require.Len(t, sh.rounds, keptRounds+1)
		}
		return len(r.shards) == 1
	})
	got, err := s.talk(h, 3, "state", "", nil)
	require.NoError(t, err)
	require.Len(t, strings.Split(got.Content.String(), "\n"), 2*rounds)
	require.True(t, strings.HasPrefix(got.Content.String(), fmt.Sprintf("round 1, guess: %d\nround 1, why: because 1\n", number(1, 3))))

	before := len(p.seen())
	_, err = s.talk(h, 3, "interview", "What did you say at first?", nil)
	require.NoError(t, err)
	talk := p.seen()[before]
	require.Contains(t, dialogue(talk, 0), fmt.Sprintf("assistant: Answer: %d\n", number(1, 3)))
}

// A log that has lost what agents remember ends the run with a word about it: prompts without their memory would be others.
func TestALogThatLostRoundsIsNoticed(t *testing.T) {
	const rounds = keptRounds + 3
	source := strings.Replace(strings.Replace(interview, "TURNS", "all", 1), "rounds: 9", fmt.Sprintf("rounds: %d", rounds), 1)
	s := newStage(t)
	told := s.troubles()
	h := s.host(quick())
	s.proxy(reason)
	s.create(source, 4, 4, h)
	for s.fold.Round < rounds-1 {
		s.open()
		s.complete()
		s.close(map[string]float64{"target": 12.5})
	}
	require.NoError(t, s.stream.Purge(t.Context(), jetstream.WithPurgeSubject(subjects.LogAll("r1"))))
	_, err := s.talk(h, 3, "state", "", nil)
	require.ErrorContains(t, err, "has lost rounds")

	data, err := runlog.Encode(runlog.Header{Kind: subjects.KindOpened, Run: "r1", Round: rounds, Writer: "test"}, runlog.Opened{World: s.fold.World, Previous: s.fold.Previous})
	require.NoError(t, err)
	_, err = s.js.Publish(t.Context(), subjects.LogCtl("r1", subjects.KindOpened), data)
	require.NoError(t, err)
	tr := <-told
	require.True(t, tr.Fatal)
	require.Contains(t, tr.Reason, "rounds 1 to 2 of shard 0")
}
