package engine

import (
	"context"
	"errors"

	"github.com/myriad-sim/myriad/internal/checkpoint"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

// farBehind is how many records of others are read one by one.
const farBehind = 512

// errBehind says that it is quicker to read a tree anew than to go on.
var errBehind = errors.New("too many records of others")

// tail is what a tree has in the log since its last checkpoint.
type tail struct {
	checkpoint.Tail
	from uint64 // record that the checkpoint covers
}

// checkpoint puts the tree away, of which all is on disk. The calls wait for the picture, and not for what is done with it.
// If that fails the next one comes after as much again.
func (a *actor) checkpoint(life context.Context) {
	before, seq, picture := a.tail.from, a.tree.Seq(), a.tree.Picture()
	a.tail.from = seq
	a.tail.Begin()
	a.e.done.Go(func() {
		size := 0
		defer func() { a.tail.Done(size) }()
		newest, err := a.e.checkpoints.Newest(life, a.subject)
		if err == nil && newest > before {
			return // another engine's, which has counted the same records
		}
		var data []byte
		if err == nil {
			data, err = picture.Pack()
		}
		if err == nil {
			err = a.e.checkpoints.Save(life, a.subject, seq, data)
		}
		if err != nil {
			if life.Err() == nil {
				a.log.Warn("no checkpoint of an environment", "record", seq, "error", err)
			}
			return
		}
		size = len(data)
		a.log.Debug("checkpoint of an environment", "record", seq, "bytes", len(data))
	})
}

// fromCheckpoint is the tree as the newest checkpoint has it, or an empty one.
func (a *actor) fromCheckpoint(ctx context.Context) *tree.Tree {
	out, size := tree.New(a.key.run, a.e.cfg.Kinds), 0
	err := a.e.bounded(ctx, 3*patience, func(ctx context.Context) error {
		return a.e.checkpoints.Load(ctx, a.subject, func(seq uint64, state []byte) error {
			t, err := tree.Restore(a.key.run, a.key.root, a.e.cfg.Kinds, seq, state)
			if err == nil {
				out, size = t, len(state)
			}
			return err
		})
	})
	if err != nil && ctx.Err() == nil {
		a.log.Warn("checkpoint of an environment not read; the log is", "error", err)
	}
	a.tail.from = out.Seq()
	a.tail.From(size)
	return out
}

// advance applies the next record to a tree and counts it.
func (a *actor) advance(t *tree.Tree, e runlog.Entry) error {
	err := a.apply(t, e.Data, e.Seq)
	if err == nil {
		a.tail.Add(e.Data)
	}
	return err
}
