package llm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"
)

func TestColumnsOfZerosAreNotSent(t *testing.T) {
	r := &Result{ID: 7, Index: []uint32{3, 4}, Text: []string{"a", "b"}, TokensIn: []uint32{0, 0}, Retries: []uint8{0, 9}}
	data, err := EncodeResult(r)
	require.NoError(t, err)
	var wire []any
	require.NoError(t, msgpack.Unmarshal(data, &wire))
	require.Equal(t, []any{[]any{}, []any{}, []any{int8(0), int8(9)}}, wire[5:8])
	got, err := DecodeResult(data)
	require.NoError(t, err)
	require.Equal(t, []uint32{3, 4}, got.Index)
	require.Equal(t, []uint32{0, 0}, got.TokensIn)
	require.Equal(t, []uint32{0, 0}, got.TokensOut)
	require.Equal(t, []uint8{0, 9}, got.Retries)
	uneven, err := msgpack.Marshal([]any{1, 7, true, []any{0, 1}, []any{"a", "b"}, []any{1}, nil, nil})
	require.NoError(t, err)
	_, err = DecodeResult(uneven)
	require.ErrorIs(t, err, ErrDamaged)
}

// Positions are read in whatever form they were written, also where they begin or end like a run.
func TestPositionsAreReadInEveryForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.IntRange(0, MaxCalls-1).Draw(t, "first")
		n := rapid.IntRange(0, MaxCalls-first).Draw(t, "n")
		want := make([]uint32, n)
		for i := range want {
			want[i] = uint32(first + i)
		}
		if n > 0 && rapid.Bool().Draw(t, "broken") {
			want[rapid.IntRange(0, n-1).Draw(t, "at")] = rapid.Uint32Range(0, MaxCalls-1).Draw(t, "other")
		}
		short := appendIndex(nil, want)
		long := appendArray(nil, n)
		for _, v := range want {
			long = append(long, 0xce, 0, 0, byte(v>>8), byte(v))
		}
		for _, data := range [][]byte{short, long} {
			c := &cursor{s: string(data)}
			got := c.index()
			require.NoError(t, c.end())
			require.Len(t, got, n)
			if n > 0 {
				require.Equal(t, want, got)
			}
		}
	})
}

func TestAnswersAreAResult(t *testing.T) {
	text := rapid.OneOf(rapid.StringN(0, 40, 40), rapid.Custom(func(t *rapid.T) string {
		return strings.Repeat("x", rapid.SampledFrom([]int{31, 32, 255, 256, 65535, 65536}).Draw(t, "length"))
	}))
	var a Answers
	rapid.Check(t, func(t *rapid.T) {
		first, n := rapid.IntRange(0, 900).Draw(t, "first"), rapid.IntRange(0, 30).Draw(t, "n")
		want := &Result{ID: rapid.Uint64().Draw(t, "id"), Done: rapid.Bool().Draw(t, "done")}
		a.Reset()
		failed := 0
		for i := range n {
			want.Index = append(want.Index, uint32(first+i))
			buf := a.Begin()
			s := text.Draw(t, "text")
			if rapid.IntRange(0, 9).Draw(t, "luck") == 0 {
				if failed++; failed == 1 {
					want.Error = make([]string, i, n)
				}
				a.Fail("why")
				want.Text, want.Error = append(want.Text, ""), append(want.Error, "why")
				continue
			}
			a.End(append(buf, s...))
			want.Text = append(want.Text, s)
			if failed > 0 {
				want.Error = append(want.Error, "")
			}
		}
		require.Equal(t, []int{n, failed}, []int{a.Count(), a.Failed()})
		got, err := a.Append([]byte("before"), want.ID, first, want.Done)
		require.NoError(t, err)
		bytes, err := AppendResult([]byte("before"), want)
		require.NoError(t, err)
		require.Equal(t, bytes, got)
	})
	a.Reset()
	a.End(append(a.Begin(), strings.Repeat("x", MaxBytes)...))
	_, err := a.Append(nil, 1, 0, true)
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = a.Append(nil, 1, MaxCalls, true)
	require.ErrorIs(t, err, ErrTooLarge)
}
