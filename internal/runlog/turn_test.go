package runlog

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestWhatKindOfPauseItIs(t *testing.T) {
	asked, trouble := Reason{Reason: "enough for today"}, Reason{Reason: "no host", Trouble: true}
	down, spent := Reason{Reason: "all servers of m are down", Waiting: true}, Reason{Reason: "tokens are spent", Budget: true}
	for name, c := range map[string]struct {
		pauses  []Reason
		waiting bool
		faults  int
	}{
		"asked for":               {[]Reason{asked}, false, 0},
		"trouble":                 {[]Reason{trouble}, false, 1},
		"waiting":                 {[]Reason{down}, true, 1},
		"waiting, said again":     {[]Reason{down, down, {Reason: "still", Waiting: true, Trouble: true}}, true, 1},
		"spent":                   {[]Reason{spent}, false, 0},
		"waiting, then asked for": {[]Reason{down, asked}, false, 1},
		"asked for, then down":    {[]Reason{asked, down}, false, 0},
		"spent, then down":        {[]Reason{spent, down}, false, 0},
	} {
		b := newBook(t)
		b.begin(2, 1, 2)
		b.open()
		for _, r := range c.pauses {
			b.add(b.control(subjects.KindPaused, 1, 0, r))
			require.Equal(t, r.Reason, b.fold.Reason)
		}
		require.True(t, b.fold.Paused)
		require.Equal(t, c.waiting, b.fold.Waiting, name)
		require.Equal(t, c.faults, b.fold.FaultCount, name)
		b.add(b.control(subjects.KindResumed, 1, 0, Reason{}))
		require.False(t, b.fold.Paused || b.fold.Waiting)
		b.add(b.control(subjects.KindPaused, 1, 0, down))
		require.True(t, b.fold.Waiting, "another time")
		require.Equal(t, c.faults+1, b.fold.FaultCount)
	}
}

// A run resumed with more has other caps from that record on; resumed without any it keeps those it has.
func TestCapsInForce(t *testing.T) {
	b := newBook(t)
	b.begin(2, 1, 2)
	require.Nil(t, b.fold.Caps)
	require.Zero(t, b.fold.CapsSeq)
	b.add(b.control(subjects.KindPaused, 0, 0, Reason{Budget: true}))
	more := Caps{Tokens: 500, Micros: 7, Models: map[string]Cap{"m": {Tokens: 9, Micros: 1}}}
	b.add(b.control(subjects.KindResumed, 0, 0, Reason{Caps: &more}))
	require.Equal(t, &more, b.fold.Caps)
	seq := b.fold.Seq
	require.Equal(t, seq, b.fold.CapsSeq)
	b.add(b.control(subjects.KindPaused, 0, 0, Reason{}))
	b.add(b.control(subjects.KindResumed, 0, 0, Reason{}))
	require.Equal(t, &more, b.fold.Caps)
	require.Equal(t, seq, b.fold.CapsSeq)
	b.add(b.control(subjects.KindResumed, 0, 0, Reason{Caps: &Caps{}}))
	require.Equal(t, &Caps{}, b.fold.Caps, "no cap is a change too")
	require.Greater(t, b.fold.CapsSeq, seq)
	require.Equal(t, bare(b.fold.State), bare(replay(t, b.entries, WithAnswers()).State))
}

func TestCapsOfAScenario(t *testing.T) {
	require.Nil(t, capsOf(nil))
	require.Equal(t, &Caps{Tokens: 5}, capsOf(&scenario.Budget{Tokens: 5}))
	require.Equal(t, &Caps{Micros: 2, Models: map[string]Cap{"m": {Tokens: 1, Micros: 3}}},
		capsOf(&scenario.Budget{Micros: 2, Models: map[string]scenario.Cap{"m": {Tokens: 1, Micros: 3}}}))
}

func TestCapsFromTheFirstRecordOn(t *testing.T) {
	c := created(4, 1, 2)
	c.Source = bytes.Replace(c.Source, []byte("model: x}}"), []byte("model: x, max_tokens: 50}}\nbudget: {tokens: 1000, money: 2.50, models: {m: {tokens: 500}}}"), 1)
	b := newBook(t)
	b.add(b.control(subjects.KindCreated, 0, 0, c))
	require.Equal(t, &Caps{Tokens: 1000, Micros: 2_500_000, Models: map[string]Cap{"m": {Tokens: 500}}}, b.fold.Caps)
	require.Equal(t, b.fold.Seq, b.fold.CapsSeq)
}
