package runlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/stats"
)

// naiveRoot is the digest as the documentation says it, of answers by agent and question.
func naiveRoot(round int, table [][]one) []byte {
	var sums []byte
	for first := 0; first < len(table); first += 1024 {
		var rows bytes.Buffer
		for agent := first; agent < min(first+1024, len(table)); agent++ {
			for q, o := range table[agent] {
				text := sha256.Sum256([]byte(o.text))
				for _, field := range []any{uint64(round), uint64(agent), uint16(q), o.status, o.value, text[:16]} { //nolint:gosec // small
					_ = binary.Write(&rows, binary.BigEndian, field) // to memory
				}
			}
		}
		sum := sha256.Sum256(rows.Bytes())
		sums = append(sums, sum[:]...)
	}
	root := sha256.Sum256(sums)
	return root[:]
}

// rootOf plays a round with the answers of table, in the given order, and returns what the fold makes of it.
func rootOf(round int, table [][]one, order []int) []byte {
	columns := make([]*stats.Column, len(table[0]))
	for q := range columns {
		columns[q] = &stats.Column{Status: make([]stats.Status, len(table)), Values: make([]int64, len(table))}
	}
	d := newDigest(columns, len(table))
	d.open(round)
	for _, i := range order {
		agent, q := i/len(columns), i%len(columns)
		o := table[agent][q]
		columns[q].Status[agent], columns[q].Values[agent] = o.status, o.value
		d.add(q, agent, []byte(o.text))
	}
	return d.root()
}

func TestDigest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		agents := rapid.OneOf(rapid.IntRange(1, 20), rapid.SampledFrom([]int{1023, 1024, 1025, 2048, 2500})).Draw(t, "agents")
		asked := rapid.IntRange(1, 3).Draw(t, "questions")
		round := rapid.IntRange(1, 1000).Draw(t, "round")
		seed := rapid.Int64().Draw(t, "seed")
		table := make([][]one, agents)
		order := make([]int, agents*asked)
		for agent := range table {
			for q := range asked {
				v := seed*int64(agent+1) + int64(q)
				table[agent] = append(table[agent], one{status: stats.Status(1 + uint64(v)%6), value: v, text: string(rune('a' + uint64(v)%26))}) //nolint:gosec // any number will do
				order[agent*asked+q] = agent*asked + q
			}
		}
		want := naiveRoot(round, table)
		require.Equal(t, want, rootOf(round, table, order))
		require.Equal(t, want, rootOf(round, table, rapid.Permutation(order).Draw(t, "order")), "whatever the order")

		o := &table[rapid.IntRange(0, agents-1).Draw(t, "agent")][rapid.IntRange(0, asked-1).Draw(t, "question")]
		was := *o
		for _, change := range []func(){
			func() { o.status ^= 1 }, func() { o.value++ }, func() { o.value = -o.value - 1 }, func() { o.text += " " }, func() { o.text = "" },
		} {
			change()
			require.NotEqual(t, want, rootOf(round, table, order), "%v instead of %v", *o, was)
			*o = was
		}
		require.NotEqual(t, want, rootOf(round+1, table, order))
	})
}

// The hashes of texts are in memory for the blocks in progress only.
func TestTextsAreKeptWhileABlockIsInProgress(t *testing.T) {
	const blocks = 8
	b := newBook(t)
	b.begin(blocks*digestBlock, 1, digestBlock)
	kept := func() (n int) {
		for _, at := range b.fold.digest.blocks {
			if at.texts != nil {
				n++
			}
		}
		return n
	}
	for range 2 {
		b.open()
		require.Zero(t, kept())
		b.add(b.answers(1, 1, chunkOf(0, 0, plain(1, 0))))
		b.add(b.answers(1, 1, chunkOf(0, 1, plain(1, digestBlock))))
		require.Equal(t, 2, kept())
	}
	b.answerAll()
	require.Zero(t, kept())
	made := len(b.fold.digest.spare)
	require.Equal(t, 2, made, "those of the blocks that were begun did for all")
}

func TestChain(t *testing.T) {
	a, b := []byte("a"), []byte("b")
	first := digestChain(nil, a)
	require.Equal(t, sha256.Sum256(a), [32]byte(first))
	require.NotEqual(t, digestChain(first, b), digestChain(digestChain(nil, b), a))
}
