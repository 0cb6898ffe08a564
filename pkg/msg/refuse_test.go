package msg_test

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/pkg/msg"
)

func TestUnknownVersionIsRefusedByName(t *testing.T) {
	// The rest need not make sense to this version.
	packed, err := msgpack.Marshal([]any{2, map[string]any{"new": "layout"}})
	require.NoError(t, err)
	for e, data := range map[msg.Encoding][]byte{
		msg.Msgpack: packed,
		msg.JSON:    []byte(`{"v":2,"content":"hi","role":{"new":"layout"}}`),
	} {
		_, err := e.Decode(data)
		require.ErrorIs(t, err, msg.ErrVersion)
		require.ErrorContains(t, err, "version 2")
	}
}

func TestEncodeRefuses(t *testing.T) {
	loop := map[string]any{}
	loop["self"] = loop
	promise := &msg.Placeholder{Run: "r1", Producer: "h1", ID: "x"}
	for name, c := range map[string]struct {
		m    msg.Msg
		want error
	}{
		"unknown role":        {msg.Msg{Role: "king"}, msg.ErrInvalid},
		"content and promise": {msg.Msg{Content: msg.Text(""), Placeholder: promise}, msg.ErrInvalid},
		"promise of nobody":   {msg.Msg{Placeholder: &msg.Placeholder{Run: "r1", ID: "x"}}, msg.ErrInvalid},
		"broken id":           {msg.Msg{ID: "\xff"}, msg.ErrInvalid},
		"broken text":         {msg.Msg{Content: msg.Text("a\xff")}, msg.ErrInvalid},
		"broken url":          {msg.Msg{URLs: []string{"\xff"}}, msg.ErrInvalid},
		"broken key":          {msg.Msg{Metadata: map[string]any{"\xff": 1}}, msg.ErrInvalid},
		"broken value":        {msg.Msg{Metadata: map[string]any{"a": []string{"\xff"}}}, msg.ErrInvalid},
		"NaN":                 {msg.Msg{Metadata: map[string]any{"a": math.NaN()}}, msg.ErrInvalid},
		"infinity":            {msg.Msg{Metadata: map[string]any{"a": float32(math.Inf(-1))}}, msg.ErrInvalid},
		"a channel":           {msg.Msg{Metadata: map[string]any{"a": []any{make(chan int)}}}, msg.ErrInvalid},
		"bytes":               {msg.Msg{Metadata: map[string]any{"a": []byte("x")}}, msg.ErrInvalid},
		"year 2500":           {msg.Msg{Time: time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC)}, msg.ErrInvalid},
		"deep metadata":       {msg.Msg{Metadata: map[string]any{"a": nested(msg.MaxDepth)}}, msg.ErrTooDeep},
		"a loop":              {msg.Msg{Metadata: loop}, msg.ErrTooDeep},
	} {
		for _, e := range both {
			_, err := e.Encode(c.m)
			require.ErrorIs(t, err, c.want, name)
		}
	}
	// One level less travels.
	for _, e := range both {
		data, err := e.Encode(msg.Msg{Metadata: map[string]any{"a": nested(msg.MaxDepth - 1)}})
		require.NoError(t, err)
		_, err = e.Decode(data)
		require.NoError(t, err)
	}
}

// Each row is the same mistake in both forms; both refuse it with the same error.
func TestDecodeRefuses(t *testing.T) {
	ok := func(change func(f []any) []any) []any {
		return change([]any{1, "m1", "ann", "user", "hi", []any{}, map[string]any{}, nil, nil})
	}
	set := func(i int, v any) []any { return ok(func(f []any) []any { f[i] = v; return f }) }
	promise := func(p any) []any { return ok(func(f []any) []any { f[4], f[8] = nil, p; return f }) }
	for name, c := range map[string]struct {
		packed any
		text   string
		want   error
	}{
		"nothing":          {nil, ``, msg.ErrMalformed},
		"a number":         {7, `7`, msg.ErrMalformed},
		"a text":           {"hi", `"hi"`, msg.ErrMalformed},
		"a list":           {[]any{}, `[]`, msg.ErrMalformed},
		"version text":     {set(0, "1"), `{"v":"1"}`, msg.ErrMalformed},
		"version 0":        {set(0, 0), `{"v":0}`, msg.ErrVersion},
		"version 1.5":      {set(0, 1.5), `{"v":1.5}`, msg.ErrMalformed},
		"id number":        {set(1, 5), `{"id":5}`, msg.ErrMalformed},
		"role number":      {set(3, 5), `{"role":5}`, msg.ErrMalformed},
		"role unknown":     {set(3, "king"), `{"role":"king"}`, msg.ErrInvalid},
		"urls text":        {set(5, "a"), `{"urls":"a"}`, msg.ErrMalformed},
		"urls of numbers":  {set(5, []any{1}), `{"urls":[1]}`, msg.ErrMalformed},
		"metadata list":    {set(6, []any{}), `{"metadata":[]}`, msg.ErrMalformed},
		"time of a bool":   {set(7, true), `{"timestamp":true}`, msg.ErrMalformed},
		"time of nonsense": {set(7, "now"), `{"timestamp":"now"}`, msg.ErrMalformed},
		"promise text":     {promise("x"), `{"placeholder":"x"}`, msg.ErrMalformed},
		"promise list":     {promise([]any{"r1"}), `{"placeholder":["r1"]}`, msg.ErrMalformed},
		"promise numbers":  {promise([]any{1, 2, 3, nil}), `{"placeholder":{"run":1,"producer":2,"id":3}}`, msg.ErrMalformed},
		"promise of none":  {promise([]any{"", "", "", nil}), `{"placeholder":{}}`, msg.ErrInvalid},
		"promise expiry": {
			promise([]any{"r", "p", "x", "now"}), `{"placeholder":{"run":"r","producer":"p","id":"x","expires":"now"}}`,
			msg.ErrMalformed,
		},
		"both": {
			set(8, []any{"r", "p", "x", nil}), `{"content":"hi","placeholder":{"run":"r","producer":"p","id":"x"}}`,
			msg.ErrInvalid,
		},
		"deep content": {
			set(4, nested(msg.MaxDepth+1)), `{"content":` + brackets(msg.MaxDepth) + `}`, msg.ErrTooDeep,
		},
		"deep appended": {
			ok(func(f []any) []any { return append(f, nested(msg.MaxDepth+1)) }), `{"new":` + brackets(msg.MaxDepth) + `}`,
			msg.ErrTooDeep,
		},
	} {
		packed, err := msgpack.Marshal(c.packed)
		require.NoError(t, err)
		_, err = msg.Msgpack.Decode(packed)
		require.ErrorIs(t, err, c.want, "%s, msgpack", name)
		_, err = msg.JSON.Decode([]byte(c.text))
		require.ErrorIs(t, err, c.want, "%s, JSON", name)
	}
}

// brackets is a list of depth plus one levels around a number.
func brackets(depth int) string {
	return strings.Repeat("[", depth) + "[1]" + strings.Repeat("]", depth)
}

func TestDecodeRefusesBrokenJSON(t *testing.T) {
	for _, text := range []string{
		`{`, `{"v":1`, `{"v":1}x`, `{"v":1}{}`, `{"v":1]`, `{v:1}`, `{"id":"a","id":"b"}`, `{"metadata":{"a":1,"a":2}}`,
		"{\"id\":\"\xff\"}", `{"content":[1,]}`, `{"content":01}`, `{"content":nul}`, `{"content":"a`, `{1:2}`, `{"a" 1}`,
	} {
		_, err := msg.JSON.Decode([]byte(text))
		require.ErrorIs(t, err, msg.ErrMalformed, text)
	}
	_, err := msg.JSON.Decode([]byte(`{"content":1e999}`))
	require.ErrorIs(t, err, msg.ErrInvalid)
}

func TestDecodeRefusesBrokenMsgpack(t *testing.T) {
	whole, err := msg.Msgpack.Encode(golden(t))
	require.NoError(t, err)
	for n := range whole {
		_, err := msg.Msgpack.Decode(whole[:n])
		require.ErrorIs(t, err, msg.ErrMalformed, "cut at %d", n)
	}
	_, err = msg.Msgpack.Decode(append(bytes.Clone(whole), 0xc0))
	require.ErrorIs(t, err, msg.ErrMalformed)

	head := "\x99\x01\xa0\xa0\xa0" // version, id, name, role; the content follows
	tail := "\x90\x80\xc0\xc0"
	for name, content := range map[string]string{
		"reserved code":   "\xc1",
		"bytes":           "\xc4\x01a",
		"a time":          "\xd6\xff\x00\x00\x00\x01",
		"number as key":   "\x81\x01\x01",
		"nil as key":      "\x81\xc0\x01",
		"bytes as key":    "\x81\xc4\x01a\x01",
		"a key twice":     "\x82\xa1a\x01\xa1a\x02",
		"endless list":    "\xdd\xff\xff\xff\xff",
		"endless map":     "\xdf\xff\xff\xff\xff",
		"endless text":    "\xdb\xff\xff\xff\xff",
		"broken text key": "\x81\xa1\xff\x01",
	} {
		_, err := msg.Msgpack.Decode([]byte(head + content + tail))
		require.Error(t, err, name)
		require.True(t, known(err), "%s: %v", name, err)
	}
	_, err = msg.Msgpack.Decode([]byte(head + "\xa1\xff" + tail))
	require.ErrorIs(t, err, msg.ErrInvalid)
}

// A few bytes that announce four billion elements, and a megabyte of open brackets, cost little.
func TestDecodeHoldsOnlyWhatIsPaidFor(t *testing.T) {
	head := "\x99\x01\xa0\xa0\xa0"
	for name, data := range map[string]string{
		"announced list": head + "\xdd\xff\xff\xff\xff\x01\x02",
		"announced map":  head + "\xdf\xff\xff\xff\xff\xa1a\x01",
		"nested lists":   head + strings.Repeat("\x91", msg.MaxSize-10),
		"nested skipped": "\x9a\x01\xa0\xa0\xa0\xc0\x90\x80\xc0\xc0" + strings.Repeat("\x91", msg.MaxSize-10),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := msg.Msgpack.Decode([]byte(data))
		runtime.ReadMemStats(&after)
		require.Error(t, err, name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), name)
	}
	_, err := msg.JSON.Decode([]byte(`{"content":` + strings.Repeat("[", msg.MaxSize-20)))
	require.ErrorIs(t, err, msg.ErrTooDeep)
}

func known(err error) bool {
	for _, want := range []error{msg.ErrMalformed, msg.ErrVersion, msg.ErrInvalid, msg.ErrTooDeep, msg.ErrTooLarge} {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}

func FuzzDecodeMsgpack(f *testing.F) {
	fuzzDecode(f, msg.Msgpack, "\x91\x02", "\x99\x01\xa0\xa0\xa0\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff")
}

func FuzzDecodeJSON(f *testing.F) {
	fuzzDecode(f, msg.JSON, `{"content":"hello"}`, `{"v":2}`, `{"content":[[1e400]]}`, `{"timestamp":"2026-11-21T09:30:00Z"}`)
}

// fuzzDecode checks that any input gives a known error or a message that travels on, unchanged, in both forms.
func fuzzDecode(f *testing.F, e msg.Encoding, seeds ...string) {
	f.Helper()
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	for _, m := range []msg.Msg{
		{}, {Name: "ann", Role: msg.RoleUser, Content: msg.Text("hi"), Time: time.Unix(7, 9)},
		{URLs: []string{"a"}, Metadata: map[string]any{"a": []any{nil, true, -1, 0.5, "x", map[string]any{}}}},
		msg.Promise("bob", msg.Placeholder{Run: "r1", Producer: "h1", ID: "x", Expires: time.Unix(5, 0)}),
	} {
		data, err := e.Encode(m)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := e.Decode(data)
		if err != nil {
			require.True(t, known(err), "%v", err)
			return
		}
		for _, to := range both {
			again, err := to.Encode(m)
			if errors.Is(err, msg.ErrTooLarge) {
				continue // JSON can need more room than msgpack
			}
			require.NoError(t, err)
			back, err := to.Decode(again)
			require.NoError(t, err)
			require.Equal(t, m, back)
		}
	})
}
