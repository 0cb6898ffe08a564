package runlog

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/stats"
)

// stored is the body of a record in testdata.
func stored(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".hex"))
	require.NoError(t, err)
	data, err := hex.DecodeString(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	_, body, err := Decode(data)
	require.NoError(t, err)
	return body
}

// Records from before there were these columns, and records that need none of them, are the same bytes and the same answers.
func TestAnswersOfOldRecords(t *testing.T) {
	old, err := DecodeAnswers(stored(t, "answer"))
	require.NoError(t, err)
	require.Equal(t, []int{3072, 3075, 4000}, old.Agents)
	require.Equal(t, []string{"bad", "", "gut, \x00\xff"}, old.Text)
	require.Equal(t, []uint32{1<<32 - 1, 10, 10}, old.TokensIn)
	require.Equal(t, map[int][]Attempt{2: {{Kind: 1, Text: "hm"}, {Kind: 2, Number: 1, Text: "gut"}}}, old.Attempts)
	require.Nil(t, old.Shared)
	require.Nil(t, old.Apportioned)
	require.Nil(t, old.Reasons)

	full, err := DecodeAnswers(stored(t, "answer-sparse"))
	require.NoError(t, err)
	require.Equal(t, []int32{-1, 0, 1_000_000}, full.Shared)
	require.Equal(t, []bool{true, false, true}, full.Apportioned)
	require.Equal(t, map[int]string{1: "content filter"}, full.Reasons)
	full.Shared, full.Apportioned, full.Reasons = []int32{-1, -7, -1}, make([]bool, 3), map[int]string{}
	again, err := full.appendBody(nil)
	require.NoError(t, err)
	require.Equal(t, stored(t, "answer"), again, "columns that say nothing are not written")
}

// A chunk has every mix of the columns, alone and together.
func TestEachSparseColumnAlone(t *testing.T) {
	for name, set := range map[string]func(*Answers){
		"shared":      func(a *Answers) { a.Shared = []int32{-1, 0, 2147483647} },
		"apportioned": func(a *Answers) { a.Apportioned = []bool{false, false, true} },
		"reasons":     func(a *Answers) { a.Reasons = map[int]string{2: "no"} },
	} {
		want := chunkOf(0, 0, plain(1, 0), plain(1, 1), plain(1, 2))
		set(want)
		body, err := want.appendBody(nil)
		require.NoError(t, err)
		got, err := DecodeAnswers(body)
		require.NoError(t, err)
		require.Equal(t, want, got, name)
		for n := range body {
			_, err := DecodeAnswers(body[:n])
			require.ErrorIs(t, err, ErrDamaged, "%s, cut to %d bytes", name, n)
		}
		_, err = DecodeAnswers(append(body, 0))
		require.ErrorIs(t, err, ErrDamaged)
		later := append(append([]byte{0xdc, 0, allAnswersFields + 1}, body[3:]...), 0xc0) // a later version with another column
		got, err = DecodeAnswers(later)
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
}

func TestLongReasonsAreCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(1, -1, 3*MaxReason).Draw(t, "reason")
		a := chunkOf(0, 0, one{0, stats.Missing, 0, ""})
		a.Reasons = map[int]string{0: text}
		body, err := a.appendBody(nil)
		require.NoError(t, err)
		got, err := DecodeAnswers(body)
		require.NoError(t, err)
		kept := got.Reasons[0]
		require.True(t, utf8.ValidString(kept) && strings.HasPrefix(text, kept))
		require.LessOrEqual(t, len(kept), MaxReason)
		require.Greater(t, len(kept), min(len(text), MaxReason)-utf8.UTFMax)
	})
	require.Len(t, cutReason(strings.Repeat("\x80", MaxReason+1)), MaxReason-utf8.UTFMax, "what is no text is cut all the same")
}

func TestDecodeSparseRefuses(t *testing.T) {
	c := chunk{agents: make([]int, 9)}
	column := func(b ...byte) []byte { return b }
	nine := bytes.Repeat([]byte{0}, 9)
	for name, cols := range map[string][3][]byte{
		"short shared":      {nine[:8]},
		"long shared":       {append(nine[:9:9], 0)},
		"agent too large":   {append(nine[:8:8], 0x81, 0x80, 0x80, 0x80, 0x08)},
		"few bits":          {nil, column(1)},
		"many bits":         {nil, column(1, 0, 0)},
		"bits of nobody":    {nil, column(0, 2)},
		"reason of nobody":  {nil, nil, column(9, 1, 'x')},
		"empty reason":      {nil, nil, column(0, 0)},
		"cut reason":        {nil, nil, column(0, 2, 'x')},
		"reason too long":   {nil, nil, append(column(0, 0x91, 3), make([]byte, MaxReason+1)...)},
		"gap past the last": {nil, nil, column(8, 1, 'x', 0, 1, 'y')},
	} {
		require.ErrorIs(t, c.decodeSparse(cols[0], cols[1], cols[2]), ErrDamaged, name)
	}
	require.NoError(t, c.decodeSparse(append(nine[:8:8], 0x80, 0x80, 0x80, 0x80, 0x08), column(0xff, 1), column(8, 1, 'x')))
}

// How answers were had is no part of the result: with shares, batches and reasons the digest is the same. The closed record
// counts the answers for which others were asked, each once.
func TestSharedAnswersAreCountedAndNotHashed(t *testing.T) {
	play := func(change func(*Answers)) Closed {
		b := newBook(t)
		b.begin(3, 1, 4)
		b.open()
		a := chunkOf(0, 0, plain(1, 0), plain(1, 1), plain(1, 2))
		change(a)
		b.add(b.answers(1, 1, a))
		b.add(b.answers(1, 1, a)) // duplicates are not counted
		require.Zero(t, b.fold.FaultCount, b.fold.Faults)
		return b.close()
	}
	plainly := play(func(*Answers) {})
	require.Zero(t, plainly.Shared)
	other := play(func(a *Answers) {
		a.Shared, a.Apportioned, a.Reasons = []int32{-1, 0, 0}, []bool{true, true, false}, map[int]string{0: "content filter"}
	})
	require.Equal(t, uint64(2), other.Shared)
	require.Equal(t, plainly.Root, other.Root)
	require.Equal(t, plainly.Chain, other.Chain)
}

// Nobody is asked who is not in the run.
func TestSharedWithAStrangerIsAFault(t *testing.T) {
	b := newBook(t)
	b.begin(3, 1, 4)
	b.open()
	a := chunkOf(0, 0, plain(1, 0))
	a.Shared = []int32{3}
	b.add(b.answers(1, 1, a))
	require.Equal(t, 1, b.fold.FaultCount)
	require.Equal(t, 3, b.fold.Left())
}
