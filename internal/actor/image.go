package actor

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/myriad-sim/myriad/internal/checkpoint"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// image is what the log of a host says of one run: what a host begins with that comes back, and what a checkpoint holds. It has
// no agent's code and is nobody's but its maker's.
type image struct {
	run, host string
	cfg       Config
	seq       uint64           // of the last record
	tail      *checkpoint.Tail // after the checkpoint it began with
	agents    map[string]*still
	numbers   map[int]*still
	next      int // number of the next agent
	hubs      map[string]*cursors
	past      []*past              // in the order of the log
	known     map[key]*past        // those with a request id
	crowded   int                  // how long past may be before it is looked through
	lives     map[string]time.Time // who wrote, and when last
}

// still is an agent in an image.
type still struct {
	name, kind string
	config     []byte
	process    bool
	number     int
	memory     *agent.Memory
	state      []byte
	handled    uint64
}

// cursors are how far a host's agents have heard a hub.
type cursors struct {
	follows bool
	begin   uint64
	upto    map[int]uint64
}

// past is a request that somebody may send again, or a call whose result somebody may ask for.
type past struct {
	run          string
	seq          uint64
	at           time.Time
	key          key    // without an id it cannot be sent again
	writer, task string // of a call
	out          *msg.Msg
	data         []byte // out as it is written, nil where nobody has it
	code, text   string // of an error, instead of out
}

// errAbsent says that an entry is about an agent that the log says is not there.
var errAbsent = errors.New("it is about an agent that is not there")

func newImage(run string, cfg Config) *image {
	return &image{
		run: run, host: cfg.Host, cfg: cfg, tail: &checkpoint.Tail{}, agents: map[string]*still{}, numbers: map[int]*still{}, hubs: map[string]*cursors{},
		known: map[key]*past{}, crowded: 1 << 10, lives: map[string]time.Time{},
	}
}

// apply takes in the next record. A record that cannot be read is final: agents that are not what they were would go on from
// there.
func (im *image) apply(at runlog.Entry) error {
	if at.Seq <= im.seq {
		return nil
	}
	h, raw, err := runlog.Decode(at.Data)
	if err == nil && (h.Kind != runlog.KindCode || h.Run != im.run) {
		err = fmt.Errorf("%w: a %s record of run %q", runlog.ErrDamaged, h.Kind, h.Run)
	}
	var entries []*entry
	if err == nil {
		entries, err = decodeBody(raw)
	}
	for i := 0; err == nil && i < len(entries); i++ {
		err = im.entry(entries[i], h.Writer, at)
	}
	if err != nil {
		return fmt.Errorf("record %d on %s: %w", at.Seq, at.Subject, err)
	}
	im.seq, im.lives[h.Writer] = at.Seq, at.Time
	im.tail.Add(at.Data)
	if len(im.past) > im.crowded {
		im.prune(at.Time)
	}
	return nil
}

// entry does what an entry tells of, without any agent's code.
func (im *image) entry(e *entry, writer string, at runlog.Entry) error {
	a := im.agents[e.agent]
	switch e.kind {
	case entryCreated:
		a = im.add(&still{name: e.agent, kind: e.of, config: e.config, process: e.process, number: e.number})
		if !e.process {
			a.memory.Apply(e.change)
			a.state = e.state
		}
		return im.order(e, at, map[string]any{"address": im.address(a)})
	case entryCloned:
		from := im.agents[e.of]
		if from == nil || from.process {
			return fmt.Errorf("%w: %w: clone of %q", runlog.ErrDamaged, errAbsent, e.of)
		}
		a = im.add(&still{name: e.agent, kind: from.kind, config: from.config, number: e.number, state: from.state})
		a.memory.Apply(from.memory.Everything())
		return im.order(e, at, map[string]any{"address": im.address(a)})
	case entryDeleted:
		if a != nil {
			delete(im.agents, a.name)
			delete(im.numbers, a.number)
			for _, h := range im.hubs {
				delete(h.upto, a.number)
			}
		}
		return im.order(e, at, map[string]any{})
	case entryOutcome:
		if a == nil || a.process {
			return fmt.Errorf("%w: %w: %q", runlog.ErrDamaged, errAbsent, e.agent)
		}
		a.took(e)
		a.handled++
		im.outcome(a, e, writer, at)
	case entryFollow, entryHeard, entryEnded:
		im.heard(e)
	}
	return nil
}

// add puts an agent into the image.
func (im *image) add(a *still) *still {
	a.memory = agent.NewMemory()
	im.next = max(im.next, a.number+1)
	im.agents[a.name], im.numbers[a.number] = a, a
	return a
}

func (im *image) address(a *still) subjects.Address {
	if a.process {
		return subjects.CodeAddress(childHost(im.host, a.name), a.name)
	}
	return subjects.CodeAddress(im.host, a.name)
}

// took changes memory and state as an entry says.
func (a *still) took(e *entry) {
	a.memory.Apply(e.change)
	if e.state != nil {
		a.state = e.state
	}
}

// order notes the outcome of a request to the host.
func (im *image) order(e *entry, at runlog.Entry, answer any) error {
	if e.id == "" {
		return nil
	}
	r := hostData(im.host, answer)
	if r.err != nil {
		return r.err
	}
	im.note(&past{run: im.run, seq: at.Seq, at: at.Time, key: key{run: im.run, id: e.id}, out: &r.out})
	return nil
}

// outcome notes the outcome of a request to an agent.
func (im *image) outcome(a *still, e *entry, writer string, at runlog.Entry) {
	if e.id == "" && e.task == "" {
		return
	}
	p := &past{run: im.run, seq: at.Seq, at: at.Time, task: e.task, code: e.code, text: e.text}
	if e.task != "" {
		p.writer = writer
	}
	if e.id != "" {
		p.key = key{im.run, a.name, e.id}
	}
	switch {
	case e.code != "":
	case e.reply != nil:
		p.out, p.data = e.reply.m, e.reply.data
	default:
		p.out = &msg.Msg{Name: a.name, Role: msg.RoleAssistant}
	}
	im.note(p)
}

// note keeps a request in mind. One of the same id was forgotten long ago by the host, which has done it anew.
func (im *image) note(p *past) {
	if p.key.id != "" {
		if old := im.known[p.key]; old != nil {
			old.key = key{}
		}
		im.known[p.key] = p
	}
	im.past = append(im.past, p)
}

// prune forgets what a host would not remember any more: the oldest requests beyond the bounds, and old results.
func (im *image) prune(now time.Time) {
	ids, bytes := 0, int64(0)
	kept := make([]*past, 0, len(im.past))
	for _, p := range slices.Backward(im.past) {
		if p.key.id != "" {
			ids++
			bytes += int64(len(p.key.agent) + len(p.key.id) + len(p.data) + outcomeBytes)
			if ids > 1 && (ids > maxOutcomes || bytes > im.cfg.KeepBytes) {
				delete(im.known, p.key)
				p.key = key{}
			}
		}
		if p.task != "" && now.Sub(p.at) >= im.cfg.Keep {
			p.writer, p.task = "", ""
		}
		if p.key.id != "" || p.task != "" {
			kept = append(kept, p)
		}
	}
	slices.Reverse(kept)
	im.past, im.crowded = kept, max(2*len(kept), 1<<10)
	for life, last := range im.lives {
		if now.Sub(last) >= im.cfg.CallTimeout+im.cfg.Keep {
			delete(im.lives, life)
		}
	}
}

// heard applies an entry about a hub.
func (im *image) heard(e *entry) {
	h := im.hubs[e.hub]
	if h == nil {
		h = &cursors{upto: map[int]uint64{}}
		im.hubs[e.hub] = h
	}
	switch e.kind {
	case entryFollow:
		h.follows, h.begin = true, e.upto
	case entryEnded:
		h.follows, h.begin = false, e.upto
		clear(h.upto)
	case entryHeard:
		for _, n := range e.numbers {
			h.upto[n] = e.upto
			im.next = max(im.next, n+1)
			if a := im.numbers[n]; a != nil && !a.process {
				a.took(e)
			}
		}
	}
}
