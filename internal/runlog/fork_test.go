package runlog

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// copied is the log of a fork with all records as those of one run: what was inherited is copied, and epochs go on.
func copied(t require.TestingT, run string, entries []Entry, upto, epochs uint64) []Entry {
	var out []Entry
	for _, e := range entries {
		at, err := subjects.ParseLog(e.Subject)
		require.NoError(t, err)
		if at.Kind == subjects.KindCreated && at.Run == run {
			continue
		}
		e.Subject = string(bytes.Replace([]byte(e.Subject), []byte("."+at.Run+".log."), []byte("."+run+".log."), 1))
		if h, body, err := Decode(e.Data); err == nil {
			h.Run = run
			if e.Seq > upto && h.Epoch > 0 {
				h.Epoch += epochs
			}
			e.Data, err = Encode(h, body)
			require.NoError(t, err)
		}
		out = append(out, e)
	}
	return out
}

// A fork is as if its parent had been copied up to where it begins, but for what it counts.
func TestAForkIsACopyThatPaidNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, rapid.IntRange(1, 9).Draw(t, "agents"), rapid.IntRange(1, 2).Draw(t, "questions"), everDifferent)
		h.grant(Range{0, h.fold.Shards()})
		for range rapid.IntRange(1, 3).Draw(t, "rounds of the parent") {
			h.play(true)
		}
		parent := NewFold("r1", WithAnswers())
		for _, e := range h.entries {
			_, err := parent.Apply(e)
			require.NoError(t, err)
		}
		h.fork("r2", nil)
		require.Equal(t, "created", h.fold.Status())
		h.acts = make([]act, len(h.entries)) // the model knows nothing of inherited rounds
		h.grant(Range{0, h.fold.Shards()})
		for range rapid.IntRange(0, 3).Draw(t, "rounds of the fork") {
			h.play(true)
		}
		fork := NewFold("r2", WithAnswers())
		for _, e := range h.entries {
			_, err := fork.Apply(e)
			require.NoError(t, err)
		}
		whole := NewFold("r2", WithAnswers())
		for _, e := range copied(t, "r2", h.entries, parent.Seq, parent.Epoch) {
			_, err := whole.Apply(e)
			require.NoError(t, err)
		}
		require.Equal(t, bare(h.fold.State), bare(fork.State))
		for _, s := range []*State{&fork.State, &whole.State} {
			require.Equal(t, []any{whole.Chain, whole.World, whole.Previous, whole.Round, whole.Rounds, whole.Phase, whole.Population},
				[]any{s.Chain, s.World, s.Previous, s.Round, s.Rounds, s.Phase, s.Population})
		}
		require.Equal(t, whole.Columns(), fork.Columns())
		require.Equal(t, []uint64{whole.Expected - parent.Expected, whole.Accepted - parent.Accepted, whole.Asked - parent.Asked, whole.Duplicates - parent.Duplicates},
			[]uint64{fork.Expected, fork.Accepted, fork.Asked, fork.Duplicates})
		require.Equal(t, whole.FaultCount-parent.FaultCount, fork.FaultCount)
		require.Equal(t, parent.Round, fork.Inherited())
		require.Len(t, fork.Own(), fork.Round-parent.Round)
	})
}

func TestAForkOfAFork(t *testing.T) {
	b := newBook(t)
	b.begin(5, 2, 2)
	play := func() {
		b.open()
		for shard := range b.fold.Shards() {
			b.add(b.answers(b.fold.Round, b.fold.Grants[shard].Epoch, b.plainShard(shard)))
			mood := b.plainShard(shard)
			mood.Question = 1
			for i := range mood.Values {
				mood.Values[i] = 1
			}
			b.add(b.answers(b.fold.Round, b.fold.Grants[shard].Epoch, mood))
		}
		b.close()
	}
	play()
	play()
	first := *b.fold.Scenario
	at2 := b.fold.CtlSeq
	b.fork("r2", func(c *Created) {
		seed := uint64(99)
		c.Overrides = scenario.Overrides{Seed: &seed}
	})
	require.Zero(t, b.fold.Epoch)
	require.Equal(t, make([]Grant, 3), b.fold.Grants, "nobody has shards of it")
	b.lease("h9", Range{0, 3})
	require.Zero(t, b.fold.Takeovers, "nobody had them before")
	play()
	at3 := b.fold.CtlSeq
	b.fork("r3", nil)
	b.lease("h9", Range{0, 3})
	play()
	f := b.fold
	require.Equal(t, []ForkOf{{"r1", 2, at2}, {"r2", 3, at3}}, []ForkOf{f.Past[0].ForkOf, f.Past[1].ForkOf})
	require.Equal(t, 3, f.Inherited())
	require.Equal(t, []uint64{10, 10}, []uint64{f.Expected, f.Accepted})
	for round, want := range map[int]string{1: "r1", 2: "r1", 3: "r2", 4: "r3", 5: "r3"} {
		run, sc := f.Of(round)
		require.Equal(t, want, run, "round %d", round)
		require.Equal(t, round > 2, sc.Seed == 99)
	}
	require.NotEqual(t, uint64(99), first.Seed)

	for round, want := range map[int]ForkOf{0: {Run: "r3"}, 2: {"r1", 2, at2}, 3: {"r2", 3, at3}, 4: {"r3", 4, f.CtlSeq}} {
		of, err := f.ForkAt(round)
		require.NoError(t, err)
		require.Equal(t, want, of, "a fork branches off the run that played the round")
	}
	for round, reason := range map[int]string{-1: "at_round: -1 is no round; 0 is the beginning", 5: "at_round: run r3 has closed 4 rounds, so it cannot be forked after round 5"} {
		_, err := f.ForkAt(round)
		require.EqualError(t, err, reason)
	}
	b.open()
	_, err := f.ForkAt(5)
	require.EqualError(t, err, "at_round: run r3 has closed 4 rounds, so it cannot be forked after round 5", "an open round is none")

	again := replay(t, b.entries[:0], WithAnswers())
	again.Run = "r3"
	for _, e := range b.entries {
		_, err := again.Apply(e)
		require.NoError(t, err)
	}
	require.Equal(t, bare(f.State), bare(again.State))
}

func TestAForkWithoutItsPast(t *testing.T) {
	base := func() *book {
		b := newBook(t)
		b.begin(4, 1, 2)
		b.open()
		b.answerAll()
		b.close()
		return b
	}
	for name, change := range map[string]func(*Created){
		"another run":     func(c *Created) { c.Fork.Run = "r7" },
		"another round":   func(c *Created) { c.Fork.Round++ },
		"another record":  func(c *Created) { c.Fork.Seq-- },
		"other agents":    func(c *Created) { c.Agents, c.Source = 5, source(5, 1) },
		"other questions": func(c *Created) { c.Source = source(4, 2) },
		"other shards":    func(c *Created) { c.ShardSize = 3 },
		"no fork":         func(c *Created) { c.Fork = nil },
	} {
		b := base()
		c := b.fold.Created
		c.Fork = &ForkOf{"r1", 1, b.fold.CtlSeq}
		change(&c)
		before := bare(b.fold.State)
		b.fold.Run = "r2"
		_, err := b.fold.Apply(b.control(subjects.KindCreated, 0, 0, c))
		require.Error(t, err, name)
		b.fold.Run = "r1"
		require.Equal(t, before, bare(b.fold.State), name)
	}
	b := base()
	b.open()
	c := b.fold.Created
	c.Fork = &ForkOf{"r1", 1, b.fold.CtlSeq}
	b.fold.Run = "r2"
	_, err := b.fold.Apply(b.control(subjects.KindCreated, 0, 0, c))
	require.ErrorIs(t, err, ErrDamaged, "in the middle of a round")

	alone := newBook(t)
	_, err = alone.fold.Apply(alone.control(subjects.KindCreated, 0, 0, c))
	require.ErrorIs(t, err, ErrDamaged, "its parent is not there")
	c.Fork = &ForkOf{Run: "gone"}
	alone.add(alone.control(subjects.KindCreated, 0, 0, c))
	require.Equal(t, PhaseCreated, alone.fold.Phase, "a fork of the beginning is a run of its own")
	require.Zero(t, alone.fold.Inherited())
	_, err = alone.fold.Apply(Entry{Subject: subjects.LogCtl("r3", subjects.KindCreated), Seq: 1000, Data: b.entries[0].Data})
	require.ErrorIs(t, err, ErrDamaged, "nothing comes after the run itself")
}

func TestWhatAForkMayChange(t *testing.T) {
	load := func(text string) *scenario.Scenario {
		s, err := scenario.Load("t.yaml", []byte(text), scenario.Overrides{})
		require.NoError(t, err)
		return s
	}
	text := string(source(4, 4))
	b := newBook(t)
	b.begin(4, 4, 2)
	replace := func(old, with string) string {
		require.Contains(t, text, old)
		return string(bytes.Replace([]byte(text), []byte(old), []byte(with), 1))
	}
	for _, next := range []string{
		text, replace("ask: Guess", "ask: Think"), replace("max: 100", "max: 50"), replace("rounds: 9", "rounds: 3\nseed: 8"), replace("mean(answers.guess)", "2 * mean(answers.guess)"),
	} {
		require.NoError(t, b.fold.Fits(load(next), 2, 3))
	}
	for field, next := range map[string]string{
		"agents":     replace("size: 4", "size: 5"),
		"population": replace("{size: 4}", "{size: 4, background: {generator: template}, distributions: [{name: x, categories: [{name: a, proportion: 1}]}]}"),
		"rounds":     replace("rounds: 9", "rounds: 2"),
		"turn":       replace(", "+questions[3], ""),
		"turn.guess": replace("decimals: 2", "decimals: 3"),
		"turn.mood":  replace("choices: [good, bad]", "choices: [bad, good]"),
		"turn.agree": replace("points: 5", "points: 7"),
		"turn.why":   replace("type: text", "type: json"),
	} {
		err := b.fold.Fits(load(next), 2, 3)
		var refused *RefusalError
		require.ErrorAs(t, err, &refused, field)
		require.Equal(t, field, refused.Field, err)
		require.NotEmpty(t, refused.Reason)
	}
	require.ErrorContains(t, b.fold.Fits(load(text), 3, 3), "shard_size: run r1 has shards of 2 agents")
	require.ErrorContains(t, b.fold.Fits(load(replace("id: why", "id: reason")), 2, 3), "turn: question 4 of run r1 is why, in the fork it would be reason")
}

// A fork has its own budget: what its parent may spend, or was given later, is the parent's.
func TestCapsOfAFork(t *testing.T) {
	b := newBook(t)
	b.begin(4, 1, 2)
	b.open()
	b.answerAll()
	b.add(b.control(subjects.KindResumed, 1, 0, Reason{Caps: &Caps{Tokens: 500}}))
	b.close()
	b.fork("r2", func(c *Created) {
		c.Overrides.Set = map[string]string{"models.m.max_tokens": "10", "budget.tokens": "70"}
	})
	require.Equal(t, &Caps{Tokens: 70}, b.fold.Caps)
	require.Equal(t, b.fold.CtlSeq, b.fold.CapsSeq)
	b.fold.Run = "r2"
	require.Empty(t, b.fold.Reason)
}
