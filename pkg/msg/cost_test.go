package msg_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// Lengths that are announced and not kept cost little, one inside of the other, in a list of messages and in a stream.
func TestAnnouncementsCostLittle(t *testing.T) {
	var got msg.Msg
	for name, read := range map[string]func() error{
		"maps": func() error {
			_, err := msg.Msgpack.Decode([]byte("\x99\x01\xa0\xa0\xa0" + strings.Repeat("\xdf\xff\xff\xff\xff\xa1a", msg.MaxDepth-1)))
			return err
		},
		"lists": func() error {
			_, err := msg.Msgpack.Decode([]byte("\x99\x01\xa0\xa0\xa0" + strings.Repeat("\xdd\xff\xff\xff\xff", msg.MaxDepth-1)))
			return err
		},
		"messages": func() error { _, err := msg.Msgpack.DecodeList([]byte("\xdc\x0f\xff\x99")); return err },
		"text": func() error {
			return got.DecodeMsgpack(msgpack.NewDecoder(strings.NewReader("\x99\x01\xdb\xff\xff\xff\xff")))
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := read()
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, msg.ErrMalformed, name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(512<<10), name)
	}
}

// A message that is read or written leaves nothing behind but itself.
func TestMessagesCostOnlyThemselves(t *testing.T) {
	m := msg.Msg{ID: "m1", Name: "ann", Role: msg.RoleUser, Content: msg.Text("thirty-three"), Time: time.Unix(7, 0)}
	data, err := msg.Msgpack.Encode(m)
	require.NoError(t, err)
	decode := testing.AllocsPerRun(100, func() { _, _ = msg.Msgpack.Decode(data) })
	require.LessOrEqual(t, decode, 4.0, "three strings, and that of the content once more as a value")
	encode := testing.AllocsPerRun(100, func() { _, _ = msg.Msgpack.Encode(m) })
	require.Less(t, encode, 3.0, "the bytes; the buffer they were put together in when the collector took it")
}
