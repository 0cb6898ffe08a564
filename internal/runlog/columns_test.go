package runlog

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// A fold without digests keeps and refuses the same, but for the digest itself.
func TestAFoldWithColumnsOnly(t *testing.T) {
	b := newBook(t)
	b.begin(2500, 2, 700)
	b.open()
	b.answerAll()
	for shard := range b.fold.Shards() {
		var list []one
		first, end := b.fold.ShardAgents(shard)
		for agent := first; agent < end; agent++ {
			list = append(list, everDifferent(1, agent, 1, agent))
		}
		b.add(b.answers(1, 1, chunkOf(1, shard, list...)))
	}
	b.answerAll() // all of them duplicates
	f := replay(t, b.entries, WithColumns())
	require.True(t, f.Complete())
	require.Equal(t, b.fold.Columns(), f.Columns())
	require.Equal(t, b.fold.Duplicates, f.Duplicates)
	_, err := f.Close()
	require.ErrorIs(t, err, ErrOrder, "it has no digest")

	good, err := b.fold.Close()
	require.NoError(t, err)
	for name, spoil := range map[string]func(*Closed){
		"upto":     func(c *Closed) { c.UptoSeq++ },
		"accepted": func(c *Closed) { c.Accepted-- },
		"chain":    func(c *Closed) { c.Chain = digestChain(nil, []byte("else")) },
	} {
		c := good
		spoil(&c)
		_, err := f.Apply(b.control(subjects.KindClosed, 1, 0, c))
		require.ErrorIs(t, err, ErrDigest, name)
	}
	other := good
	other.Root = []byte("not that of the answers")
	other.Chain = digestChain(nil, other.Root)
	trusting := replay(t, b.entries, WithColumns())
	_, err = trusting.Apply(b.control(subjects.KindClosed, 1, 0, other))
	require.NoError(t, err, "whoever exports the answers finds out")
	_, err = f.Apply(b.control(subjects.KindClosed, 1, 0, good))
	require.NoError(t, err)
	b.close()
	require.Equal(t, b.fold.Chain, f.Chain)
	require.Equal(t, b.fold.Rounds[0].Closed, f.Rounds[0].Closed)
}

// Messages are on the way of every fold and none of its business, whatever is in them.
func TestMessagesAreSkipped(t *testing.T) {
	b := newBook(t)
	b.begin(3, 1, 2)
	b.open()
	h := b.add(b.entry(subjects.LogMessage("r1", 1), []byte("not even a record")))
	require.Equal(t, Header{Kind: KindMessage, Run: "r1"}, h)
	require.Zero(t, b.fold.FaultCount)
	require.Equal(t, b.entries[len(b.entries)-1].Seq, b.fold.Seq)
	require.Less(t, b.fold.CtlSeq, b.fold.Seq)
}

// A host asks the agents of many shards at once.
func TestAskedAcrossShards(t *testing.T) {
	b := newBook(t)
	b.begin(10, 1, 2)
	b.open()
	asked := func(shard int, ranges ...int) {
		data, err := EncodeAsked(Header{Run: "r1", Round: 1, Epoch: 1}, Asked{Shard: shard, Agents: ranges})
		require.NoError(t, err)
		b.add(b.entry(subjects.LogAsked("r1", shard), data))
	}
	asked(1, 3, 4, 9, 1)
	asked(0, AskedRanges([]int{1, 2, 3, 8, 9})...)
	asked(4, 8, 2)
	require.Zero(t, b.fold.FaultCount, b.fold.Faults)
	require.Equal(t, uint64(5+5+2), b.fold.Asked)
}

// The figures of a complete round are computed once, and anew for another opening of it.
func TestFiguresAreComputedOnce(t *testing.T) {
	b := newBook(t)
	b.begin(3, 1, 2)
	b.open()
	b.answerAll()
	first, err := b.fold.Close()
	require.NoError(t, err)
	b.answerAll() // what comes late changes the counts, not the figures
	second, err := b.fold.Close()
	require.NoError(t, err)
	require.Same(t, &first.Questions[0], &second.Questions[0])
	require.Equal(t, uint64(3), second.Duplicates-first.Duplicates)
	b.open()
	b.add(b.answers(1, 1, chunkOf(0, 0, plain(7, 0), plain(7, 1))))
	b.add(b.answers(1, 1, chunkOf(0, 1, plain(7, 2))))
	third, err := b.fold.Close()
	require.NoError(t, err)
	require.NotEqual(t, first.Questions, third.Questions)
}
