package msg_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// kindOf is what a caller can tell an error by.
func kindOf(err error) error {
	for _, want := range []error{msg.ErrMalformed, msg.ErrVersion, msg.ErrInvalid, msg.ErrTooDeep, msg.ErrTooLarge} {
		if errors.Is(err, want) {
			return want
		}
	}
	return err
}

// drawWild draws metadata of all types that Go has for a message, sometimes with one value that may be unable to travel.
func drawWild(t *rapid.T) map[string]any {
	leaf := rapid.OneOf(
		drawValue(4), rapid.Int8().AsAny(), rapid.Int16().AsAny(), rapid.Int32().AsAny(), rapid.Int64().AsAny(),
		rapid.Uint().AsAny(), rapid.Uint8().AsAny(), rapid.Uint16().AsAny(), rapid.Uint32().AsAny(),
		rapid.SampledFrom([]any{
			int64(-32), int64(-33), int64(-128), int64(-129), int64(-32768), int64(-32769), int64(math.MinInt32), int64(math.MinInt32 - 1),
			127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, 0x1p62, -0x1p63, 1e300, 0.25,
			strings.Repeat("é", 15), strings.Repeat("a", 31), strings.Repeat("a", 32), strings.Repeat("a", 255), strings.Repeat("a", 256),
			strings.Repeat("a", 65535), strings.Repeat("a", 65536), make([]any, 15), make([]any, 16), make([]string, 65536),
			[]string{"a", ""}, []string(nil), []any(nil), map[string]any(nil),
		}),
	)
	m := rapid.MapOfN(rapid.String(), leaf, 0, 20).Draw(t, "metadata")
	texts := any([]string{"x"})
	for range msg.MaxDepth - 3 {
		texts = []any{texts}
	}
	if rapid.IntRange(0, 2).Draw(t, "wild") == 0 {
		m["wild"] = rapid.SampledFrom([]any{
			math.NaN(), math.Inf(1), float32(math.Inf(-1)), "\xff", []string{"\xff"}, map[string]any{"\xff": 1}, []byte("a"), struct{}{},
			nested(msg.MaxDepth - 1), nested(msg.MaxDepth), []any{nested(msg.MaxDepth - 2)}, texts, []any{texts}, []any{[]any{texts}},
			[]any{[]any{[]string{}}},
		}).Draw(t, "value")
	}
	return m
}

// The encoder writes what the library would, and refuses what JSON refuses, for the same reason.
func TestEncoderWritesWhatTheLibraryWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMsg(t)
		m.Metadata = drawWild(t)
		if rapid.IntRange(0, 9).Draw(t, "broken") == 0 {
			rapid.SampledFrom([]func(){
				func() { m.ID = "\xff" }, func() { m.Role = "king" }, func() { m.URLs = []string{"\xff"} },
				func() { m.Content = msg.Text("\xff") }, func() { m.Time = time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC) },
				func() { m.Placeholder = &msg.Placeholder{Run: "r"} },
				func() {
					m.Placeholder = &msg.Placeholder{Run: "r", Producer: "\xff", ID: "i"}
					m.Content = msg.Content{}
				},
			}).Draw(t, "how")()
		}
		got, err := msg.Msgpack.Encode(m)
		_, other := msg.JSON.Encode(m)
		require.Equal(t, kindOf(other), kindOf(err), "%v, %v", other, err)
		if err != nil {
			return
		}
		want, err := libraryEncode(m)
		require.NoError(t, err)
		require.Equal(t, want, got)

		var b bytes.Buffer
		require.NoError(t, msgpack.NewEncoder(&b).EncodeMulti(m, m))
		require.Equal(t, append(bytes.Clone(want), want...), b.Bytes())
		list, err := msg.Msgpack.EncodeList([]msg.Msg{m, m})
		require.NoError(t, err)
		require.Equal(t, append([]byte{0x92}, b.Bytes()...), list)
	})
}

// sameAsLibrary reads bytes as the package does, whole and as a stream, and as the library does.
func sameAsLibrary(t require.TestingT, data []byte) {
	r := bytes.NewReader(data)
	want, wantErr := libraryDecode(r)

	in := bytes.NewReader(data)
	var streamed msg.Msg
	err := streamed.DecodeMsgpack(msgpack.NewDecoder(in))
	require.Equal(t, kindOf(wantErr), kindOf(err), "%v, %v", wantErr, err)
	if err == nil {
		require.Equal(t, want, streamed)
		require.Equal(t, r.Len(), in.Len(), "what follows is for the next reader")
	}

	if wantErr == nil && r.Len() > 0 {
		wantErr = msg.ErrMalformed
	}
	got, err := msg.Msgpack.Decode(data)
	require.Equal(t, kindOf(wantErr), kindOf(err), "%v, %v", wantErr, err)
	if err == nil {
		require.Equal(t, want, got)
	}
}

// sameListAsLibrary is sameAsLibrary for the messages of a request.
func sameListAsLibrary(t require.TestingT, data []byte) {
	want, wantErr := libraryDecodeList(data)
	got, err := msg.Msgpack.DecodeList(data)
	require.Equal(t, kindOf(wantErr), kindOf(err), "%v, %v", wantErr, err)
	if err == nil {
		require.Equal(t, want, got)
	}
}

// mutate damages bytes in the ways in which bytes are damaged, or made.
func mutate(t *rapid.T, data []byte) []byte {
	data = bytes.Clone(data)
	for range rapid.IntRange(0, 3).Draw(t, "times") {
		if len(data) == 0 {
			break
		}
		at := rapid.IntRange(0, len(data)-1).Draw(t, "at")
		switch rapid.IntRange(0, 3).Draw(t, "how") {
		case 0:
			data[at] = rapid.Byte().Draw(t, "byte")
		case 1:
			data = data[:at]
		case 2:
			more := rapid.SliceOfN(rapid.ByteRange(0x80, 0xff), 1, 9).Draw(t, "more")
			data = append(data[:at:at], append(more, data[at:]...)...)
		case 3:
			to := rapid.IntRange(at, len(data)).Draw(t, "to")
			data = append(data[:at:at], data[to:]...)
		}
	}
	return data
}

func TestDecoderReadsWhatTheLibraryReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMsg(t)
		m.Metadata = map[string]any{"v": drawValue(4).Draw(t, "deep")}
		data, err := libraryEncode(m)
		require.NoError(t, err)
		sameAsLibrary(t, data)
		sameListAsLibrary(t, data)
		two := append(append([]byte{0x92}, data...), data...)
		sameListAsLibrary(t, two)
		for range 20 {
			sameAsLibrary(t, mutate(t, data))
			sameListAsLibrary(t, mutate(t, two))
		}
	})
}

// Fields of any type in any place: a wrong type, a later field, a whole number in a float.
func TestDecoderReadsAnyFieldsAsTheLibraryDoes(t *testing.T) {
	field := rapid.OneOf(
		rapid.Just[any](nil), drawValue(4), rapid.SampledFrom([]any{
			"user", "king", []byte("b"), time.Unix(5, 0), 3.0, 0.5, float32(2), nested(msg.MaxDepth), nested(msg.MaxDepth + 1),
			[]string{"a", "b"}, []any{"a", nil}, []any{"r", "p", "i", nil}, []any{"r", "p", "i", 7, []byte("more")}, []any{"r", "p", 1.5, true},
			[]any{"r", "p"}, map[int]int{1: 2}, math.NaN(), uint64(math.MaxUint64), "\xff", map[string]any{},
			msgpack.RawMessage("\xc1"), msgpack.RawMessage("\x82\xa1a\x01\xa1a\x02"), msgpack.RawMessage("\x82\xa1a\x01\xa1a\xa1\xff"),
			msgpack.RawMessage("\xc7\x03\x05abc"), msgpack.RawMessage("\xd8\x05" + strings.Repeat("x", 16)), msgpack.RawMessage("\xd0\x85"),
			msgpack.RawMessage("\xc9\x00\x00\x00\x01\x05x"), msgpack.RawMessage("\xd1\x80\x00"), msgpack.RawMessage("\xd2\x80\x00\x00\x00"),
		}))
	rapid.Check(t, func(t *rapid.T) {
		fields := []any{1, "m1", "ann", "user", "hi", []any{}, map[string]any{}, nil, nil}
		if rapid.Bool().Draw(t, "promise") {
			fields[4], fields[8] = nil, []any{"r", "p", "i", 5}
		}
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			fields[rapid.IntRange(0, 8).Draw(t, "which")] = field.Draw(t, "field")
		}
		fields = append(fields, rapid.SliceOfN(field, 0, 3).Draw(t, "later")...)
		data, err := msgpack.Marshal(fields)
		require.NoError(t, err)
		sameAsLibrary(t, data)
	})
}

// A message is read from any reader, in pieces of any size, and so is what is too long for one piece.
func TestMessagesAreReadFromSlowReaders(t *testing.T) {
	m := golden(t)
	m.URLs = append(m.URLs, strings.Repeat("long ", 100_000))
	data, err := msg.Msgpack.Encode(m)
	require.NoError(t, err)
	want, err := msg.Msgpack.Decode(data)
	require.NoError(t, err)
	dec := msgpack.NewDecoder(iotest.OneByteReader(bytes.NewReader(append(bytes.Clone(data), data...))))
	for range 2 {
		var got msg.Msg
		require.NoError(t, dec.Decode(&got))
		require.Equal(t, want, got)
	}
	var got msg.Msg
	endless := binary.BigEndian.AppendUint32([]byte("\x99\x01\xdb"), math.MaxUint32)
	require.ErrorIs(t, got.DecodeMsgpack(msgpack.NewDecoder(bytes.NewReader(endless))), msg.ErrMalformed)
}

func FuzzSameAsLibrary(f *testing.F) {
	for _, seed := range []string{
		"\x99\x01\xa0\xa0\xa0\xc0\x90\x80\xc0\xc0", "\x91\x02", "\x99\x01\xa0\xa0\xa4user\xa1x\x91\xa1u\x81\xa1k\xcb?\xd0\x00\x00\x00\x00\x00\x00\x05\xc0",
		"\x9a\x01\xa0\xa0\xa0\xc0\x90\x80\xc0\x94\xa1r\xa1p\xa1i\xcf\x18\xea\x07\x17\xbd\x2c\x40\x00\xd6\xff\x00\x00\x00\x01",
	} {
		f.Add([]byte(seed))
	}
	f.Add([]byte("\x92\x99\x01\xa0\xa0\xa0\xc0\x90\x80\xc0\xc0\x99\x01\xa0\xa0\xa0\xc0\x90\x80\xc0\xc0"))
	f.Add([]byte("\xdd0000\xdd")) // too many, and cut
	f.Fuzz(func(t *testing.T, data []byte) {
		sameAsLibrary(t, data)
		sameListAsLibrary(t, data)
	})
}
