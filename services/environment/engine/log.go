package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

// Times of the log.
const (
	askTime    = 5 * time.Second // for one request to the broker
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// load reads the tree. If that fails the calls that wait are answered with it. A long log is read in pieces, so that the
// calls of one that cannot be read do not wait for ever.
func (a *actor) load(ctx context.Context) {
	before, err := a.bring(ctx)
	switch {
	case err == nil:
		a.tree, a.partial = a.partial, nil
		return
	case errors.Is(err, context.DeadlineExceeded) && a.partial != nil && a.partial.Seq() > before:
		a.signal()
		return
	}
	a.partial = nil
	a.orphans, a.since = 0, time.Now().Add(lastPause) // the next sweep asks again, and marks wait
	a.log.Warn("environment not read", "error", err)
	for _, j := range a.backlog {
		a.e.refuse(j, fmt.Errorf("%w: %w", wire.ErrUnavailable, err))
	}
	a.backlog = nil
}

// bring brings the partial tree to the end of the log, from the last checkpoint if nothing was read yet. It returns where it
// began.
func (a *actor) bring(ctx context.Context) (before uint64, err error) {
	var seq uint64
	err = a.e.bounded(ctx, patience, func(ctx context.Context) error {
		seq, err = a.e.last(ctx, a.subject)
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case a.partial == nil && seq == 0:
		a.partial = tree.New(a.key.run, a.e.cfg.Kinds)
		a.tail.from = 0
		a.tail.From(0)
	case a.partial == nil:
		a.partial = a.fromCheckpoint(ctx)
	}
	before = a.partial.Seq()
	if seq == before {
		return before, nil
	}
	err = a.e.bounded(ctx, patience, func(ctx context.Context) error {
		return runlog.Read(ctx, a.e.js, before+1, []string{a.subject}, func(entry runlog.Entry) error { return a.advance(a.partial, entry) })
	})
	return before, err
}

// bounded runs do until a time or the engine's end.
func (e *Engine) bounded(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return do(ctx)
}

// apply brings a tree to the next record. The error is that of the record, or of its bytes.
func (a *actor) apply(t *tree.Tree, data []byte, seq uint64) error {
	h, body, err := runlog.Decode(data)
	if err != nil {
		return err
	}
	if h.Kind != runlog.KindEnv {
		return fmt.Errorf("%w: a record of kind %q", tree.ErrRecord, h.Kind)
	}
	if h.Run != a.key.run {
		return fmt.Errorf("%w: record %d is of run %q", tree.ErrRecord, seq, h.Run)
	}
	r, err := tree.Unpack(body)
	if err != nil {
		return fmt.Errorf("record %d: %w", seq, err)
	}
	for _, e := range r.Entries {
		if environment.Root(e.Env) != a.key.root {
			return fmt.Errorf("%w: record %d is of environment %q", tree.ErrRecord, seq, e.Env)
		}
	}
	return t.Apply(r, seq)
}

// catchUp reads what others have written, of which there is something.
func (a *actor) catchUp(ctx context.Context) error {
	return a.e.bounded(ctx, patience, func(ctx context.Context) error {
		for wait := firstPause; ; wait = min(2*wait, lastPause) {
			found, err := a.read(ctx)
			if found || err != nil {
				return err
			}
			// A replica that is behind, or the run was removed with all its records.
			seq, err := a.e.last(ctx, a.subject)
			if err != nil {
				return err
			}
			if seq == 0 {
				a.tree = tree.New(a.key.run, a.e.cfg.Kinds)
				a.tail.from = 0
				a.tail.From(0)
				return nil
			}
			if err := sleep(ctx, wait); err != nil {
				return err
			}
		}
	})
}

// read applies the records after the tree's, and reports whether there were any.
func (a *actor) read(ctx context.Context) (found bool, err error) {
	for n := 0; ; n++ {
		if n == farBehind {
			return found, errBehind
		}
		var m *jetstream.RawStreamMsg
		err := persist(ctx, func(ctx context.Context) (err error) {
			m, err = a.e.stream.GetMsg(ctx, a.tree.Seq()+1, jetstream.WithGetMsgSubject(a.subject))
			return err
		})
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return found, nil
		}
		if err == nil {
			err = a.advance(a.tree, runlog.Entry{Seq: m.Sequence, Data: m.Data})
		}
		if err != nil {
			return found, err
		}
		found = true
		a.leader = writerOf(m.Data)
		a.view.changed(time.Now())
	}
}

func writerOf(record []byte) string {
	h, _, err := runlog.Decode(record)
	if err != nil {
		return "" // cannot be: it was applied
	}
	return h.Writer
}

// last is the sequence of the last record on a subject, 0 for none. It asks the leader of the stream: a replica may be behind,
// and what is not known there may be known to others.
func (e *Engine) last(ctx context.Context, subject string) (seq uint64, err error) {
	err = persist(ctx, func(ctx context.Context) error {
		m, err := e.leader.GetLastMsg(subjects.StreamLog, subject, nats.Context(ctx))
		switch {
		case errors.Is(err, nats.ErrMsgNotFound):
			seq = 0
			return nil
		case err == nil:
			seq = m.Sequence
		}
		return err
	})
	return seq, err
}

// current checks that a record is still the last on a subject. The error is runlog.ErrConflict if it is not.
func (e *Engine) current(ctx context.Context, subject string, expect uint64) error {
	seq, err := e.last(ctx, subject)
	if err == nil && seq != expect {
		return runlog.ErrConflict
	}
	return err
}

// persist asks the broker until it answers, is gone for good, or ctx ends.
func persist(ctx context.Context, ask func(context.Context) error) error {
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		try, cancel := context.WithTimeout(ctx, askTime)
		err := ask(try)
		cancel()
		var api *jetstream.APIError
		if err == nil || errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, nats.ErrConnectionClosed) ||
			errors.As(err, &api) && api.Code >= 400 && api.Code < 500 {
			return err
		}
		if stop := sleep(ctx, wait); stop != nil {
			return fmt.Errorf("%w: %w", stop, err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
