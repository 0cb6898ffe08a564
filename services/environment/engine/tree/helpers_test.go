package tree_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/environment/value"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

// house is a tree whose calls are committed one by one, as records.
type house struct {
	t       testing.TB
	tree    *tree.Tree
	kinds   *environment.Registry
	seq     uint64
	now     time.Time
	records []*tree.Record
	told    []*tree.Effect // by the last call
}

func newHouse(t testing.TB) *house {
	kinds := environment.NewRegistry()
	return &house{t: t, tree: tree.New("r", kinds), kinds: kinds, now: time.UnixMilli(1_000_000).UTC()}
}

func agent(name string) subjects.Address { return subjects.CodeAddress("h", name) }

// call does a call and returns its outcome.
func (h *house) call(as subjects.Address, env, function string, args any) (any, error) {
	h.t.Helper()
	return h.once(as, "", env, function, args)
}

func (h *house) once(as subjects.Address, id, env, function string, args any) (any, error) {
	h.t.Helper()
	given, err := value.Normal(args)
	require.NoError(h.t, err)
	h.now = h.now.Add(time.Second)
	at := h.tree.Now(h.now)
	out, entry, err := h.tree.Do(&tree.Call{Env: env, Function: function, Args: given, Caller: as, ID: id}, at)
	if err != nil {
		return nil, err
	}
	h.told = nil
	if entry != nil {
		h.commit(at, entry)
	}
	m, err := out.Message(env, msg.Msgpack)
	if err != nil {
		return nil, err
	}
	return value.Of(m.Content), nil
}

// commit takes an entry through its written form.
func (h *house) commit(at time.Time, entry *tree.Entry) {
	h.t.Helper()
	var packed bytes.Buffer
	require.NoError(h.t, tree.PackEntry(&packed, entry))
	h.seq++
	body, err := tree.Pack(tree.Record{Nonce: h.seq, At: at, Waiting: h.tree.Waiting() + tree.Messages([]*tree.Entry{entry})}, 1, packed.Bytes())
	require.NoError(h.t, err)
	r, err := tree.Unpack(body)
	require.NoError(h.t, err)
	h.records = append(h.records, r)
	h.told = h.tree.Commit(h.tree.Mark(), h.seq, at, []*tree.Entry{entry}, nil)
	require.Equal(h.t, r.Waiting, h.tree.Waiting())
}

// must is call for one that works.
func (h *house) must(as subjects.Address, env, function string, args any) any {
	h.t.Helper()
	out, err := h.call(as, env, function, args)
	require.NoError(h.t, err)
	return out
}

// texts are the messages of the last call, by receiver.
func (h *house) texts() map[string]string {
	out := map[string]string{}
	for _, e := range h.told {
		m, err := msg.Msgpack.Decode(e.Msg)
		require.NoError(h.t, err)
		out[string(e.To)+e.Hub] += m.Content.String() + ";"
	}
	return out
}

// again is the tree as another program reads it from the log.
func (h *house) again() *tree.Tree {
	h.t.Helper()
	t := tree.New("r", h.kinds)
	for i, r := range h.records {
		require.NoError(h.t, t.Apply(r, uint64(i+1)))
	}
	return t
}

type m = map[string]any
