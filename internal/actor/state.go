package actor

import (
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// shownMemory is how many messages of its memory the state of an agent shows, the newest.
const shownMemory = 100

// described is the content of an agent's state.
type described struct {
	Kind         string           `json:"kind"`
	Address      subjects.Address `json:"address"`
	Config       json.RawMessage  `json:"config,omitempty"`
	State        any              `json:"state,omitempty"` // JSON if it is, else a text if it is, else base64
	MemoryLength int              `json:"memory_length"`
	Memory       []msg.Msg        `json:"memory"`
	Waiting      int              `json:"waiting"`
	Handled      uint64           `json:"handled"`
	Error        string           `json:"error,omitempty"` // why it cannot handle messages
}

// describe answers with what the agent is and remembers. It does not wait for the agent's turn: the memory may hold what the
// message under way has put there so far, the state is that after the last one.
func (q *request) describe() {
	if err := q.rt.load.take(len(q.raw.Data)); err != nil {
		q.reply(result{err: err})
		return
	}
	answer := func() {
		defer q.rt.load.give(len(q.raw.Data))
		q.reply(q.rt.dataOf(q.to))
	}
	if !q.rt.spawn(answer) {
		q.rt.load.give(len(q.raw.Data))
		q.reply(result{err: wire.ErrStopped})
	}
}

func (rt *Runtime) dataOf(a *actor) result {
	waiting, handled := a.counts()
	d := described{
		Kind: a.kind, Address: a.address, Config: a.config, MemoryLength: a.self.Memory.Len(), Memory: a.self.Memory.Recent(shownMemory),
		Waiting: waiting, Handled: handled,
	}
	state, broken := a.shown()
	switch {
	case state == nil:
	case json.Valid(state):
		d.State = json.RawMessage(state)
	case utf8.Valid(state):
		d.State = string(state)
	default:
		d.State = base64.StdEncoding.EncodeToString(state)
	}
	if broken != nil {
		d.Error = broken.Error()
	}
	for {
		r := rt.data(d)
		if r.err == nil {
			_, r.err = msg.Msgpack.Encode(r.out)
		}
		if r.err == nil || len(d.Memory) == 0 {
			return r
		}
		// A memory that is too large, or nested too deeply, shows less of itself rather than nothing.
		d.Memory = d.Memory[(len(d.Memory)+1)/2:]
	}
}

// show lets others see the state after the agent's turn.
func (a *actor) show() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shownState, a.shownBroken = a.state, a.broken
}

func (a *actor) shown() (state []byte, broken error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.shownState, a.shownBroken
}
