package runlog

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// How far each shard is: what was asked and answered since its round was last opened.
func TestProgressOfShards(t *testing.T) {
	b := newBook(t)
	b.begin(5, 1, 2)
	is := func(left []int, begun []bool) {
		t.Helper()
		for i := range left {
			require.Equal(t, left[i], b.fold.ShardLeft(i), "shard %d", i)
			require.Equal(t, begun[i], b.fold.ShardBegun(i), "shard %d", i)
		}
	}
	asked := func(first, count int) {
		t.Helper()
		data, err := EncodeAsked(Header{Run: "r1", Round: 1, Epoch: 1}, Asked{Shard: first / 2, Agents: []int{first, count}})
		require.NoError(t, err)
		b.add(b.entry(subjects.LogAsked("r1", first/2), data))
	}
	none := []bool{false, false, false}
	is([]int{0, 0, 0}, none)
	b.open()
	is([]int{2, 2, 1}, none)
	asked(1, 2) // of two shards
	is([]int{2, 2, 1}, []bool{true, true, false})
	b.add(b.answers(1, 1, chunkOf(0, 0, plain(1, 0), plain(1, 1))))
	b.add(b.answers(1, 1, chunkOf(0, 2, plain(1, 4))))
	is([]int{0, 2, 0}, []bool{true, true, true})
	b.open() // again
	is([]int{2, 2, 1}, none)
	b.answerAll()
	b.close()
	is([]int{0, 0, 0}, none)
	require.Empty(t, b.fold.Faults)
}
