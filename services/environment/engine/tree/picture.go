package tree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/environment/value"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Picture is a tree as it stood at a record. It stays what it is when the tree changes, and may be packed on another goroutine.
type Picture struct {
	at       time.Time
	envs     []shown
	outcomes []remembered // oldest first
	pending  []*Effect    // in order
}

type shown struct {
	name, kind string
	config     []byte
	state      map[string]any
	listeners  []watching
}

type watching struct {
	environment.Listener
	was bool
}

type remembered struct {
	key string
	out Outcome
}

// pictureVersion is the version of a packed picture. Fields are only ever appended to any of its arrays.
const pictureVersion = 1

// Fields of the arrays of a picture.
const (
	pictureFields  = 5 // version, at, environments, outcomes, messages that wait
	shownFields    = 5 // name, kind, config, state, listeners
	watchingFields = 2 // listener as JSON, whether its condition was true
	keptFields     = 4 // key, value, code, text
	effectFields   = 7 // seq, n, env, listener, to, hub, msg
)

// Picture takes a picture, for which there must be nothing to undo. It copies no values: those in a tree are replaced, never
// changed.
func (t *Tree) Picture() *Picture {
	p := &Picture{at: t.at, pending: t.Undelivered(), envs: make([]shown, 0, len(t.envs)), outcomes: make([]remembered, 0, len(t.outcomes.order))}
	for _, name := range slices.Sorted(maps.Keys(t.envs)) {
		e := t.envs[name]
		s := shown{name: name, kind: e.kind, config: e.config, state: maps.Clone(e.state)}
		for _, l := range e.listeners {
			s.listeners = append(s.listeners, watching{l.Listener, l.was})
		}
		p.envs = append(p.envs, s)
	}
	for _, key := range t.outcomes.order {
		p.outcomes = append(p.outcomes, remembered{key, t.outcomes.of[key]})
	}
	return p
}

// Pack returns the picture as bytes: equal pictures, equal bytes.
func (p *Picture) Pack() ([]byte, error) {
	var b bytes.Buffer
	enc := msgpack.GetEncoder()
	defer msgpack.PutEncoder(enc)
	enc.Reset(&b)
	w := packer{enc: enc}
	w.array(pictureFields)
	w.keep(enc.EncodeInt(pictureVersion))
	w.keep(enc.EncodeInt(p.at.UnixNano()))
	w.array(len(p.envs))
	for _, s := range p.envs {
		w.array(shownFields)
		w.texts(s.name, s.kind)
		w.keep(enc.EncodeBytes(s.config))
		w.keep(value.Pack(enc, s.state))
		w.array(len(s.listeners))
		for _, l := range s.listeners {
			raw, err := json.Marshal(l.Listener)
			w.keep(err)
			w.array(watchingFields)
			w.keep(enc.EncodeBytes(raw))
			w.keep(enc.EncodeBool(l.was))
		}
	}
	w.array(len(p.outcomes))
	for _, o := range p.outcomes {
		w.array(keptFields)
		w.texts(o.key)
		w.keep(value.Pack(enc, o.out.Value))
		w.texts(o.out.Code, o.out.Text)
	}
	w.array(len(p.pending))
	for _, f := range p.pending {
		w.array(effectFields)
		w.keep(enc.EncodeUint(f.Seq))
		w.keep(enc.EncodeInt(int64(f.N)))
		w.texts(f.Env, f.Listener, string(f.To), f.Hub)
		w.keep(enc.EncodeBytes(f.Msg))
	}
	return b.Bytes(), w.err
}

// Restore returns the tree of a run and an outermost environment of which a picture was taken at a record. It is made for hostile input; the error is ErrRecord.
func Restore(run, root string, kinds *environment.Registry, seq uint64, data []byte) (*Tree, error) {
	in := bytes.NewReader(data)
	u := &unpacker{in: in, dec: msgpack.NewDecoder(in)}
	t := New(run, kinds)
	t.seq = seq
	extra := u.fields(pictureFields)
	if v := u.int(); u.err == nil && v != pictureVersion {
		u.keep(fmt.Errorf("%w: a picture of version %d, this program reads %d", ErrRecord, v, pictureVersion))
	}
	t.at = time.Unix(0, u.int()).UTC()
	u.each(func() { u.shown(t) })
	u.each(func() {
		more := u.fields(keptFields)
		key, out := u.text(), Outcome{Value: u.value(), Code: u.text(), Text: u.text()}
		u.skip(more)
		t.outcomes.keep(key, out)
	})
	u.each(func() {
		more := u.fields(effectFields)
		f := &Effect{Ref: Ref{u.uint(), int(u.int())}, Env: u.text(), Listener: u.text(), To: subjects.Address(u.text()), Hub: u.text(), Msg: u.data()}
		u.skip(more)
		t.pending[f.Ref] = f
	})
	u.skip(extra)
	for name := range t.envs {
		if environment.Root(name) != root {
			u.keep(fmt.Errorf("%w: a picture of %q", ErrRecord, name))
		}
	}
	if u.err == nil && in.Len() > 0 {
		u.keep(fmt.Errorf("%w: %d bytes follow", ErrRecord, in.Len()))
	}
	if err := u.fault(); err != nil {
		return nil, err
	}
	t.outcomes.settle(len(t.outcomes.order))
	t.undo = nil
	return t, nil
}

// shown reads an environment and puts it into the tree. Those it is nested in come before it.
func (u *unpacker) shown(t *Tree) {
	more := u.fields(shownFields)
	name, kind, config := u.text(), u.text(), u.data()
	state, isMap := u.value().(map[string]any)
	if u.err == nil && !isMap {
		u.keep(fmt.Errorf("%w: environment %q has no state", ErrRecord, name))
	}
	if u.err == nil {
		u.keep(t.recreate(name, Op{Key: kind, Data: config}))
	}
	if u.err != nil {
		return
	}
	e := t.envs[name]
	e.state = state
	u.each(func() {
		more := u.fields(watchingFields)
		var l environment.Listener
		if raw := u.data(); u.err == nil {
			u.keep(json.Unmarshal(raw, &l))
		}
		was := read(u, u.dec.DecodeBool)
		u.skip(more)
		if u.err != nil {
			return
		}
		c, err := l.Compile()
		if err != nil {
			u.keep(err)
			return
		}
		if _, twice := e.listener(l.Name); twice {
			u.keep(fmt.Errorf("%w: listener %q twice", ErrRecord, l.Name))
			return
		}
		t.listen(e, c).was = was
	})
	u.skip(more)
}
