package msg_test

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/msg"
)

var both = []msg.Encoding{msg.Msgpack, msg.JSON}

// golden is a message that uses every type that travels.
func golden(t *testing.T) msg.Msg {
	t.Helper()
	content, err := msg.Data(map[string]any{"bid": 12, "odds": 0.25, "open": true})
	require.NoError(t, err)
	return msg.Msg{
		ID: "m1", Name: "ann", Role: msg.RoleAssistant, Content: content,
		URLs:     []string{"https://example.org/a.png"},
		Metadata: map[string]any{"b": []any{nil, "é"}, "a": -3},
		Time:     time.Date(2026, 11, 21, 9, 30, 0, 5, time.UTC),
	}
}

// The bytes are a promise to other languages and to recorded runs: they never change within a version.
func TestGoldenBytes(t *testing.T) {
	for _, c := range []struct {
		m             msg.Msg
		msgpack, json string
	}{
		{
			m: golden(t),
			msgpack: "9901a26d31a3616e6ea9617373697374616e7483a36269640ca46f646473cb3fd0000000000000a46f70656ec3" +
				"91b968747470733a2f2f6578616d706c652e6f72672f612e706e6782a161fda16292c0a2c3a9cf18ea0574a4cff005c0",
			json: `{"v":1,"id":"m1","name":"ann","role":"assistant","content":{"bid":12,"odds":0.25,"open":true},` +
				`"urls":["https://example.org/a.png"],"metadata":{"a":-3,"b":[null,"é"]},` +
				`"timestamp":"2026-11-21T09:30:00.000000005Z"}`,
		},
		{
			m: msg.Msg{Name: "bob", Placeholder: &msg.Placeholder{
				Run: "r1", Producer: "h1-a", ID: "x", Expires: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC),
			}},
			msgpack: "9901a0a3626f62a0c09080c094a27231a468312d61a178cf18ea0717bd2c4000",
			json:    `{"v":1,"name":"bob","placeholder":{"run":"r1","producer":"h1-a","id":"x","expires":"2026-11-21T10:00:00Z"}}`,
		},
		{m: msg.Msg{}, msgpack: "9901a0a0a0c09080c0c0", json: `{"v":1}`},
	} {
		packed, err := msg.Msgpack.Encode(c.m)
		require.NoError(t, err)
		require.Equal(t, c.msgpack, hex.EncodeToString(packed))
		text, err := msg.JSON.Encode(c.m)
		require.NoError(t, err)
		require.Equal(t, c.json, string(text))

		fromPacked, err := msg.Msgpack.Decode(packed)
		require.NoError(t, err)
		fromText, err := msg.JSON.Decode(text)
		require.NoError(t, err)
		require.Equal(t, fromPacked, fromText)
	}
}

// What comes back from either form is the message that was sent, numbers in normal form, and both forms agree.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := drawMsg(t)
		var got [2]msg.Msg
		for i, e := range both {
			data, err := e.Encode(sent)
			require.NoError(t, err)
			again, err := e.Encode(sent)
			require.NoError(t, err)
			require.Equal(t, data, again)
			got[i], err = e.Decode(data)
			require.NoError(t, err)
		}
		require.Equal(t, got[0], got[1])
		m := got[0]
		require.Equal(t, sent.ID, m.ID)
		require.Equal(t, sent.Name, m.Name)
		require.Equal(t, sent.Role, m.Role)
		require.Equal(t, sent.Content, m.Content)
		require.Equal(t, sent.URLs, m.URLs)
		require.True(t, sent.Time.Equal(m.Time))
		require.Equal(t, sent.Placeholder, m.Placeholder)
		require.Len(t, m.Metadata, len(sent.Metadata))
		for k, v := range sent.Metadata {
			require.EqualValues(t, v, m.Metadata[k])
		}
	})
}

// What was decoded once travels on unchanged, whatever it was at first.
func TestDecodedMessagesAreStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := drawMsg(t)
		sent.Metadata = map[string]any{"v": drawValue(4).Draw(t, "deep")}
		data, err := msg.Msgpack.Encode(sent)
		require.NoError(t, err)
		once, err := msg.Msgpack.Decode(data)
		require.NoError(t, err)
		for _, e := range both {
			data, err := e.Encode(once)
			require.NoError(t, err)
			twice, err := e.Decode(data)
			require.NoError(t, err)
			require.Equal(t, once, twice)
		}
	})
}

func TestNumbersHaveOneForm(t *testing.T) {
	for in, want := range map[any]any{
		int8(-5): int64(-5), uint8(200): int64(200), uint32(7): int64(7), int64(math.MinInt64): int64(math.MinInt64),
		uint64(math.MaxUint64): float64(math.MaxUint64), 3.0: int64(3), float32(0.5): 0.5, 1e300: 1e300,
		math.Copysign(0, -1): int64(0), -0x1p63: int64(math.MinInt64), 0x1p63: 0x1p63, 5e-324: 5e-324,
		int64(1<<53 + 1): int64(1<<53 + 1),
	} {
		for _, e := range both {
			data, err := e.Encode(msg.Msg{Metadata: map[string]any{"n": in}})
			require.NoError(t, err)
			m, err := e.Decode(data)
			require.NoError(t, err)
			require.Equal(t, want, m.Metadata["n"], "%v", in)
		}
	}
}

// A person types only what matters.
func TestJSONByHand(t *testing.T) {
	m, err := msg.JSON.Decode([]byte(` {"content":"hello"} `))
	require.NoError(t, err)
	require.Equal(t, msg.Msg{Content: msg.Text("hello")}, m)

	m, err = msg.JSON.Decode([]byte(`{"name":null,"timestamp":"2026-11-21T10:30:00+01:00","added":{"later":[1]},"metadata":{}}`))
	require.NoError(t, err)
	require.Equal(t, msg.Msg{Time: time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)}, m)
}

// A later program appends fields; this one steps over them, whatever they are.
func TestAppendedFieldsAreTolerated(t *testing.T) {
	later := []any{
		1, "m1", "ann", "user", nil, []any{}, map[string]any{}, nil,
		[]any{"r1", "h1", "x", nil, "new", []byte{1}},
		[]byte{1, 2}, map[int]any{1: []any{time.Unix(5, 0)}}, 2.5,
	}
	data, err := msgpack.Marshal(later)
	require.NoError(t, err)
	m, err := msg.Msgpack.Decode(data)
	require.NoError(t, err)
	require.Equal(t, msg.Msg{
		ID: "m1", Name: "ann", Role: msg.RoleUser, Placeholder: &msg.Placeholder{Run: "r1", Producer: "h1", ID: "x"},
	}, m)
}

func TestMsgInsideOtherValues(t *testing.T) {
	type letter struct {
		From string
		Msgs []msg.Msg
		Last *msg.Msg
	}
	m := msg.Msg{ID: "m1", Content: msg.Text("hi"), Time: time.Unix(7, 0).UTC()}
	sent := letter{"ann", []msg.Msg{m, m}, &m}
	var packed, text letter

	data, err := msgpack.Marshal(sent)
	require.NoError(t, err)
	require.NoError(t, msgpack.Unmarshal(data, &packed))
	require.Equal(t, sent, packed)

	data, err = json.Marshal(sent)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &text))
	require.Equal(t, sent, text)

	_, err = msgpack.Marshal(msg.Msg{Role: "king"})
	require.ErrorIs(t, err, msg.ErrInvalid)
}

func drawMsg(t *rapid.T) msg.Msg {
	m := msg.Msg{
		ID:   rapid.String().Draw(t, "id"),
		Name: rapid.String().Draw(t, "name"),
		Role: rapid.SampledFrom([]msg.Role{"", msg.RoleSystem, msg.RoleUser, msg.RoleAssistant}).Draw(t, "role"),
		Metadata: rapid.MapOfN(rapid.String(), rapid.OneOf(
			rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Int64().AsAny(),
			rapid.Just[any](0.5), rapid.Just[any]([]any{}), rapid.Just[any](map[string]any{}),
		), 0, 5).Draw(t, "metadata"),
	}
	if urls := rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "urls"); len(urls) > 0 {
		m.URLs = urls
	}
	anyTime := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(0, rapid.Int64().Draw(t, "nanoseconds")).UTC()
	})
	if rapid.Bool().Draw(t, "timed") {
		m.Time = anyTime.Draw(t, "time")
	}
	switch rapid.SampledFrom([]string{"none", "text", "data", "promise"}).Draw(t, "kind") {
	case "text":
		m.Content = msg.Text(rapid.String().Draw(t, "text"))
	case "data":
		c, err := msg.Data(drawValue(4).Draw(t, "data"))
		require.NoError(t, err)
		m.Content = c
	case "promise":
		name := rapid.StringN(1, 10, -1)
		m.Placeholder = &msg.Placeholder{
			Run: name.Draw(t, "run"), Producer: name.Draw(t, "producer"), ID: name.Draw(t, "promise"),
		}
		if rapid.Bool().Draw(t, "expires") {
			m.Placeholder.Expires = anyTime.Draw(t, "expiry")
		}
	}
	return m
}

// drawValue draws a value nested at most so deeply.
func drawValue(depth int) *rapid.Generator[any] {
	plain := rapid.OneOf(
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Int().AsAny(), rapid.Uint64().AsAny(),
		rapid.Float64().AsAny(), rapid.Float32().AsAny(),
	)
	if depth <= 1 {
		return plain
	}
	inner := rapid.Deferred(func() *rapid.Generator[any] { return drawValue(depth - 1) })
	return rapid.OneOf(plain,
		rapid.SliceOfN(inner, 0, 4).AsAny(), rapid.MapOfN(rapid.String(), inner, 0, 4).AsAny())
}

func TestSizeLimit(t *testing.T) {
	fits := strings.Repeat("x", msg.MaxSize-100)
	for _, e := range both {
		data, err := e.Encode(msg.Msg{Content: msg.Text(fits)})
		require.NoError(t, err)
		_, err = e.Decode(data)
		require.NoError(t, err)
		_, err = e.Encode(msg.Msg{Content: msg.Text(fits + fits)})
		require.ErrorIs(t, err, msg.ErrTooLarge)
		_, err = e.Decode(make([]byte, msg.MaxSize+1))
		require.ErrorIs(t, err, msg.ErrTooLarge)
	}
}
