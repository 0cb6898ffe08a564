package actor

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// drawEntries draws entries of every kind, whose messages come from a few.
func drawEntries(t *rapid.T) []*entry {
	var pool []*msg.Msg
	for i := range 5 {
		pool = append(pool, &msg.Msg{ID: fmt.Sprint("m", i), Content: msg.Text(rapid.String().Draw(t, "text"))})
	}
	change := func() (c agent.Change) {
		if c.Reset = rapid.Bool().Draw(t, "reset"); c.Reset {
			c.Window = rapid.IntRange(0, 100).Draw(t, "window")
		}
		for _, at := range rapid.SliceOfN(rapid.IntRange(0, len(pool)-1), 0, 5).Draw(t, "append") {
			c.Append = append(c.Append, pool[at])
		}
		return c
	}
	name := rapid.SampledFrom([]string{"", "ann", "bob", "a b"})
	blob := rapid.SliceOfN(rapid.Byte(), 1, 8)
	var out []*entry
	for range rapid.IntRange(0, 8).Draw(t, "entries") {
		e := &entry{kind: rapid.IntRange(entryCreated, entryEnded).Draw(t, "kind")}
		switch e.kind {
		case entryCreated:
			e.agent, e.id, e.of, e.number = name.Draw(t, "agent"), name.Draw(t, "id"), name.Draw(t, "of"), rapid.IntRange(0, 1<<30).Draw(t, "number")
			e.config, e.process, e.change, e.state = blob.Draw(t, "config"), rapid.Bool().Draw(t, "process"), change(), blob.Draw(t, "state")
		case entryDeleted:
			e.agent, e.id = name.Draw(t, "agent"), name.Draw(t, "id")
		case entryCloned:
			e.agent, e.id, e.of, e.number = name.Draw(t, "agent"), name.Draw(t, "id"), name.Draw(t, "of"), rapid.IntRange(0, 1<<30).Draw(t, "number")
		case entryOutcome:
			e.agent, e.id, e.verb, e.task, e.sender = name.Draw(t, "agent"), name.Draw(t, "id"), name.Draw(t, "verb"), name.Draw(t, "task"), name.Draw(t, "sender")
			e.code, e.text, e.change = name.Draw(t, "code"), name.Draw(t, "error"), change()
			if rapid.Bool().Draw(t, "replies") {
				data, err := msg.Msgpack.Encode(*pool[0])
				require.NoError(t, err)
				e.reply = &piece{data: data}
			}
		case entryFollow, entryEnded:
			e.hub, e.upto = name.Draw(t, "hub"), rapid.Uint64().Draw(t, "upto")
		case entryHeard:
			e.hub, e.upto, e.code, e.change = name.Draw(t, "hub"), rapid.Uint64Range(0, 3).Draw(t, "upto"), name.Draw(t, "code"), change()
			e.numbers = []int{len(out)} // an agent hears something once a record
		}
		out = append(out, e)
	}
	return out
}

// flat is what an entry says, for comparison. Groups come apart.
func flat(t require.TestingT, entries []*entry) (out []string, heard map[int]string) {
	heard = map[int]string{}
	for _, e := range entries {
		c := *e
		var remembered []string
		for _, m := range e.change.Append {
			remembered = append(remembered, m.ID, m.Content.String())
		}
		reply := ""
		if e.reply != nil {
			reply = string(e.reply.data)
		}
		c.change.Append, c.pieces, c.reply, c.numbers = nil, nil, nil, nil
		text := fmt.Sprintf("%+v %q %q", c, remembered, reply)
		if e.kind != entryHeard {
			out = append(out, text)
			continue
		}
		for _, n := range e.numbers {
			heard[n] = text
		}
	}
	return out, heard
}

// A record says what was put into it, each message once.
func TestBodyProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := drawEntries(t)
		b := newBody()
		for _, e := range entries {
			require.NoError(t, e.pack())
			require.True(t, b.add(e))
		}
		require.LessOrEqual(t, len(b.table), 5, "each message is there once")
		got, err := decodeBody(b.bytes())
		require.NoError(t, err)
		wantFlat, wantHeard := flat(t, entries)
		gotFlat, gotHeard := flat(t, got)
		require.Equal(t, wantFlat, gotFlat)
		require.Equal(t, wantHeard, gotHeard)
	})
}

// What a thousand agents heard is one group, and each of them more costs next to nothing.
func TestGroups(t *testing.T) {
	var said []*utterance
	for i := range 100 {
		m := say(fmt.Sprint("message ", i))
		data, err := msg.Msgpack.Encode(m)
		require.NoError(t, err)
		said = append(said, &utterance{seq: uint64(i), piece: piece{&m, data}})
	}
	size := func(agents int) int {
		b := newBody()
		for n := range agents {
			e := &entry{kind: entryHeard, hub: "square", upto: 100, numbers: []int{agents - n}, said: said}
			for _, u := range said {
				copied := *u.m
				e.change.Append = append(e.change.Append, &copied)
			}
			require.True(t, e.share())
			require.NoError(t, e.pack())
			require.True(t, b.add(e))
		}
		require.Len(t, b.entries, 1)
		return len(b.bytes())
	}
	require.Less(t, size(1000)-size(1), 16)
}

// A copy of a message is known by what it shares with it; one that says the same by itself is another message.
func TestSame(t *testing.T) {
	data := func() msg.Msg {
		content, err := msg.Data(map[string]any{"n": 1})
		require.NoError(t, err)
		return msg.Msg{ID: "1", Content: content, URLs: []string{"u"}, Metadata: map[string]any{"k": "v"}}
	}
	number, err := msg.Data(7)
	require.NoError(t, err)
	a := data()
	b, other := a, data()
	require.True(t, same(&a, &b))
	require.False(t, same(&a, &other))
	b.Content = msg.Text("n")
	require.False(t, same(&a, &b))
	c, d := msg.Msg{Content: number}, msg.Msg{Content: number}
	require.True(t, same(&c, &d))
	d.Content = a.Content
	require.False(t, same(&c, &d))
	c.Content = msg.Text("7")
	require.False(t, same(&c, &msg.Msg{Content: msg.Text("8")}))
	require.True(t, same(&c, &msg.Msg{Content: msg.Text("7")}))
}

// A later version appends fields, and kinds of entries; this one steps over them. One of another version is refused.
func TestBodyOfLaterVersions(t *testing.T) {
	pack := func(v any) []byte {
		data, err := msgpack.Marshal(v)
		require.NoError(t, err)
		return data
	}
	deep := []any{1, map[string]any{"a": []any{[]byte("x"), nil}}}
	got, err := decodeBody(pack([]any{1, []any{}, []any{
		[]any{entryDeleted, "ann", "", "more", deep}, []any{99, deep, deep}, []any{entryEnded, "square", 7},
	}, deep}))
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, "ann", got[0].agent)
	require.EqualValues(t, 7, got[1].upto)
	_, err = decodeBody(pack([]any{2, []any{}, []any{}}))
	require.ErrorIs(t, err, runlog.ErrVersion)
	for _, bad := range [][]byte{
		nil, []byte("x"), pack([]any{1, []any{}}), pack([]any{1, []any{}, []any{[]any{entryDeleted, "ann"}}}), append(pack([]any{1, []any{}, []any{}}), 0),
		pack([]any{1, []any{}, []any{[]any{entryOutcome, "a", "", "reply", "", "", 0, "", "", nil, nil}}}),
		pack([]any{1, []any{}, []any{[]any{entryHeard, "h", 1, []any{0, 1 << 30}, "", "", nil, nil}}}),
		pack([]any{1, []any{[]byte("no message")}, []any{}}),
	} {
		_, err := decodeBody(bad)
		require.ErrorIs(t, err, runlog.ErrDamaged, "%x", bad)
	}
}

func FuzzDecodeBody(f *testing.F) {
	m := say("hello")
	for _, e := range []*entry{
		{kind: entryCreated, agent: "a", of: "echo", config: []byte("{}"), change: agent.Change{Append: []*msg.Msg{&m}}},
		{kind: entryOutcome, agent: "a", id: "x", verb: "reply", change: agent.Change{Reset: true, Window: 3, Append: []*msg.Msg{&m, &m}}, state: []byte("{}")},
		{kind: entryHeard, hub: "h", upto: 9, numbers: []int{1, 2, 3, 7}},
	} {
		b := newBody()
		require.NoError(f, e.pack())
		b.add(e)
		f.Add(b.bytes())
	}
	f.Add(bytes.Repeat([]byte{0x91}, 1000))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := decodeBody(data)
		if err != nil {
			return
		}
		for _, e := range entries { // what was read can be written and read again
			b := newBody()
			require.NoError(t, e.pack())
			b.add(e)
			again, err := decodeBody(b.bytes())
			require.NoError(t, err)
			require.Len(t, again, 1)
		}
	})
}
