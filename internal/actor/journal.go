package actor

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/checkpoint"
	"github.com/myriad-sim/myriad/internal/runlog"
)

// journal appends what changes the agents of one run to the log: one record at a time, with everything that came while the
// one before was on its way. It has a goroutine only while there is something to append.
type journal struct {
	rt      *Runtime
	run     string
	subject string
	logged  func() // called after each record and what it had to be waited for

	mu      sync.Mutex
	queue   []queued
	writing bool

	last uint64           // sequence of the last record; of the writer
	tail *checkpoint.Tail // after the last checkpoint; of the writer
}

// queued is an entry and what is to be done once it is in the log.
type queued struct {
	entry *entry // nil: nothing to log, only what came before
	done  func()
}

// submit has an entry appended after all that were submitted before, and then calls done, on the goroutine of the journal.
// Done is not called if the host loses its log, or is stopped before the record is there: then nobody may hear of it. It is
// called from what Stop waits for.
func (j *journal) submit(e *entry, done func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue = append(j.queue, queued{e, done})
	if !j.writing {
		j.writing = true
		j.rt.tasks.Go(j.write)
	}
}

// waiting returns what was submitted and not taken yet. If there is nothing the writing ends.
func (j *journal) waiting() []queued {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.queue) == 0 {
		j.queue, j.writing = nil, false
	}
	return j.queue
}

// take makes a record of what is waiting, as much as goes into one, and returns that.
func (j *journal) take(b *body) []queued {
	all := j.waiting()
	n := 0
	for n < len(all) && (all[n].entry == nil || b.add(all[n].entry)) {
		n++
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	taken := j.queue[:n:n]
	j.queue = j.queue[n:]
	return taken
}

// write appends records until nothing is left.
func (j *journal) write() {
	for {
		b := newBody()
		batch := j.take(b)
		if len(batch) == 0 {
			return
		}
		if err := j.append(b); err != nil {
			j.rt.lost(j, err)
			return // and stays writing: nothing is appended after it
		}
		for i := range batch {
			batch[i].done()
			batch[i] = queued{}
		}
		j.logged()
	}
}

// append appends one record. Where the log is full it waits for room.
func (j *journal) append(b *body) error {
	if b.empty() {
		return nil
	}
	record, err := runlog.Encode(runlog.Header{Kind: runlog.KindCode, Run: j.run, Writer: j.rt.cfg.Incarnation}, b.bytes())
	if err != nil {
		return err
	}
	for {
		seq, err := j.rt.append(j.subject, record, j.last)
		if err == nil {
			j.last = seq
			if j.tail.Add(record); j.tail.Due(j.rt.tailRecords) {
				j.rt.putAway(j)
			}
			return nil
		}
		if !errors.Is(err, runlog.ErrFull) {
			return err
		}
		j.rt.log.Error("the log is full; agents wait for room", "run", j.run, "error", err)
		if !j.rt.pause(fullPause) {
			return err
		}
	}
}

// fullPause is between two tries to append to a full log.
const fullPause = time.Second

// lost ends the host's work because a record could not be appended. Where the host stops, that is what was asked for.
func (rt *Runtime) lost(j *journal, err error) {
	rt.mu.Lock()
	stopped := rt.stopped
	rt.mu.Unlock()
	if errors.Is(err, runlog.ErrConflict) {
		err = fmt.Errorf("actor: another program serves host %q, or wrote to its log: what is asked of this one is not answered any more; "+
			"stop one of the two, or give them different ids, and start this one again: %w", rt.cfg.Host, err)
	} else {
		err = fmt.Errorf("actor: the log of host %q in run %q cannot be written: %w", rt.cfg.Host, j.run, err)
	}
	if stopped {
		rt.fenced.Store(true)
		if !errors.Is(err, nats.ErrConnectionClosed) {
			rt.log.Warn("stopped before everything was in the log", "run", j.run, "error", err)
		}
		return
	}
	rt.fail(err)
}
