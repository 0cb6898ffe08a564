package msg_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/msg"
)

func TestListsComeBackAsTheyWere(t *testing.T) {
	for _, e := range []msg.Encoding{msg.Msgpack, msg.JSON} {
		for _, n := range []int{0, 1, 2, 15, 16, 300} {
			var list []msg.Msg
			for i := range n {
				list = append(list, msg.Msg{Name: fmt.Sprint("n", i), Content: msg.Text(fmt.Sprint("said ", i))})
			}
			data, err := e.EncodeList(list)
			require.NoError(t, err)
			got, err := e.DecodeList(data)
			require.NoError(t, err)
			require.Equal(t, list, got)
			if n == 1 {
				one, err := e.Decode(data)
				require.NoError(t, err)
				require.Equal(t, list[0], one, "one message needs no list")
			}
		}
	}
}

func TestListsRefuse(t *testing.T) {
	_, err := msg.JSON.EncodeList(make([]msg.Msg, msg.MaxList+1))
	require.ErrorIs(t, err, msg.ErrTooLarge)
	for in, want := range map[string]error{
		`[`: msg.ErrMalformed, `[1]`: msg.ErrMalformed, `[{"v":9}]`: msg.ErrVersion, `7`: msg.ErrMalformed, `[{}] x`: msg.ErrMalformed,
	} {
		_, err := msg.JSON.DecodeList([]byte(in))
		require.ErrorIs(t, err, want, in)
	}
	one, err := msg.Msgpack.Encode(msg.Msg{Name: "n"})
	require.NoError(t, err)
	for name, data := range map[string][]byte{
		"a number": {7}, "cut": {0xdd, 0xff, 0xff}, "promised": {0xdc, 0x0f, 0xff, 0x91}, "more": append(append([]byte{0x91}, one...), 0),
	} {
		_, err := msg.Msgpack.DecodeList(data)
		require.ErrorIs(t, err, msg.ErrMalformed, name)
	}
	_, err = msg.Msgpack.DecodeList(append([]byte{0xdd, 0x7f, 0, 0, 0}, one...))
	require.ErrorIs(t, err, msg.ErrTooLarge)
}

func FuzzDecodeList(f *testing.F) {
	f.Add([]byte(`[{"content":"a"},{"content":"b"}]`), true)
	two, err := msg.Msgpack.EncodeList(make([]msg.Msg, 2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(two, false)
	f.Fuzz(func(t *testing.T, data []byte, asJSON bool) {
		e := msg.Msgpack
		if asJSON {
			e = msg.JSON
		}
		list, err := e.DecodeList(data)
		if err != nil {
			return
		}
		again, err := e.EncodeList(list)
		if err != nil {
			return // larger in our words than in theirs
		}
		got, err := e.DecodeList(again)
		require.NoError(t, err)
		require.Equal(t, list, got)
	})
}
