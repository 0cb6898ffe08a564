package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

// Bounds of a group, which is one record.
const (
	maxGroupCalls = 8192
	maxGroupBytes = 256 << 10
	maxGroupHeld  = 32 << 20 // of memory
	maxMarks      = 16 << 10
	envelope      = 4 << 10               // what a record needs beside its entries, marks aside
	markEach      = 50 * time.Millisecond // how long marks wait for calls to go with
	patience      = 10 * time.Second      // for the log to be read, while calls wait
)

// group is calls that were evaluated one after the other and are answered together.
type group struct {
	done    []evaluated
	at      time.Time
	entries []*tree.Entry
	packed  bytes.Buffer // entries
	marks   []tree.Ref
	undo    int    // how much of the tree's undo is the group's, once it flies
	held    int    // bytes of the calls and of what they return, about
	record  []byte // as it is written
	full    bool
}

type evaluated struct {
	job *job
	out tree.Outcome
}

// written is how the writing of a group ended.
type written struct {
	seq uint64
	err error
}

func (g *group) jobs() []*job {
	out := make([]*job, len(g.done))
	for i := range g.done {
		out[i] = g.done[i].job
	}
	return out
}

// evaluate does calls of the backlog while the next group has room. It waits while a picture of what is on disk is due.
func (a *actor) evaluate(ctx context.Context) {
	wanted, due := a.view.wanted(time.Now()), a.tail.Due(a.e.tailRecords)
	if (wanted || due) && a.tree.Mark() > 0 {
		return
	}
	if wanted {
		a.project(ctx)
	}
	if due {
		a.checkpoint(ctx)
	}
	n := 0
	for n < len(a.backlog) && !a.next.full {
		if !a.one(ctx, a.backlog[n]) {
			break
		}
		a.backlog[n] = nil
		n++
	}
	if a.backlog = a.backlog[n:]; len(a.backlog) == 0 {
		a.backlog = nil
	}
}

// one does a call, as part of the next group. It is false if the group has no room for it.
func (a *actor) one(ctx context.Context, j *job) bool {
	g := a.next
	if j.prepare(); j.err != nil {
		a.e.refuse(j, j.err)
		return true
	}
	if j.promised() {
		a.e.await(ctx, j)
		return true
	}
	now := time.Now()
	if now.Before(a.follow) && !j.handed && a.e.lead(ctx, j, a.leader) {
		return true
	}
	if !j.req.Deadline.IsZero() && now.After(j.req.Deadline) {
		a.e.refuse(j, fmt.Errorf("%w: it was not begun", wire.ErrDeadline))
		return true
	}
	if !a.tree.Exists() && a.scenario(ctx, j) {
		return true
	}
	if g.at.IsZero() {
		g.at = a.tree.Now(now)
		if a.flight != nil && g.at.Before(a.flight.at) {
			g.at = a.flight.at
		}
	}
	mark := a.tree.Mark()
	out, entry, err := a.tree.Do(j.call(), g.at)
	if err != nil {
		a.e.pass(ctx, j, err)
		return true
	}
	if entry != nil {
		switch fits, err := a.add(g, entry); {
		case err != nil:
			a.tree.Undo(mark)
			a.e.refuse(j, err)
			return true
		case !fits:
			a.tree.Undo(mark)
			g.full = true
			return false
		}
	}
	g.done = append(g.done, evaluated{j, out})
	g.held += len(j.m.Data) + out.Weight()
	g.full = g.full || len(g.done) >= maxGroupCalls || g.held >= maxGroupHeld
	return true
}

// add puts what a call did into a group, if there is room. The error is ErrTooLarge.
func (a *actor) add(g *group, entry *tree.Entry) (fits bool, err error) {
	before := g.packed.Len()
	if err := tree.PackEntry(&g.packed, entry); err != nil {
		g.packed.Truncate(before)
		return false, fmt.Errorf("%w: %w", wire.ErrFailed, err)
	}
	size := g.packed.Len() - before
	if limit := int(a.e.nc.MaxPayload()) - envelope - 20*maxMarks; size > limit {
		g.packed.Truncate(before)
		return false, fmt.Errorf("%w: what the call changes takes %d bytes, the limit is %d", wire.ErrTooLarge, size, limit)
	}
	if g.packed.Len() > maxGroupBytes && len(g.entries) > 0 {
		g.packed.Truncate(before)
		return false, nil
	}
	g.entries = append(g.entries, entry)
	return true, nil
}

// launch begins to write the next group, or to check that nothing else was written if it only reads.
func (a *actor) launch(ctx context.Context) {
	g := a.next
	if len(g.done) == 0 && (len(a.marks) == 0 || time.Since(a.since) < markEach) {
		return
	}
	for len(a.marks) > 0 && len(g.marks) < maxMarks {
		if r := a.marks[0]; a.tree.IsWaiting(r) {
			g.marks = append(g.marks, r)
		} else {
			delete(a.sending, r) // another engine has marked it
		}
		a.marks = a.marks[1:]
	}
	if len(g.done) == 0 && len(g.marks) == 0 {
		return
	}
	if g.at.IsZero() {
		g.at = a.tree.Now(time.Now())
	}
	g.undo = a.tree.Mark()
	a.flight, a.next = g, &group{}
	if len(g.entries) == 0 && len(g.marks) == 0 {
		expect := a.tree.Seq()
		go func() { a.written <- written{expect, a.e.current(ctx, a.subject, expect)} }()
		return
	}
	body, err := tree.Pack(tree.Record{
		Nonce: a.e.nonce.Add(1), At: g.at, Marks: g.marks, Waiting: a.tree.Waiting() - len(g.marks) + tree.Messages(g.entries),
	}, len(g.entries), g.packed.Bytes())
	var data []byte
	if err == nil {
		data, err = runlog.Encode(runlog.Header{Kind: runlog.KindEnv, Run: a.key.run, Writer: a.e.writer}, body)
	}
	if err != nil {
		a.written <- written{err: err}
		return
	}
	g.record = data
	expect := a.tree.Seq()
	go func() {
		seq, err := runlog.AppendNext(ctx, a.e.js, subjects.StreamLog, a.subject, data, expect)
		a.written <- written{seq, err}
	}()
}

// landed goes on after a group was written or not. The next one is sent off before the calls of this one are answered.
func (a *actor) landed(ctx context.Context, w written) {
	g := a.flight
	a.flight = nil
	if w.err != nil {
		a.crashed(ctx, g, w.err)
		return
	}
	effects := a.tree.Commit(g.undo, w.seq, g.at, g.entries, g.marks)
	if g.record != nil {
		a.tail.Add(g.record)
	}
	for _, r := range g.marks {
		delete(a.sending, r)
	}
	if len(g.entries) > 0 {
		a.view.changed(time.Now())
	}
	select {
	case <-a.e.quit:
	default:
		a.launch(ctx)
	}
	for _, d := range g.done {
		out, err := d.out.Message(d.job.env, d.job.req.Encoding)
		a.e.reply(d.job, out, err)
	}
	a.send(ctx, effects)
}

// crashed takes back what was evaluated on top of a group that was not written.
func (a *actor) crashed(ctx context.Context, g *group, err error) {
	a.tree.Undo(0)
	again := a.next.jobs()
	answer := wire.ErrUnavailable
	switch {
	case errors.Is(err, runlog.ErrConflict):
		again = append(g.jobs(), again...)
		if err := a.catchUp(ctx); err != nil {
			if !errors.Is(err, errBehind) {
				a.log.Warn("environment not read", "error", err)
			}
			a.tree = nil // it is read anew
		} else if a.leader != a.e.writer {
			a.follow = time.Now().Add(a.e.follow)
		}
	case errors.Is(err, runlog.ErrTooLarge):
		answer = wire.ErrTooLarge
	case errors.Is(err, runlog.ErrFull):
	default:
		a.tree = nil // what is in the log only reading tells
	}
	if !errors.Is(err, runlog.ErrConflict) {
		a.log.Warn("environment not written", "calls", len(g.done), "error", err)
		for _, d := range g.done {
			a.e.refuse(d.job, fmt.Errorf("%w: %w", answer, err))
		}
	}
	a.marks = append(g.marks, a.marks...)
	a.since = time.Now()
	a.backlog = append(again, a.backlog...)
	a.next = &group{}
	a.signal()
}

// send has messages delivered that are not being delivered yet.
func (a *actor) send(ctx context.Context, effects []*tree.Effect) {
	for _, f := range effects {
		if !a.sending[f.Ref] {
			a.sending[f.Ref] = true
			a.e.courier.take(ctx, parcel{effect: f, run: a.key.run, root: a.key.root, done: a.delivered})
		}
	}
}
