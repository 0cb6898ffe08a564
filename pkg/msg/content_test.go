package msg_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/msg"
)

func TestContentOf(t *testing.T) {
	for _, c := range []struct {
		in, want any
		kind     msg.Kind
	}{
		{nil, nil, msg.KindNone},
		{"hi", "hi", msg.KindText},
		{false, false, msg.KindData},
		{uint16(7), int64(7), msg.KindData},
		{uint64(math.MaxUint64), float64(math.MaxUint64), msg.KindData},
		{float32(0.5), 0.5, msg.KindData},
		{4.0, int64(4), msg.KindData},
		{[]string{"a"}, []any{"a"}, msg.KindData},
		{[]any{}, []any{}, msg.KindData},
		{map[string]any{"a": []any{1, nil}}, map[string]any{"a": []any{int64(1), nil}}, msg.KindData},
	} {
		got, err := msg.ContentOf(c.in)
		require.NoError(t, err)
		require.Equal(t, c.want, got.Value())
		require.Equal(t, c.kind, got.Kind())
		again, err := msg.ContentOf(got.Value())
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	require.Equal(t, "x", msg.Text("x").Value())
	require.Nil(t, msg.Content{}.Value())

	for _, bad := range []any{math.NaN(), "\xff", []byte("x"), struct{}{}, []any{make(chan int)}, map[string]any{"\xff": 1}} {
		_, err := msg.ContentOf(bad)
		require.ErrorIs(t, err, msg.ErrInvalid)
	}
	_, err := msg.ContentOf(nested(msg.MaxDepth))
	require.NoError(t, err)
	_, err = msg.ContentOf(nested(msg.MaxDepth + 1))
	require.ErrorIs(t, err, msg.ErrTooDeep)
}

// A content does not change when what it was made of does.
func TestContentIsItsOwn(t *testing.T) {
	for _, of := range []func(any) (msg.Content, error){msg.ContentOf, msg.Data} {
		list := []any{int64(1)}
		m := map[string]any{"list": list}
		c, err := of(m)
		require.NoError(t, err)
		list[0] = int64(2)
		m["more"] = true
		require.Equal(t, map[string]any{"list": []any{int64(1)}}, c.Value())
	}
}

// Plain values, which spare themselves the way through JSON, are data as JSON would have it.
func TestDataIsWhatJSONSees(t *testing.T) {
	odd := rapid.SampledFrom([]any{
		[]any(nil), []string(nil), map[string]any(nil), []string{"a"}, float32(0.1), "a\xff", []byte("abc"), map[string]any{"\xff": 1},
		struct{ A int }{3}, math.Copysign(0, -1), 1e21, 1e18, uint64(math.MaxUint64), json.Number("1.50"), map[string]int{"a": 1},
	})
	rapid.Check(t, func(t *rapid.T) {
		v := drawValue(4).Draw(t, "v")
		if rapid.Bool().Draw(t, "odd") {
			v = []any{v, map[string]any{"odd": odd.Draw(t, "what")}}
		}
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		want, err := msg.Data(json.RawMessage(raw))
		require.NoError(t, err)
		got, err := msg.Data(v)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
	loop := map[string]any{}
	loop["self"] = loop
	for _, bad := range []any{loop, math.NaN(), []any{math.Inf(1)}, make(chan int)} {
		_, err := msg.Data(bad)
		require.ErrorIs(t, err, msg.ErrInvalid)
	}
}
