package checkpoint

import "sync/atomic"

// A subject is worth a checkpoint when it has this much in the log since the last one, and not less than what there is to
// write: so whoever comes back reads little more than the state, and what is written is no more than the log itself.
const (
	Records    = 10_000
	tailBytes  = 16 << 20
	recordCost = 256 // bytes that reading a small record is worth
)

// Tail counts what a subject has in the log since its last checkpoint. It belongs to who appends or reads the records; only
// Done may be called by another goroutine.
type Tail struct {
	records int
	bytes   int64
	size    atomic.Int64
	busy    atomic.Bool
}

// Add counts a record.
func (t *Tail) Add(record []byte) {
	t.records++
	t.bytes += int64(len(record))
}

// From begins anew after a checkpoint that was read; size is its bytes, 0 for none.
func (t *Tail) From(size int) {
	t.records, t.bytes = 0, 0
	t.size.Store(int64(size))
}

// Records is how many were counted.
func (t *Tail) Records() int { return t.records }

// Due reports whether a checkpoint is to be written; records is how many are enough for one, usually Records.
func (t *Tail) Due(records int) bool {
	return (t.records >= records || t.bytes >= tailBytes) && t.bytes+recordCost*int64(t.records) >= t.size.Load() && !t.busy.Load()
}

// Begin counts anew, since a checkpoint is being written of all there is so far. None is due until Done.
func (t *Tail) Begin() {
	t.records, t.bytes = 0, 0
	t.busy.Store(true)
}

// Done says that the checkpoint is written, with so many bytes, or was not: 0. Then the next is due after as much again.
func (t *Tail) Done(size int) {
	if size > 0 {
		t.size.Store(int64(size))
	}
	t.busy.Store(false)
}
