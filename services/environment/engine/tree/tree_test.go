package tree_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

func jsonOf(t testing.TB, text string) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(text), &v))
	return v
}

func TestRepeatedRequestsAreDoneOnce(t *testing.T) {
	h := newHouse(t)
	h.must("", "w", "create", nil)
	out, err := h.once("", "id", "w", "incr", "n")
	require.NoError(t, err)
	again, err := h.once("", "id", "w", "incr", "n")
	require.NoError(t, err)
	require.Equal(t, out, again)
	other, err := h.once(agent("a"), "id", "w", "incr", "n")
	require.NoError(t, err)
	require.Equal(t, int64(2), other, "another caller's id is another id")
	_, err = h.once("", "bad", "w", "compare_and_set", nil)
	require.ErrorIs(t, err, environment.ErrBadRequest)

	// Another program knows the outcomes from the log.
	h.tree = h.again()
	again, err = h.once("", "id", "w", "incr", "n")
	require.NoError(t, err)
	require.Equal(t, out, again)
	require.Equal(t, int64(2), h.must("", "w", "get", "n"))
	_, err = h.once("", "bad", "w", "compare_and_set", nil)
	require.ErrorIs(t, err, environment.ErrBadRequest)
}

func TestOutcomesAreBounded(t *testing.T) {
	h := newHouse(t)
	h.must("", "w", "create", nil)
	for i := range 80_000 {
		out, _, err := h.tree.Do(&tree.Call{Env: "w", Function: "incr", Args: "n", ID: fmt.Sprint(i)}, h.now)
		require.NoError(t, err)
		require.Equal(t, int64(i+1), out.Value)
		if i%100 == 99 {
			entries := make([]*tree.Entry, 100)
			for i := range entries {
				entries[i] = &tree.Entry{Env: "w", Outcome: &tree.Outcome{}}
			}
			h.seq++
			h.tree.Commit(h.tree.Mark(), h.seq, h.now, entries, nil)
		}
	}
	again := func(id string) any {
		mark := h.tree.Mark()
		out, _, err := h.tree.Do(&tree.Call{Env: "w", Function: "incr", Args: "n", ID: id}, h.now)
		require.NoError(t, err)
		h.tree.Undo(mark)
		return out.Value
	}
	require.Equal(t, int64(20_001), again("20000"))
	require.Equal(t, int64(80_001), again("0"), "forgotten, so it is done")
}

func TestListeners(t *testing.T) {
	h := newHouse(t)
	h.must("", "w", "create", nil)
	require.Equal(t, m{"true": false}, h.must("", "w", "listen", m{"name": "big", "when": "state.n > 2", "hub": "x", "say": "n={{state.n}}"}))
	h.must("", "w", "listen", m{"name": "each", "on": "n", "tell": []any{"code.h.a"}, "say": "{{state.n}}"})
	h.must("", "w", "listen", m{"name": "called", "on": "get", "when": "state.n == 1", "hub": "g"})
	h.must("", "w", "listen", m{"name": "big", "when": "state.n > 2", "hub": "x", "say": "n={{state.n}}"}) // the same
	_, err := h.call("", "w", "listen", m{"name": "big", "when": "state.n > 3", "hub": "x"})
	require.ErrorIs(t, err, environment.ErrExists)
	require.Equal(t, m{"true": true}, h.must("", "w", "listen", m{"name": "true", "when": "true", "hub": "t"}))

	h.must("", "w", "set", m{"key": "n", "value": 1})
	require.Equal(t, map[string]string{"code.h.a": "1;"}, h.texts())
	h.must("", "w", "get", "n")
	require.Equal(t, map[string]string{"g": "called;"}, h.texts())
	h.must("", "w", "get", "n")
	require.Empty(t, h.told)
	h.must("", "w", "set", m{"key": "n", "value": 5})
	require.Equal(t, map[string]string{"code.h.a": "5;", "x": "n=5;"}, h.texts())
	h.tree = h.again()
	h.must("", "w", "set", m{"key": "n", "value": 6})
	require.Equal(t, map[string]string{"code.h.a": "6;"}, h.texts(), "the log knows that it was true")
	h.must("", "w", "unlisten", "each")
	h.must("", "w", "set", m{"key": "n", "value": 0})
	h.must("", "w", "set", m{"key": "n", "value": 7})
	require.Equal(t, map[string]string{"x": "n=7;"}, h.texts())
	_, err = h.call("", "w", "unlisten", "each")
	require.ErrorIs(t, err, environment.ErrBadRequest)
	require.Len(t, h.tree.Undelivered(), h.again().Waiting())
}

// What a call that makes a listener does itself is before the listener.
func TestAListenerLooksFromTheNextCallOn(t *testing.T) {
	h := newHouse(t)
	h.must("", "w", "create", m{"config": m{"state": m{"n": 1}, "listeners": []any{m{"name": "n", "on": "n", "hub": "x"}}}})
	require.Empty(t, h.told)
	h.must("", "w", "set", m{"key": "n", "value": 1})
	require.Len(t, h.told, 1)
}

func TestAKindThatThisProgramLacks(t *testing.T) {
	h := newHouse(t)
	h.kinds.Add("mine", func([]byte) (*environment.Code, error) { return &environment.Code{}, nil })
	h.must("", "w", "create", nil)
	h.must("", "w/m", "create", m{"kind": "mine"})
	h.kinds = environment.NewRegistry()
	h.tree = h.again()
	require.Equal(t, "mine", h.tree.Lacks())
	_, err := h.call("", "w", "get", "x")
	require.ErrorIs(t, err, environment.ErrNoKind)
	_, err = newHouse(t).call("", "w", "create", m{"kind": "mine"})
	var lack *tree.LackError
	require.ErrorAs(t, err, &lack)
	require.Equal(t, "mine", lack.Kind)
}

// odd is a value whose own code for JSON fails.
type odd struct{}

func (odd) MarshalJSON() ([]byte, error) { panic("odd") }

// Whatever a function does or returns, it ends the call and not the program, and nothing of it stays.
func TestFunctionsOfUsersCannotEndTheProgram(t *testing.T) {
	h := newHouse(t)
	do := func(end func() any) environment.Function {
		return environment.Function{Do: func(tx environment.Tx, _ environment.Args) (any, error) {
			if err := tx.Set("n", 1); err != nil {
				return nil, err
			}
			return end(), tx.Tell(environment.Tell{Hub: "x", Msg: msg.Msg{Content: msg.Text("said")}})
		}}
	}
	h.kinds.Add("mine", func([]byte) (*environment.Code, error) {
		return &environment.Code{Functions: map[string]environment.Function{
			"panics": do(func() any { panic("no") }), "odd": do(func() any { return odd{} }), "none": do(func() any { return math.NaN() }),
		}}, nil
	})
	h.must("", "w", "create", m{"kind": "mine"})
	for _, f := range []string{"panics", "odd", "none"} {
		_, err := h.call("", "w", f, nil)
		require.ErrorIs(t, err, environment.ErrFailed, f)
		require.Empty(t, h.told, f)
		require.Empty(t, h.must("", "w", "keys", nil), f)
	}
}

var functions = []string{"set", "incr", "append", "delete", "create", "remove", "listen", "unlisten", "compare_and_set", "get"}

func drawCall(t *rapid.T) *tree.Call {
	c := &tree.Call{
		Env: rapid.SampledFrom([]string{"w", "w/a", "w/b", "w/a/c"}).Draw(t, "env"), Function: rapid.SampledFrom(functions).Draw(t, "f"),
		ID: rapid.SampledFrom([]string{"", "", "1", "2", "3"}).Draw(t, "id"),
	}
	k := rapid.SampledFrom([]any{"x", "y"}).Draw(t, "key")
	v := rapid.SampledFrom([]any{int64(1), "t", nil, []any{int64(2)}}).Draw(t, "value")
	switch c.Function {
	case "set", "append", "compare_and_set":
		c.Args = m{"key": k, "value": v}
	case "listen":
		c.Args = m{"name": k, "when": "state.x == 1 or len(children) > 1", "hub": "h"}
	case "incr", "delete", "unlisten", "get":
		c.Args = k
	}
	return c
}

// Whatever calls do: what is undone was never there, and what is in the records gives the same tree to who reads them.
func TestUndoAndReplay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHouse(t)
		h.must("", "w", "create", nil)
		for range rapid.IntRange(1, 30).Draw(rt, "calls") {
			before, err := json.Marshal(h.tree.Export("w"))
			require.NoError(t, err)
			c := drawCall(rt)
			lasting := rapid.Bool().Draw(rt, "lasting")
			h.now = h.now.Add(time.Millisecond)
			out, entry, err := h.tree.Do(c, h.now)
			require.NoError(t, err)
			switch {
			case entry != nil && lasting:
				h.commit(h.now, entry)
			case entry != nil:
				h.tree.Undo(0)
				fallthrough
			case out.Code != "":
				after, err := json.Marshal(h.tree.Export("w"))
				require.NoError(t, err)
				require.Equal(t, string(before), string(after))
			}
		}
		again := h.again()
		require.Equal(t, h.tree.Export("w"), again.Export("w"))
		require.Equal(t, h.tree.Undelivered(), again.Undelivered())
		for range 5 { // and both go on alike
			c := drawCall(rt)
			one, e1, err1 := h.tree.Do(c, h.now)
			two, e2, err2 := again.Do(c, h.now)
			require.Equal(t, err1, err2)
			require.Equal(t, one, two)
			require.Equal(t, e1, e2)
		}
	})
}

// A record that promises much costs no more than it holds.
func TestPromisesOfLengthAreNotBelieved(t *testing.T) {
	h := newHouse(t)
	h.must("", "w", "create", nil)
	data := bytes.Replace(pack(t, h.records[0]), []byte{0xa5, 's', 't', 'a', 't', 'e', 0xc0, 0xc0}, []byte{0xa5, 's', 't', 'a', 't', 'e', 0xc0, 0xc6, 0xff, 0xff, 0xff, 0xff}, 1)
	require.NotEqual(t, pack(t, h.records[0]), data)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := tree.Unpack(data)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, tree.ErrRecord)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))
}

func FuzzRecord(f *testing.F) {
	h := newHouse(f)
	h.must("", "w", "create", m{"kind": "state", "config": jsonOf(f, bank)})
	_, err := h.once(agent("a"), "id", "w", "give", 90)
	require.NoError(f, err)
	for _, r := range h.records {
		f.Add(pack(f, r))
	}
	f.Add([]byte{0x96, 1, 0, 0, 0, 0x90, 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		n, waitErr := tree.Waiting(data)
		r, err := tree.Unpack(data)
		if err != nil {
			require.ErrorIs(t, err, tree.ErrRecord)
			return
		}
		require.NoError(t, waitErr)
		require.Equal(t, r.Waiting, n)
		again, err := tree.Unpack(pack(t, r))
		require.NoError(t, err)
		require.Equal(t, r, again)
		_ = tree.New("r", environment.NewRegistry()).Apply(r, 1) // an error or not, but no panic
	})
}

func pack(t testing.TB, r *tree.Record) []byte {
	var entries bytes.Buffer
	for _, e := range r.Entries {
		require.NoError(t, tree.PackEntry(&entries, e))
	}
	data, err := tree.Pack(*r, len(r.Entries), entries.Bytes())
	require.NoError(t, err)
	return data
}
