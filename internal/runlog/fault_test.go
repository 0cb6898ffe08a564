package runlog

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Who reads only some shards' subjects and who reads all must come to the same: a record counts on its own subject only.
func TestWhatDoesNotBelongIsAFault(t *testing.T) {
	b := newBook(t)
	b.begin(5, 4, 2)
	b.open()
	wrongKind, err := EncodeAsked(Header{Run: "r1", Round: 1, Epoch: 1}, Asked{Agents: []int{0, 1}})
	require.NoError(t, err)
	elsewhere := b.answers(1, 1, chunkOf(0, 0, plain(1, 0)))
	elsewhere.Subject = subjects.LogAnswer("r1", 1)
	damaged := b.answers(1, 1, chunkOf(0, 0, plain(1, 0)))
	damaged.Data = append([]byte{}, damaged.Data...)
	damaged.Data[len(damaged.Data)-1] ^= 4
	other, err := EncodeAnswers(Header{Run: "r2", Round: 1, Epoch: 1}, chunkOf(0, 0, plain(1, 0)))
	require.NoError(t, err)
	asked := func(ranges ...int) Entry {
		data, err := EncodeAsked(Header{Run: "r1", Round: 1, Epoch: 1}, Asked{Shard: 1, Agents: ranges})
		require.NoError(t, err)
		return b.entry(subjects.LogAsked("r1", 1), data)
	}
	bad := []Entry{
		elsewhere, damaged, b.entry(subjects.LogAnswer("r1", 0), wrongKind), b.entry(subjects.LogAnswer("r1", 0), other),
		b.answers(1, 1, chunkOf(0, 0, plain(1, 2))), b.answers(1, 1, chunkOf(0, 1, plain(1, 1), plain(1, 2))), b.answers(1, 1, chunkOf(0, 7, plain(1, 14))),
		b.answers(1, 1, chunkOf(4, 0, plain(1, 0))),
		b.answers(1, 1, chunkOf(0, 0, one{0, stats.StatusNone, 0, ""})), b.answers(1, 1, chunkOf(0, 0, one{0, stats.Missing + 1, 0, ""})),
		b.answers(1, 1, chunkOf(0, 0, one{0, stats.Refused, 3, ""})), b.answers(1, 1, chunkOf(1, 0, one{0, stats.Answered, 2, ""})),
		b.answers(1, 1, chunkOf(1, 0, one{0, stats.Answered, -1, ""})), b.answers(1, 1, chunkOf(2, 0, one{0, stats.Answered, 0, ""})),
		b.answers(1, 1, chunkOf(2, 0, one{0, stats.Answered, 6, ""})), b.answers(1, 1, chunkOf(3, 0, one{0, stats.Answered, 1, "x"})),
		asked(2), asked(2, 4), asked(1, 1), asked(4, 1), asked(2, 1, 4, 2), asked(3, 1, 2, 1), asked(2, 0), asked(2, -1), asked(2, 1, 2, 1), asked(1<<40, 1),
	}
	for i, e := range bad {
		before := b.fold.State
		e.Seq = uint64(100 + i) //nolint:gosec // small
		_, err := b.fold.Apply(e)
		require.NoError(t, err)
		require.Equal(t, i+1, b.fold.FaultCount, "record %d", i)
		require.Equal(t, before.Asked, b.fold.Asked)
		require.Equal(t, 20, b.fold.Left())
	}
	for i := range 2 * maxFaults {
		e := bad[0]
		e.Seq = uint64(1000 + i) //nolint:gosec // small
		_, err := b.fold.Apply(e)
		require.NoError(t, err)
	}
	require.Len(t, b.fold.Faults, maxFaults, "a broken writer does not fill the memory")
	require.Equal(t, len(bad)+2*maxFaults, b.fold.FaultCount)
}

// Another binary would count what this one cannot read, so it is no fault to go on after.
func TestAnUnknownVersionIsFinal(t *testing.T) {
	b := newBook(t)
	b.begin(2, 1, 2)
	b.open()
	e := b.answers(1, 1, b.plainShard(0))
	e.Data[1] = Version + 1
	_, err := b.fold.Apply(e)
	require.ErrorIs(t, err, ErrVersion)
	body, err := b.plainShard(0).appendBody(nil)
	require.NoError(t, err)
	body[1]++
	data, err := Encode(Header{Kind: KindAnswer, Run: "r1", Round: 1, Epoch: 1}, body)
	require.NoError(t, err)
	_, err = b.fold.Apply(b.entry(subjects.LogAnswer("r1", 0), data))
	require.ErrorIs(t, err, ErrVersion)
	require.Zero(t, b.fold.FaultCount)
}
