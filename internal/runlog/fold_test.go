package runlog

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestARun(t *testing.T) {
	b := newBook(t)
	require.Equal(t, "created", b.fold.Status())
	b.begin(5, 1, 2)
	require.Equal(t, 3, b.fold.Shards())
	for round := 1; round <= 2; round++ {
		b.open()
		require.Equal(t, 5, b.fold.Left())
		_, err := b.fold.Close()
		require.ErrorIs(t, err, ErrOrder, "nobody has answered")
		b.answerAll()
		require.True(t, b.fold.Complete())
		c := b.close()
		require.Equal(t, uint64(5), c.Accepted)
		require.Equal(t, uint64(5), c.Calls)
		require.Equal(t, []uint64{50, 10}, []uint64{c.TokensIn, c.TokensOut})
		require.InDelta(t, 2+float64(round)/100, c.Questions[0].Summary.Mean, 1e-9)
	}
	b.add(b.control(subjects.KindFinished, 2, 0, Reason{Reason: "done", Hash: b.fold.Chain}))
	f := b.fold
	require.Equal(t, "finished", f.Status())
	require.Equal(t, "done", f.Reason)
	require.Equal(t, []uint64{10, 10}, []uint64{f.Expected, f.Accepted})
	require.Len(t, f.Rounds, 2)
	require.Equal(t, map[string]float64{"mean": 2}, f.World)
	require.Equal(t, map[string]float64{"mean": 1}, f.Previous)
	require.Equal(t, f.Chain, f.Hash)

	again := replay(t, b.entries, WithAnswers())
	require.Equal(t, bare(f.State), bare(again.State))
	require.Equal(t, f.Columns(), again.Columns())
	_, err := again.Apply(b.entries[0])
	require.NoError(t, err, "what was applied before is skipped")
	require.Equal(t, bare(f.State), bare(again.State))

	var control []Entry
	for _, e := range b.entries {
		if strings.Contains(e.Subject, ".ctl.") {
			control = append(control, e)
		}
	}
	require.Equal(t, bare(f.State), bare(replay(t, control).State), "control records say as much")
}

func TestControlRecordsHaveTheirOrder(t *testing.T) {
	allowed := map[int][]string{
		0: {subjects.KindPopulated, subjects.KindLease, subjects.KindOpened, subjects.KindClosed, subjects.KindEnvState, subjects.KindFinished, subjects.KindPaused},
		1: {subjects.KindCreated, subjects.KindPopulated, subjects.KindClosed, subjects.KindEnvState, subjects.KindFinished},
		2: {subjects.KindCreated, subjects.KindPopulated, subjects.KindOpened, subjects.KindEnvState, subjects.KindFinished},
		3: {subjects.KindCreated, subjects.KindPopulated, subjects.KindOpened, subjects.KindClosed, subjects.KindFinished},
	}
	for stage, b := range staged(t) {
		for _, kind := range allowed[stage] {
			before := b.fold.State
			_, err := b.fold.Apply(b.control(kind, 1, 1, kinds()[kind]))
			require.ErrorIs(t, err, ErrOrder, "%s at stage %d", kind, stage)
			require.Equal(t, before, b.fold.State)
		}
	}
	b := newBook(t)
	b.add(b.control(subjects.KindCreated, 0, 0, created(4, 1, 2)))
	_, err := b.fold.Apply(b.control(subjects.KindLease, 0, 1, Lease{Incarnation: "i"}))
	require.ErrorIs(t, err, ErrOrder, "a host cannot do without the population")
	_, err = b.fold.Apply(b.control(subjects.KindPopulated, 0, 0, Populated{}))
	require.ErrorIs(t, err, ErrDamaged)
	_, err = b.fold.Apply(b.entry(subjects.LogCtl("r2", subjects.KindPaused), nil))
	require.ErrorIs(t, err, ErrDamaged, "another run")
	b.add(b.control(subjects.KindCancelled, 0, 0, Reason{Reason: "enough"}))
	for kind, body := range kinds() {
		_, err := b.fold.Apply(b.control(kind, 1, 1, body))
		require.ErrorIs(t, err, ErrOrder, "%s after the end", kind)
	}
}

func TestWhatIsNotFiniteNeverEnters(t *testing.T) {
	nan := map[string]float64{"x": nan()}
	stages := staged(t)
	_, err := stages[1].fold.Apply(stages[1].control(subjects.KindOpened, 1, 0, Opened{World: nan}))
	require.ErrorIs(t, err, ErrDamaged)
	_, err = stages[3].fold.Apply(stages[3].control(subjects.KindEnvState, 1, 0, EnvState{World: nan}))
	require.ErrorIs(t, err, ErrDamaged)
	_, err = stages[3].fold.Apply(stages[3].control(subjects.KindEnvState, 1, 0, EnvState{Winners: map[string]Winners{"q": {Target: nan["x"]}}}))
	require.ErrorIs(t, err, ErrDamaged)
}

func nan() float64 {
	zero := 0.0
	return zero / zero
}

func TestAClosedRecordMustMatchTheAnswers(t *testing.T) {
	for name, spoil := range map[string]func(*Closed){
		"root":     func(c *Closed) { c.Root[0] ^= 1; c.Chain = digestChain(nil, c.Root) },
		"chain":    func(c *Closed) { c.Chain[5] ^= 1 },
		"upto":     func(c *Closed) { c.UptoSeq++ },
		"accepted": func(c *Closed) { c.Accepted-- },
	} {
		b := newBook(t)
		b.begin(3, 1, 2)
		b.open()
		b.answerAll()
		c, err := b.fold.Close()
		require.NoError(t, err)
		spoil(&c)
		_, err = b.fold.Apply(b.control(subjects.KindClosed, 1, 0, c))
		require.ErrorIs(t, err, ErrDigest, name)
		require.Equal(t, PhaseOpen, b.fold.Phase)
	}
	b := newBook(t)
	b.begin(3, 1, 2)
	b.open()
	b.add(b.answers(1, 1, b.plainShard(0)))
	early := Closed{UptoSeq: b.fold.Seq, Accepted: 2, Root: []byte{1}, Chain: digestChain(nil, []byte{1})}
	_, err := b.fold.Apply(b.control(subjects.KindClosed, 1, 0, early))
	require.ErrorIs(t, err, ErrDigest, "closed before all answers are in")
}

func TestAShardNobodyOwnsAcceptsNothing(t *testing.T) {
	b := newBook(t)
	b.add(b.control(subjects.KindCreated, 0, 0, created(4, 1, 2)))
	b.add(b.control(subjects.KindPopulated, 0, 0, Populated{Population: "p"}))
	b.lease("h1", Range{0, 1})
	b.open()
	b.add(b.answers(1, 0, b.plainShard(1)))
	require.Equal(t, 4, b.fold.Left())
	require.Equal(t, uint64(2), b.fold.Duplicates)
}

func TestAnswersOutsideARoundAreDropped(t *testing.T) {
	b := newBook(t)
	b.add(b.answers(0, 1, chunkOf(0, 0, plain(0, 0)))) // before the run: a fault
	require.Equal(t, 1, b.fold.FaultCount)
	b.begin(4, 1, 2)
	b.add(b.answers(0, 1, b.plainShard(0))) // before its first round
	b.add(b.answers(1, 1, b.plainShard(0)))
	require.Equal(t, uint64(4), b.fold.Duplicates)
	b.open()
	require.Equal(t, 4, b.fold.Left())
}

func TestReceipts(t *testing.T) {
	b := newBook(t)
	b.begin(4, 1, 4)
	asked := func(ranges ...int) {
		data, err := EncodeAsked(Header{Run: "r1", Round: 1, Epoch: 1}, Asked{Agents: ranges})
		require.NoError(t, err)
		b.add(b.entry(subjects.LogAsked("r1", 0), data))
	}
	b.open()
	asked(0, 4)
	b.answerAll()
	b.add(b.control(subjects.KindPaused, 1, 0, Reason{Reason: "no valid answer", Shortfall: true}))
	b.add(b.control(subjects.KindResumed, 1, 0, Reason{}))
	b.open() // the answers so far are void
	require.Equal(t, Opening{1, 1}, b.fold.Opening())
	require.Equal(t, Opening{1, 0}, b.fold.ShortIn)
	asked(0, 2, 3, 1)
	asked(2, 1)
	b.answerAll()
	b.answerAll()
	c := b.close()
	require.Equal(t, []uint64{8, 4, 4, 4}, []uint64{c.Asked, c.Accepted, c.Duplicates, c.Calls})
	asked(1, 1) // too late, by a host that was away
	b.open()
	b.answerAll()
	c = b.close()
	require.Equal(t, []uint64{1, 4, 0}, []uint64{c.Asked, c.Accepted, c.Duplicates})
	require.Equal(t, []uint64{9, 8, 4}, []uint64{b.fold.Asked, b.fold.Accepted, b.fold.Duplicates})
	require.Equal(t, 1, b.fold.FaultCount)
}

func TestTakeoversAreCounted(t *testing.T) {
	b := newBook(t)
	b.begin(8, 1, 2)
	b.lease("h2", Range{0, 1})
	require.Zero(t, b.fold.Takeovers, "nothing was asked yet")
	b.open()
	b.lease("h3", Range{1, 2}, Range{3, 4})
	b.lease("h3", Range{1, 2})
	require.Equal(t, 2, b.fold.Takeovers)
	require.Equal(t, 1, b.fold.LostHosts, "both were of one host")
	require.Equal(t, []uint64{2, 4, 1, 3}, []uint64{b.fold.Grants[0].Epoch, b.fold.Grants[1].Epoch, b.fold.Grants[2].Epoch, b.fold.Grants[3].Epoch})
	b.lease("h4", Range{1, 2})
	require.Equal(t, 3, b.fold.Takeovers)
	require.Equal(t, 2, b.fold.LostHosts)
}

func TestOutcomes(t *testing.T) {
	b := newBook(t)
	b.begin(3, 4, 4)
	b.open()
	b.add(b.answers(1, 1, chunkOf(0, 0, one{0, stats.Answered, 1000, "10"}, one{1, stats.Missing, 0, ""}, one{2, stats.Repaired, 10_000, "100"})))
	b.add(b.answers(1, 1, chunkOf(1, 0, one{0, stats.Answered, 1, "bad"}, one{1, stats.Answered, 1, "bad"}, one{2, stats.Refused, 0, ""})))
	b.add(b.answers(1, 1, chunkOf(2, 0, one{0, stats.Answered, 5, "5"}, one{1, stats.Extracted, 1, "1"}, one{2, stats.Fallback, 5, ""})))
	b.add(b.answers(1, 1, chunkOf(3, 0, one{0, stats.Answered, 0, "so"}, one{1, stats.Answered, 0, ""}, one{2, stats.Missing, 0, ""})))
	c, err := b.fold.Close()
	require.NoError(t, err)
	guess, mood, agree, why := c.Questions[0], c.Questions[1], c.Questions[2], c.Questions[3]
	require.Equal(t, []float64{0, 100, 55}, []float64{guess.Lo, guess.Hi, guess.Summary.Mean}, "the bounds of the question")
	require.Len(t, guess.Counts, histogramBins)
	require.Equal(t, []int{1, 1}, []int{guess.Counts[5], guess.Counts[histogramBins-1]})
	require.Equal(t, []int{0, 2}, mood.Counts)
	require.False(t, mood.Summary.HasNumbers)
	require.Equal(t, []int{1, 0, 0, 0, 2}, agree.Counts)
	require.InDelta(t, 11.0/3, agree.Summary.Mean, 1e-12)
	require.Equal(t, []float64{1, 5}, []float64{agree.Lo, agree.Hi})
	require.Equal(t, 2, why.Summary.Valid)
	require.Nil(t, why.Counts)
}
