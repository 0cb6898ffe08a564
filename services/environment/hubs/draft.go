package hubs

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	// maxWrite is how many bytes are appended at once.
	maxWrite = 8 << 20
	// batchPays is from how many records on a batch is faster than one record after the other: the broker syncs some
	// fifteen times for a batch of any size, and once for a record.
	batchPays = 16
)

// outcome is what a verb came to: an error, records, or what it read.
type outcome struct {
	err   error
	seqs  span
	draft bool // seqs counts from the first record of the draft, not of the stream
	read  *reading
}

// reading is what participants and history need of a state.
type reading struct {
	created uint64
	in      []participant // as participants asks for; nil for history
}

// participant is one in the reply of participants.
type participant struct {
	Address subjects.Address `json:"address"`
	Joined  uint64           `json:"joined"` // sequence of the record
}

// draft is what a hub would be after records that are not appended yet.
type draft struct {
	*state
	exists  bool
	fresh   bool // created by one of the records
	changed map[subjects.Address]bool
	size    int // participants
	records []record
	bytes   int
	most    int // records, unless a single verb has more
	spans   map[request]span
}

// newDraft is an empty draft, to be filled with verbs from a list.
func newDraft(s *state, list []*verb) *draft {
	most, waiting := bus.MaxBatchMsgs, 0
	for _, v := range list {
		waiting += v.records()
	}
	if waiting < batchPays {
		most = 1
	}
	return &draft{
		state: s, most: most, exists: s.created != 0, size: len(s.in), changed: map[subjects.Address]bool{}, spans: map[request]span{},
	}
}

func (d *draft) has(a subjects.Address) bool {
	if is, ok := d.changed[a]; ok {
		return is
	}
	_, is := d.in[a]
	return is
}

// add evaluates a verb. It returns false, and changes nothing, for one that must wait for what the draft holds.
func (d *draft) add(v *verb) (outcome, bool) {
	if v.id != "" {
		if s, ok := d.spans[request{v.sender, v.id}]; ok {
			return outcome{seqs: s, draft: true}, true
		}
		if s, ok := d.ids[request{v.sender, v.id}]; ok {
			return outcome{seqs: s}, true
		}
	}
	if len(d.records) > 0 && (len(d.records)+v.records() > d.most || d.bytes+v.bytes > maxWrite) {
		return outcome{}, false
	}
	if v.name == verbCreate {
		return d.create(v)
	}
	if !d.exists {
		return outcome{err: fmt.Errorf("%w: %q of run %q; a request to %s makes it", wire.ErrNoHub, v.hub, v.run,
			subjects.HubCall(v.run, v.hub, verbCreate))}, true
	}
	switch v.name {
	case verbAdd:
		if d.fresh {
			return outcome{}, false // who joins is noted under the sequence at which the hub was created
		}
		return d.join(v), true
	case verbDelete:
		return d.leave(v), true
	case verbBroadcast:
		if !d.has(v.sender) {
			return outcome{err: fmt.Errorf("%w: of hub %q: %s is %q", wire.ErrNotIn, v.hub, subjects.HeaderSender, v.sender)}, true
		}
		return d.say(v, subjects.SaidMessage, v.said), true
	case verbAnnounce:
		return d.say(v, subjects.SaidAnnouncement, v.said), true
	case verbClose:
		d.exists, d.fresh, d.size, d.changed = false, false, 0, map[subjects.Address]bool{}
		for a := range d.in {
			d.changed[a] = false
		}
		return d.say(v, subjects.SaidDeleted, [][]byte{v.note}), true
	case verbParticipants:
		if len(d.records) > 0 {
			return outcome{}, false // sequences of those who join are not known yet
		}
		return outcome{read: d.list(v)}, true
	default: // history
		if d.fresh {
			return outcome{}, false
		}
		return outcome{read: &reading{created: d.created}}, true
	}
}

func (d *draft) create(v *verb) (outcome, bool) {
	if d.exists {
		if d.fresh {
			return outcome{}, false
		}
		return outcome{seqs: span{d.created, 1}}, true
	}
	d.exists, d.fresh = true, true
	out := d.say(v, subjects.SaidCreated, [][]byte{v.note})
	if len(v.said) > 0 {
		out.seqs.n += d.say(v, subjects.SaidAnnouncement, v.said).seqs.n
		d.note(v, out.seqs)
	}
	return out, true
}

func (d *draft) join(v *verb) outcome {
	var list [][]byte
	for i, a := range v.addresses {
		if !d.has(a) {
			list = append(list, v.members[i])
		}
	}
	if size := d.size + len(list); size > maxParticipants {
		return outcome{err: fmt.Errorf("%w: hub %q would have %d participants, the limit is %d", wire.ErrTooLarge, v.hub, size, maxParticipants)}
	}
	d.size += len(list)
	for _, a := range v.addresses {
		d.changed[a] = true
	}
	return d.say(v, subjects.SaidJoined, list)
}

func (d *draft) leave(v *verb) outcome {
	var list [][]byte
	for i, a := range v.addresses {
		if d.has(a) {
			d.changed[a] = false
			d.size--
			list = append(list, v.members[i])
		}
	}
	return d.say(v, subjects.SaidLeft, list)
}

// say puts records into the draft.
func (d *draft) say(v *verb, kind string, list [][]byte) outcome {
	s := span{uint64(len(d.records)), len(list)}
	for _, data := range list {
		d.records = append(d.records, record{kind: kind, sender: v.sender, id: v.id, data: data})
		d.bytes += len(data)
	}
	d.note(v, s)
	return outcome{seqs: s, draft: true}
}

func (d *draft) note(v *verb, s span) {
	if v.id != "" && s.n > 0 {
		d.spans[request{v.sender, v.id}] = s
	}
}

// list is the participants who joined after a sequence, in the order in which they did.
func (d *draft) list(v *verb) *reading {
	out := &reading{created: d.created, in: []participant{}}
	for a, at := range d.in {
		if at > v.after {
			out.in = append(out.in, participant{a, at})
		}
	}
	slices.SortFunc(out.in, func(a, b participant) int { return cmp.Compare(a.Joined, b.Joined) })
	return out
}
