package damage

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// magic begins every note. No msgpack value begins with its first byte, so no record of the log can be taken for one.
const magic = "\xc1DMG "

// Note says what was stored where a note stands now.
type Note struct {
	Stream  string    `json:"stream"`
	Block   string    `json:"block"`             // name of the file within the stream's store
	Offset  int64     `json:"offset"`            // in the file, in bytes
	First   uint64    `json:"first"`             // sequences that are lost, First and Last included
	Last    uint64    `json:"last"`              //
	Subject string    `json:"subject,omitempty"` // of the record; "" where that cannot be told
	What    string    `json:"what"`              // in a sentence, for people
	Found   time.Time `json:"found"`
	Copy    string    `json:"copy,omitempty"` // where the file is kept as it was found; "" if there is nothing to keep
}

// Unplaced is the subject of notes of records whose own subject is not known. It belongs to no run.
func Unplaced() string { return subjects.LogCtl("?", subjects.KindDamaged) }

// Place is the subject of a note: among the control records of the run, which everyone reads who goes on with it.
func (n Note) Place() string {
	if at, err := subjects.ParseLog(n.Subject); err == nil {
		return subjects.LogCtl(at.Run, subjects.KindDamaged)
	}
	return Unplaced()
}

// Payload encodes a note.
func Payload(n Note) []byte {
	text, err := json.Marshal(n)
	if err != nil { // a time out of range; that there is damage matters more
		text = nil
	}
	return append([]byte(magic), text...)
}

// Is reports whether a payload is a note.
func Is(payload []byte) bool {
	return len(payload) >= len(magic) && string(payload[:len(magic)]) == magic
}

// Read decodes a note. It reports false for anything else.
func Read(payload []byte) (Note, bool) {
	if !Is(payload) {
		return Note{}, false
	}
	var n Note
	if err := json.Unmarshal(payload[len(magic):], &n); err != nil {
		return Note{What: "it could not be read from disk"}, true
	}
	return n, true
}

// String says what was damaged, in a sentence.
func (n Note) String() string {
	switch {
	case n.First == 0:
		return n.Where()
	case n.First == n.Last:
		return fmt.Sprintf("record %d of %s: %s", n.First, n.Stream, n.Where())
	}
	return fmt.Sprintf("records %d to %d of %s: %s", n.First, n.Last, n.Stream, n.Where())
}

// Where is what was damaged and in which place, without the sequence.
func (n Note) Where() string {
	if n.Block == "" {
		return n.What
	}
	return fmt.Sprintf("%s (file %s, byte %d)", n.What, n.Block, n.Offset)
}
