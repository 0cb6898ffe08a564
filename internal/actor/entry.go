package actor

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// Kinds of entries. They are part of the log: kinds may be added, never changed.
const (
	entryCreated = 1 // an agent came to be
	entryDeleted = 2 // and is gone
	entryCloned  = 3 // an agent came to be with the memory and state of another
	entryOutcome = 4 // an agent handled a message
	entryFollow  = 5 // the host delivers what is said in a hub, after upto
	entryHeard   = 6 // agents took, up to upto, what was said in a hub
	entryEnded   = 7 // the hub was deleted with message upto: nothing more is delivered
)

// entry is one thing in the log: what changed one agent, or several in the same way. Which fields count depends on the kind.
type entry struct {
	kind  int
	agent string // created, deleted, cloned, outcome
	id    string // request id, "" for none: created, deleted, cloned, outcome

	number  int    // created, cloned
	of      string // created: the kind of agent; cloned: the agent it was made from
	config  []byte // created; nil: none
	process bool   // created

	verb   string // outcome
	task   string // outcome: id of the placeholder of a call, whose producer is the writer of the record
	sender string // outcome
	reply  *piece // outcome; nil where there is nothing to say, or an error
	code   string // outcome: of an error; heard: why the agents did not take it
	text   string // and its words

	hub     string // follow, heard, ended
	upto    uint64 // follow, heard, ended
	numbers []int  // heard: the agents, ascending

	change agent.Change // created, outcome, heard: of memory
	pieces []*piece     // change.Append as it is written
	state  []byte       // created, outcome, heard: exported; nil: none, or as before
	said   []*utterance // heard: what the agent was given, of which it may have copies
}

// piece is a message in a record.
type piece struct {
	m    *msg.Msg // nil: nobody has it in memory
	data []byte   // in msgpack
}

// Sizes in bytes.
const (
	recordRoom  = 1024       // for what a record has beside its entries
	entryRoom   = 64         // for what an entry has beside its texts
	groupRoom   = 4          // for another agent of a group, where their numbers do not follow each other
	recordBytes = 256 * 1024 // of entries that go into one record together
)

// pack encodes what was appended to memory. The error says that a message cannot travel.
func (e *entry) pack() error {
	if e.pieces == nil {
		e.pieces = make([]*piece, len(e.change.Append))
	}
	for i, m := range e.change.Append {
		if e.pieces[i] != nil {
			continue
		}
		data, err := msg.Msgpack.Encode(*m)
		if err != nil {
			return fmt.Errorf("%w: a message in the memory: %w", wire.ErrFailed, err)
		}
		e.pieces[i] = &piece{m, data}
	}
	return nil
}

// alike reports whether two agents heard the same, and it changed them in the same way.
func (e *entry) alike(o *entry) bool {
	return e.code == o.code && e.text == o.text && bytes.Equal(e.state, o.state) && (e.state == nil) == (o.state == nil) &&
		e.change.Reset == o.change.Reset && e.change.Window == o.change.Window && slices.Equal(e.pieces, o.pieces)
}

// size is about how many bytes the entry takes in a record of its own.
func (e *entry) size() int { return e.sizeBut(nil) }

// sizeBut is size without the messages that the record has already.
func (e *entry) sizeBut(known map[*piece]int) int {
	n := entryRoom + len(e.agent) + len(e.id) + len(e.of) + len(e.config) + len(e.task) + len(e.sender) + len(e.code) + len(e.text) +
		len(e.hub) + len(e.state)
	if e.reply != nil {
		n += len(e.reply.data) + 5
	}
	for _, p := range e.pieces {
		if _, ok := known[p]; !ok {
			n += len(p.data) + 5
		}
	}
	return n
}
