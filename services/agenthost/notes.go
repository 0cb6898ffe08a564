package agenthost

import (
	"maps"
	"time"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// What an agent was told outside its turns is part of its memory, and so of its prompts; what it answered is kept by
// request id, so that a repeated request changes nothing. Both have bounds: whoever may talk to agents could otherwise
// fill the host, or make prompts too long to be asked.
const (
	maxNotes        = 64        // newest notes an agent remembers
	maxNoteBytes    = 128 << 10 // and their bytes
	maxOutcomes     = 4096      // newest outcomes a shard remembers
	maxOutcomeBytes = 16 << 20  // and their bytes
)

// note is a message an agent was told, and what it said to it.
type note struct {
	said  string
	reply string // "" for observe
}

// told is what the agents of a shard were told. The shard's lock is held by whoever uses it.
type told struct {
	notes    map[int][]note // by agent, oldest first
	outcomes map[request][]byte
	order    []request // oldest first
	bytes    int       // of outcomes
	promised map[request]msg.Placeholder
}

// request is a request id, which is the agent's own: two agents may be sent the same one.
type request struct {
	agent int
	id    string
}

// outcome returns the recorded answer to a request, nil if it is new.
func (t *told) outcome(agent int, id string) []byte {
	if id == "" {
		return nil
	}
	return t.outcomes[request{agent, id}]
}

func (t *told) keep(agent int, n note, id string, answer []byte) {
	if t.notes == nil {
		t.notes, t.outcomes = map[int][]note{}, map[request][]byte{}
	}
	r := request{agent, id}
	if _, twice := t.outcomes[r]; twice { // the log had it already when its writer was told that it had not, and was asked again
		return
	}
	t.notes[agent] = newest(append(t.notes[agent], n))
	if id == "" {
		return
	}
	t.outcomes[r] = answer
	t.order = append(t.order, r)
	for t.bytes += len(answer); len(t.order) > maxOutcomes || t.bytes > maxOutcomeBytes; t.order = t.order[1:] {
		t.bytes -= len(t.outcomes[t.order[0]])
		delete(t.outcomes, t.order[0])
	}
}

// newest drops the oldest notes beyond the bounds.
func newest(all []note) []note {
	first, bytes := len(all), 0
	for first > 0 && len(all)-first < maxNotes {
		bytes += len(all[first-1].said) + len(all[first-1].reply)
		if bytes > maxNoteBytes {
			break
		}
		first--
	}
	return all[first:]
}

// promise is the promise that was given for a call with this request id, as long as it may be kept.
func (t *told) promise(r request) (p msg.Placeholder, known bool) {
	p, known = t.promised[r]
	return p, known && !p.Expired(time.Now())
}

// unpromise forgets what was promised for a call that came to nothing: it may be sent again.
func (t *told) unpromise(r request) { delete(t.promised, r) }

// promises notes what was promised for a call with a request id. If too much is promised already, a repeated call gets a
// promise of its own, of the same outcome.
func (t *told) promises(r request, p msg.Placeholder) {
	if r.id == "" {
		return
	}
	if len(t.promised) >= maxOutcomes {
		now := time.Now()
		maps.DeleteFunc(t.promised, func(_ request, p msg.Placeholder) bool { return p.Expired(now) })
	}
	if t.promised == nil {
		t.promised = map[request]msg.Placeholder{}
	}
	if len(t.promised) < maxOutcomes {
		t.promised[r] = p
	}
}
