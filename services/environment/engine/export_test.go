package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/checkpoint"
)

// NeverFollow makes engines write each on their own, however often another one was first.
func NeverFollow(e *Engine) { e.follow = 0 }

// Trees is how many trees are in memory.
func Trees(e *Engine) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.trees)
}

// PutAwayEach makes engines write a checkpoint of a tree after so many records.
func PutAwayEach(records int) func(*Engine) {
	return func(e *Engine) { e.tailRecords = records }
}

// Loaded reads a tree as an engine does that is asked for it, and returns its picture and how many records it read.
func Loaded(t testing.TB, e *Engine, run, root string) (picture []byte, records int) {
	t.Helper()
	a := newActor(e, treeKey{run, root})
	defer a.timer.Stop()
	for a.tree == nil {
		before := a.partial
		if a.load(t.Context()); a.tree == nil && a.partial == nil && before == nil {
			t.Fatal("the tree cannot be read")
		}
	}
	picture, err := a.tree.Picture().Pack()
	require.NoError(t, err)
	return picture, a.tail.Records()
}

// Checkpoints is where an engine keeps them.
func Checkpoints(e *Engine) *checkpoint.Store { return e.checkpoints }
