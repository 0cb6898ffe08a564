package llm

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"
)

// checkBody reads all that the calls carry: once they were accepted there is nothing in them that cannot be read.
func checkBody(t require.TestingT, h *Head, asks []Ask) {
	b := h.Body()
	for i, a := range asks {
		c, n := b.open(a)
		require.NoError(t, c.err)
		if n >= 3 {
			for range c.array() {
				c.message()
			}
		}
		if n >= 4 {
			c.textMap()
		}
		if n >= 5 {
			c.floats()
		}
		require.NoError(t, c.err)
		b.Messages(a)
		b.Attributes(a)
		// Where the call ends does not depend on who reads it.
		end := cursor{s: h.payload, pos: int(a.at)}
		end.skip()
		require.NoError(t, end.err)
		if i+1 < len(asks) {
			require.Equal(t, int(asks[i+1].at), end.pos)
		}
	}
}

func TestBodyGivesWhatWasSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := requests.Draw(t, "request")
		data, err := EncodeRequest(want)
		if rapid.Bool().Draw(t, "theirs") {
			data, err = msgpack.Marshal(want)
		}
		require.NoError(t, err)
		h, err := ReadHead(data)
		require.NoError(t, err)
		require.Equal(t, []any{Version, want.ID, want.Run, want.Round, string(want.Model), want.System, want.Purpose, string(want.Facts), len(want.Calls), len(data)},
			[]any{h.V, h.ID, h.Run, h.Round, h.Model, h.System, h.Purpose, h.Facts, h.Count, h.Size()})
		asks, err := h.Asks()
		require.NoError(t, err)
		require.Len(t, asks, len(want.Calls))
		checkBody(t, &h, asks)
		for i, a := range asks {
			call := want.Calls[i]
			require.Equal(t, []any{call.Agent, call.Attempt}, []any{a.Agent, a.Attempt})
			same(t, call.Messages, h.Body().Messages(a))
			persona, own := h.Body().Attributes(a)
			same(t, call.Persona, persona)
			same(t, call.Own, own)
			require.Nil(t, Body{}.Messages(a), "no body, nothing to read")
		}
	})
}

// plainCall is a call in long forms, as a host writes it: the lengths of the messages and of a text in full.
func plainCall(agent uint32, content string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0x95, 0xce}, agent)
	b = append(b, 3, 0xdc, 0, 1, 0x93, 0xa4)
	b = append(append(b, RoleUser...), 0xdb)
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(content))), content...)
	return append(b, 0xc0, 0x80, 0x80)
}

func TestPlainCallsAreReadInEveryForm(t *testing.T) {
	for _, n := range []int{2, 31, 32, 255, 256, 65535, 65536} {
		text := strings.Repeat("x", n)
		short, err := EncodeRequest(&Request{Calls: []Call{{Agent: math.MaxUint32, Attempt: 3, Messages: []Message{{Role: RoleUser, Content: text}}}}})
		require.NoError(t, err)
		head, err := EncodeRequest(&Request{})
		require.NoError(t, err)
		calls, tail := len(head)-4, bytes.Clone(head[len(head)-3:]) // no calls, no deadline, no budget
		long := append(append(append(head[:calls], 0x91), plainCall(math.MaxUint32, text)...), tail...)
		for _, data := range [][]byte{short, long} {
			h, err := ReadHead(data)
			require.NoError(t, err)
			c, a := &cursor{s: h.payload, pos: h.calls}, Ask{at: uint32(h.calls)}
			require.True(t, c.plainAsk(&a), "%d bytes", n)
			require.Equal(t, len(data)-len(tail), c.pos)
			require.Equal(t, Ask{Agent: math.MaxUint32, Attempt: 3, at: uint32(h.calls)}, a)
			require.Equal(t, []Message{{Role: RoleUser, Content: text}}, h.Body().Messages(a))
			for cut := h.calls; cut < len(data); cut = max(cut+1, min(cut*2, len(data)-8)) {
				h, err := ReadHead(data[:cut])
				if err == nil {
					_, err = h.Asks()
				}
				require.ErrorIs(t, err, ErrDamaged, "cut at %d", cut)
			}
		}
	}
}

func TestReadingAHeadCostsNothing(t *testing.T) {
	calls := make([]Call, MaxCalls)
	for i := range calls {
		calls[i].Messages = []Message{{Role: RoleUser, Content: "What do you report?"}}
	}
	data, err := EncodeRequest(&Request{Run: "run", Facts: make([]byte, 100), Calls: calls})
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if h, err := ReadHead(data); err != nil || h.Count != MaxCalls {
			t.Error(h.Count, err)
		}
	}))
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		h, err := ReadHead(data)
		if err != nil {
			t.Error(err)
		}
		if asks, err := h.Asks(); err != nil || len(asks) != MaxCalls {
			t.Error(err)
		}
	}), 1.0, "an allocation a request")
}

func TestDamagedCallsAreRefusedBeforeTheyAreRead(t *testing.T) {
	number := []any{1}
	for name, call := range map[string][]any{
		"role": {1, 0, []any{number}}, "messages": {1, 0, "hi"}, "attempt": {1, -1}, "persona": {1, 0, nil, map[string]int{"a": 1}}, "own": {1, 0, nil, nil, map[string]string{"a": "b"}},
	} {
		data, err := msgpack.Marshal([]any{1, 5, "run", 1, "model", "", 0, "", []any{call}})
		require.NoError(t, err)
		h, err := ReadHead(data)
		require.NoError(t, err, name)
		_, err = h.Asks()
		require.ErrorIs(t, err, ErrDamaged, name)
	}
}
