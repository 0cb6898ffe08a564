package tree_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

// restored is the tree as a picture of it has it.
func restored(t require.TestingT, from *tree.Tree, kinds *environment.Registry) *tree.Tree {
	data, err := from.Picture().Pack()
	require.NoError(t, err)
	out, err := tree.Restore("r", "w", kinds, from.Seq(), data)
	require.NoError(t, err)
	again, err := out.Picture().Pack()
	require.NoError(t, err)
	require.Equal(t, data, again, "equal trees, equal bytes")
	return out
}

// Whatever calls do and wherever the picture is taken: the picture and the records after it give the tree that all records give,
// and both go on alike.
func TestPictureAndTail(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHouse(t)
		h.must("", "w", "create", nil)
		calls := rapid.IntRange(1, 40).Draw(rt, "calls")
		at := rapid.IntRange(0, calls).Draw(rt, "picture")
		var from *tree.Tree
		for i := range calls + 1 {
			if i == at {
				from = restored(rt, h.tree, h.kinds)
			}
			h.now = h.now.Add(time.Millisecond)
			_, entry, err := h.tree.Do(drawCall(rt), h.now)
			require.NoError(t, err)
			if entry != nil {
				h.commit(h.now, entry)
			}
		}
		for i, r := range h.records {
			require.NoError(rt, from.Apply(r, uint64(i+1)))
		}
		require.Equal(rt, h.tree.Export("w"), from.Export("w"))
		require.Equal(rt, h.tree.Undelivered(), from.Undelivered())
		require.Equal(rt, h.tree.Seq(), from.Seq())
		for range 10 {
			c := drawCall(rt)
			one, e1, err1 := h.tree.Do(c, h.now)
			two, e2, err2 := from.Do(c, h.now)
			require.Equal(rt, err1, err2)
			require.Equal(rt, one, two)
			require.Equal(rt, e1, e2)
		}
	})
}

// A picture stays what it is while the tree goes on.
func TestAPictureDoesNotChange(t *testing.T) {
	h := newHouse(t)
	h.must("", "w", "create", nil)
	h.must("", "w", "listen", m{"name": "big", "when": "state.n > 2", "hub": "x"})
	h.must("", "w", "append", m{"key": "l", "value": 1})
	p := h.tree.Picture()
	before, err := p.Pack()
	require.NoError(t, err)
	for i := range 5 {
		h.must("", "w", "append", m{"key": "l", "value": i})
		h.must("", "w", "set", m{"key": "n", "value": i})
		_, err = h.once("", fmt.Sprint(i), "w", "incr", "k")
		require.NoError(t, err)
	}
	h.must("", "w", "unlisten", "big")
	after, err := p.Pack()
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// A program that lacks a kind keeps what there is of it.
func TestAPictureOfAKindThatIsLacking(t *testing.T) {
	h := newHouse(t)
	h.kinds.Add("mine", func([]byte) (*environment.Code, error) { return &environment.Code{}, nil })
	h.must("", "w", "create", nil)
	h.must("", "w/m", "create", m{"kind": "mine", "config": m{"a": 1}})
	h.must("", "w/m", "set", m{"key": "k", "value": 7})
	without := restored(t, h.tree, environment.NewRegistry())
	require.Equal(t, "mine", without.Lacks())
	h.tree = restored(t, without, h.kinds)
	require.Empty(t, h.tree.Lacks())
	require.Equal(t, int64(7), h.must("", "w/m", "get", "k"))
}

// What is no picture, or one of another tree, is refused, whatever it is.
func FuzzRestore(f *testing.F) {
	h := newHouse(f)
	h.must("", "w", "create", m{"config": m{"state": m{"n": 1}, "listeners": []any{m{"name": "n", "on": "n", "hub": "x"}}}})
	h.must("", "w/a", "create", nil)
	h.must("", "w", "set", m{"key": "n", "value": []any{1, "two", 3.5, nil}})
	_, err := h.once("", "id", "w", "incr", "k")
	require.NoError(f, err)
	data, err := h.tree.Picture().Pack()
	require.NoError(f, err)
	f.Add(data)
	f.Add(data[:len(data)/2])
	_, err = tree.Restore("r", "other", h.kinds, 1, data)
	require.ErrorIs(f, err, tree.ErrRecord)
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := tree.Restore("r", "w", environment.NewRegistry(), 1, data)
		if err != nil {
			require.ErrorIs(t, err, tree.ErrRecord)
			return
		}
		restored(t, got, environment.NewRegistry())
	})
}
