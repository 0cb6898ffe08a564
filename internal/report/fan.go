package report

import (
	"sync"
	"sync/atomic"
)

const (
	fanAhead = 2    // batches that a writer may be behind
	fanRows  = 4096 // rows of a batch, which takes about 1 MB, and its texts
)

// Fan writes the same rows with several writers at once, each on a goroutine of its own, so that several formats take as
// long as the slowest. It calls fill with a function that copies rows and hands them on, and which waits for a writer that
// is too far behind. When fill returns nil the writers are closed; if it fails, or a writer does, all are given up. It
// returns the first error when all goroutines have ended.
func Fan(writers []RowWriter, fill func(write func([]Row) error) error) error {
	f := fan{failed: make(chan struct{})}
	var wg sync.WaitGroup
	for _, w := range writers {
		in := make(chan *batch, fanAhead)
		f.queues = append(f.queues, in)
		wg.Go(func() { f.drain(w, in) })
	}
	if err := fill(f.write); err != nil {
		f.fail(err)
	}
	for _, q := range f.queues {
		close(q)
	}
	wg.Wait()
	return f.err
}

type fan struct {
	queues []chan *batch
	free   sync.Pool // of *batch
	once   sync.Once
	err    error         // the first, set before failed is closed
	failed chan struct{} // closed when all is given up
}

// batch is read by all writers, and filled again after the last.
type batch struct {
	rows []Row
	left atomic.Int32 // writers that have not read it
}

func (f *fan) fail(err error) {
	f.once.Do(func() {
		f.err = err
		close(f.failed)
	})
}

func (f *fan) write(rows []Row) error {
	for len(rows) > 0 {
		b, ok := f.free.Get().(*batch)
		if !ok {
			b = &batch{rows: make([]Row, 0, fanRows)}
		}
		n := min(len(rows), fanRows)
		b.rows = append(b.rows[:0], rows[:n]...)
		b.left.Store(int32(len(f.queues))) //nolint:gosec // a handful
		rows = rows[n:]
		for _, q := range f.queues {
			select {
			case q <- b:
			case <-f.failed:
				return f.err
			}
		}
	}
	return nil
}

func (f *fan) drain(w RowWriter, in <-chan *batch) {
	for b := range in {
		select {
		case <-f.failed:
			continue
		default:
		}
		if err := w.Write(b.rows); err != nil {
			f.fail(err)
			continue
		}
		if b.left.Add(-1) == 0 {
			f.free.Put(b)
		}
	}
	select {
	case <-f.failed:
	default:
		if err := w.Close(); err != nil {
			f.fail(err)
		}
	}
}
