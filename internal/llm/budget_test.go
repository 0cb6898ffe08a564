package llm

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"
)

var budgets = rapid.Custom(func(t *rapid.T) Budget {
	draw := func(what string) Cap {
		return Cap{Tokens: rapid.Uint64().Draw(t, what+" tokens"), Micros: rapid.Uint64().Draw(t, what+" micros")}
	}
	return Budget{Seq: rapid.Uint64().Draw(t, "seq"), Run: draw("run"), Model: draw("model")}
})

func TestBudgetRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := budgets.Draw(t, "budget")
		got, err := DecodeBudget(EncodeBudget(&want))
		require.NoError(t, err)
		require.Equal(t, want, got)
		theirs, err := msgpack.Marshal(&want)
		require.NoError(t, err)
		got, err = DecodeBudget(theirs)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
	_, err := DecodeBudget(nil)
	require.ErrorIs(t, err, ErrDamaged, "no budget is not one without caps")
}

func FuzzDecodeBudget(f *testing.F) {
	f.Add(EncodeBudget(&Budget{Seq: 7, Run: Cap{Tokens: 1 << 40}, Model: Cap{Micros: 5}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := DecodeBudget(data)
		if err != nil {
			require.ErrorIs(t, err, ErrDamaged)
			return
		}
		again, err := DecodeBudget(EncodeBudget(&b))
		require.NoError(t, err)
		require.Equal(t, b, again)
	})
}
