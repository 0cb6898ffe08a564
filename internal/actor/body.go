package actor

import (
	"bytes"
	"slices"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// bodyVersion is the version of the body of a record. Fields are only ever appended to the body and to an entry.
const bodyVersion = 1

// A body is the msgpack array [version, messages, entries]. A message is its own msgpack in a binary; each is there once, however
// many memories it went into. Entries are arrays that begin with their kind, and name messages by their place. Memories and lists
// of agents are written as runs of places or numbers that follow each other: [first, count, first, count, …].

// body is a record in the making.
type body struct {
	size    int // about, in bytes
	table   [][]byte
	places  map[string]int // of a message in the table, by its bytes
	known   map[*piece]int // and of those that many entries share
	entries []*entry
	refs    [][]int // of each entry: the places of its pieces
	replies []int   // of each entry: the place of its reply, or -1
	groups  map[groupKey][]int
}

// groupKey finds entries that may be of one group, by their places in entries.
type groupKey struct {
	hub         string
	upto        uint64
	pieces      int
	first, last *piece
}

func newBody() *body {
	return &body{places: map[string]int{}, known: map[*piece]int{}, groups: map[groupKey][]int{}}
}

func (b *body) empty() bool { return len(b.entries) == 0 }

// add takes an entry in, unless the record has others and would become too large.
func (b *body) add(e *entry) bool {
	k := groupKey{hub: e.hub, upto: e.upto, pieces: len(e.pieces)}
	if e.kind == entryHeard {
		if k.pieces > 0 {
			k.first, k.last = e.pieces[0], e.pieces[k.pieces-1]
		}
		for _, at := range b.groups[k] {
			if g := b.entries[at]; g.alike(e) {
				if b.size+groupRoom*len(e.numbers) > recordBytes {
					return false
				}
				g.numbers = append(g.numbers, e.numbers...)
				b.size += groupRoom * len(e.numbers)
				return true
			}
		}
	}
	size := e.sizeBut(b.known)
	if b.size += size; !b.empty() && b.size > recordBytes {
		b.size -= size
		return false
	}
	if e.kind == entryHeard {
		b.groups[k] = append(b.groups[k], len(b.entries))
		group := *e // which grows; the entry stays the agent's
		group.numbers = slices.Clone(e.numbers)
		e = &group
	}
	refs := make([]int, len(e.pieces))
	for i, p := range e.pieces {
		refs[i] = b.place(p)
	}
	reply := -1
	if e.reply != nil {
		reply = b.place(e.reply)
	}
	b.entries = append(b.entries, e)
	b.refs = append(b.refs, refs)
	b.replies = append(b.replies, reply)
	return true
}

func (b *body) place(p *piece) int {
	if at, ok := b.known[p]; ok {
		return at
	}
	at, ok := b.places[string(p.data)]
	if !ok {
		at = len(b.table)
		b.places[string(p.data)] = at
		b.table = append(b.table, p.data)
	}
	b.known[p] = at
	return at
}

// bytes is the body as it is written. Writing to memory does not fail.
func (b *body) bytes() []byte {
	var out bytes.Buffer
	enc := msgpack.NewEncoder(&out)
	enc.UseCompactInts(true)
	_ = enc.EncodeArrayLen(3)
	_ = enc.EncodeInt(bodyVersion)
	_ = enc.EncodeArrayLen(len(b.table))
	for _, data := range b.table {
		_ = enc.EncodeBytes(data)
	}
	_ = enc.EncodeArrayLen(len(b.entries))
	w := writer{enc}
	for i, e := range b.entries {
		w.entry(e, b.refs[i], b.replies[i])
	}
	return out.Bytes()
}

// writer writes entries.
type writer struct{ enc *msgpack.Encoder }

func (w writer) entry(e *entry, refs []int, reply int) {
	switch e.kind {
	case entryCreated:
		w.head(e.kind, 9)
		w.texts(e.agent, e.id)
		w.number(e.number)
		w.texts(e.of)
		_ = w.enc.EncodeBytes(e.config)
		_ = w.enc.EncodeBool(e.process)
		w.changed(e, refs)
	case entryDeleted:
		w.head(e.kind, 3)
		w.texts(e.agent, e.id)
	case entryCloned:
		w.head(e.kind, 5)
		w.texts(e.agent, e.id)
		w.number(e.number)
		w.texts(e.of)
	case entryOutcome:
		w.head(e.kind, 11)
		w.texts(e.agent, e.id, e.verb, e.task, e.sender)
		w.number(reply)
		w.texts(e.code, e.text)
		w.changed(e, refs)
	case entryFollow, entryEnded:
		w.head(e.kind, 3)
		w.texts(e.hub)
		_ = w.enc.EncodeUint(e.upto)
	case entryHeard:
		w.head(e.kind, 8)
		w.texts(e.hub)
		_ = w.enc.EncodeUint(e.upto)
		slices.Sort(e.numbers)
		w.ranges(e.numbers)
		w.texts(e.code, e.text)
		w.changed(e, refs)
	}
}

func (w writer) head(kind, fields int) {
	_ = w.enc.EncodeArrayLen(fields)
	w.number(kind)
}

func (w writer) texts(texts ...string) {
	for _, t := range texts {
		_ = w.enc.EncodeString(t)
	}
}

func (w writer) number(n int) { _ = w.enc.EncodeInt(int64(n)) }

// changed writes two fields: the change of memory, nil or [reset, window, messages], and the state.
func (w writer) changed(e *entry, refs []int) {
	if e.change.Empty() {
		_ = w.enc.EncodeNil()
	} else {
		_ = w.enc.EncodeArrayLen(3)
		_ = w.enc.EncodeBool(e.change.Reset)
		w.number(e.change.Window)
		w.ranges(refs)
	}
	_ = w.enc.EncodeBytes(e.state)
}

// ranges writes numbers as runs of those that follow each other.
func (w writer) ranges(numbers []int) {
	var runs []int
	for i, n := range numbers {
		if i > 0 && n == numbers[i-1]+1 {
			runs[len(runs)-1]++
		} else {
			runs = append(runs, n, 1)
		}
	}
	_ = w.enc.EncodeArrayLen(len(runs))
	for _, n := range runs {
		w.number(n)
	}
}

// decodeMsg reads a message of the table.
func decodeMsg(data []byte) (*msg.Msg, error) {
	m, err := msg.Msgpack.Decode(data)
	return &m, err
}
