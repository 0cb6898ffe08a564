package value_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/environment/value"
	"github.com/myriad-sim/myriad/pkg/msg"
)

func anyValue(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.Int64(), func(n int64) any { return n }),
		rapid.Map(rapid.Float64Range(-1e300, 1e300), func(f float64) any { return f }),
		rapid.Map(rapid.String(), func(s string) any { return s }),
	}
	if depth == 0 {
		return rapid.OneOf(leaves...)
	}
	return rapid.OneOf(append(leaves,
		rapid.Map(rapid.SliceOfN(anyValue(depth-1), 0, 4), func(l []any) any { return l }),
		rapid.Map(rapid.MapOfN(rapid.String(), anyValue(depth-1), 0, 4), func(m map[string]any) any { return m }))...)
}

// A value is the same after a journey in a message of either encoding, and in a record.
func TestValuesStayWhatTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, err := value.Normal(anyValue(3).Draw(t, "v"))
		require.NoError(t, err)
		c, err := value.Content(v)
		require.NoError(t, err)
		for _, e := range []msg.Encoding{msg.JSON, msg.Msgpack} {
			data, err := e.Encode(msg.Msg{Content: c})
			require.NoError(t, err)
			m, err := e.Decode(data)
			require.NoError(t, err)
			got := value.Of(m.Content)
			require.True(t, value.Equal(v, got), "%#v %#v", v, got)
		}
		var b bytes.Buffer
		require.NoError(t, value.Pack(msgpack.NewEncoder(&b), v))
		got, err := value.Unpack(msgpack.NewDecoder(&b))
		require.NoError(t, err)
		require.Equal(t, v, got)
	})
}

func TestWhatIsNoValueIsRefused(t *testing.T) {
	deep := any("x")
	for range value.MaxDepth {
		deep = []any{deep}
	}
	for _, v := range []any{math.NaN(), math.Inf(1), "\xff", map[string]any{"\xff": 1}, deep, make(chan int), []any{math.NaN()}} {
		_, err := value.Normal(v)
		require.ErrorIs(t, err, value.ErrInvalid)
	}
	for _, raw := range []string{"", "{", "1 2", strings.Repeat("[", 100) + strings.Repeat("]", 100), "1e999"} {
		_, err := value.Parse([]byte(raw))
		require.ErrorIs(t, err, value.ErrInvalid, raw)
	}
}

func TestGoTypesAreTakenAsJSON(t *testing.T) {
	v, err := value.Normal(struct {
		A uint8   `json:"a"`
		B float32 `json:"b"`
		C []int   `json:"c"`
	}{1, 2, []int{3}})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": int64(1), "b": int64(2), "c": []any{int64(3)}}, v)
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte{0x93, 1, 2, 0x81, 0xa1, 'a', 0xc3})
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := value.Unpack(msgpack.NewDecoder(bytes.NewReader(data)))
		if err != nil {
			return
		}
		var b bytes.Buffer
		require.NoError(t, value.Pack(msgpack.NewEncoder(&b), v))
		again, err := value.Unpack(msgpack.NewDecoder(&b))
		require.NoError(t, err)
		require.Equal(t, v, again)
	})
}
