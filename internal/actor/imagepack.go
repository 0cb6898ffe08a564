package actor

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// imageVersion is the version of a packed image. Fields are only ever appended to any of its arrays.
const imageVersion = 1

// A packed image is the msgpack array [version, next, messages, agents, hubs, requests, lives]. Messages are there once, as in a
// record.
const (
	imageFields  = 7
	stillFields  = 9 // name, kind, config, process, number, state, handled, window, messages
	cursorFields = 4 // hub, follows, begin, [upto, agents, …]
	pastFields   = 9 // seq, at, agent, id, writer, task, answer, code, text
	lifeFields   = 2 // incarnation, at
)

// table numbers messages, equal ones alike.
type table struct {
	list   []string
	places map[string]int
	known  map[*msg.Msg]int
}

func (t *table) place(m *msg.Msg, data []byte) (int, error) {
	if at, ok := t.known[m]; ok {
		return at, nil
	}
	if data == nil {
		var err error
		if data, err = msg.Msgpack.Encode(*m); err != nil {
			return 0, err
		}
	}
	text := string(data)
	at, ok := t.places[text]
	if !ok {
		at = len(t.list)
		t.places[text], t.list = at, append(t.list, text)
	}
	t.known[m] = at
	return at, nil
}

// pack returns the image as bytes, of what is still worth remembering.
func (im *image) pack(now time.Time) ([]byte, error) {
	im.prune(now)
	t := &table{places: map[string]int{}, known: map[*msg.Msg]int{}}
	agents := slices.SortedFunc(maps.Values(im.agents), func(a, b *still) int { return cmp.Compare(a.number, b.number) })
	var parts bytes.Buffer // what follows the messages, which it finds
	enc := msgpack.NewEncoder(&parts)
	enc.UseCompactInts(true)
	w := writer{enc}
	_ = enc.EncodeArrayLen(len(agents)) // writing to memory does not fail
	for _, a := range agents {
		if err := w.still(a, t); err != nil {
			return nil, fmt.Errorf("agent %q: %w", a.name, err)
		}
	}
	_ = enc.EncodeArrayLen(len(im.hubs))
	for _, name := range slices.Sorted(maps.Keys(im.hubs)) {
		w.cursors(name, im.hubs[name])
	}
	_ = enc.EncodeArrayLen(len(im.past))
	for _, p := range im.past {
		if err := w.past(p, t); err != nil {
			return nil, fmt.Errorf("request %q of agent %q: %w", p.key.id, p.key.agent, err)
		}
	}
	_ = enc.EncodeArrayLen(len(im.lives))
	for _, life := range slices.Sorted(maps.Keys(im.lives)) {
		_ = enc.EncodeArrayLen(lifeFields)
		w.texts(life)
		_ = enc.EncodeInt(im.lives[life].UnixNano())
	}
	var out bytes.Buffer
	enc.Reset(&out)
	enc.UseCompactInts(true)
	_ = enc.EncodeArrayLen(imageFields)
	w.number(imageVersion)
	w.number(im.next)
	_ = enc.EncodeArrayLen(len(t.list))
	for _, data := range t.list {
		_ = enc.EncodeBytesLen(len(data))
		out.WriteString(data)
	}
	out.Write(parts.Bytes())
	return out.Bytes(), nil
}

func (w writer) still(a *still, t *table) error {
	_ = w.enc.EncodeArrayLen(stillFields)
	w.texts(a.name, a.kind)
	_ = w.enc.EncodeBytes(a.config)
	_ = w.enc.EncodeBool(a.process)
	w.number(a.number)
	_ = w.enc.EncodeBytes(a.state)
	_ = w.enc.EncodeUint(a.handled)
	all := a.memory.Everything()
	refs := make([]int, len(all.Append))
	for i, m := range all.Append {
		var err error
		if refs[i], err = t.place(m, nil); err != nil {
			return err
		}
	}
	w.number(all.Window)
	w.ranges(refs)
	return nil
}

func (w writer) cursors(name string, h *cursors) {
	_ = w.enc.EncodeArrayLen(cursorFields)
	w.texts(name)
	_ = w.enc.EncodeBool(h.follows)
	_ = w.enc.EncodeUint(h.begin)
	at := map[uint64][]int{}
	for n, upto := range h.upto {
		at[upto] = append(at[upto], n)
	}
	_ = w.enc.EncodeArrayLen(2 * len(at))
	for _, upto := range slices.Sorted(maps.Keys(at)) {
		_ = w.enc.EncodeUint(upto)
		w.ranges(slices.Sorted(slices.Values(at[upto])))
	}
}

func (w writer) past(p *past, t *table) error {
	answer := -1
	if p.out != nil {
		var err error
		if answer, err = t.place(p.out, p.data); err != nil {
			return err
		}
	}
	_ = w.enc.EncodeArrayLen(pastFields)
	_ = w.enc.EncodeUint(p.seq)
	_ = w.enc.EncodeInt(p.at.UnixNano())
	w.texts(p.key.agent, p.key.id, p.writer, p.task)
	w.number(answer)
	w.texts(p.code, p.text)
	return nil
}

// unpackImage reads what pack wrote, of records up to seq. Errors: runlog.ErrVersion, runlog.ErrDamaged.
func unpackImage(run string, cfg Config, seq uint64, data []byte) (*image, error) {
	im := newImage(run, cfg)
	im.seq = seq
	in := bytes.NewReader(data)
	d := &reader{dec: msgpack.NewDecoder(in), left: in.Len}
	n := d.list()
	if version := d.int(); d.err == nil && version != imageVersion {
		return nil, fmt.Errorf("%w: agents in version %d, this binary knows %d", runlog.ErrVersion, version, imageVersion)
	}
	im.next = d.natural()
	list := d.table()
	for range d.list() {
		d.still(im, list)
	}
	for range d.list() {
		d.cursors(im)
	}
	for range d.list() {
		d.past(im, list)
	}
	for range d.list() {
		fields := d.list()
		life, at := d.text(), d.int64()
		d.rest(fields - lifeFields)
		im.lives[life] = time.Unix(0, at)
	}
	d.rest(n - imageFields)
	if d.err == nil && in.Len() > 0 {
		d.err = fmt.Errorf("%w: %d bytes follow it", errShape, in.Len())
	}
	if d.err != nil {
		return nil, fmt.Errorf("%w: %w", runlog.ErrDamaged, d.err)
	}
	im.crowded = max(2*len(im.past), im.crowded)
	im.tail.From(len(data))
	return im, nil
}

func (d *reader) still(im *image, list []*piece) {
	fields := d.list()
	a := &still{name: d.text(), kind: d.text(), config: d.bytes(), process: d.bool(), number: d.natural(), state: d.bytes(), handled: d.uint()}
	change := agent.Change{Reset: true, Window: d.natural()}
	for _, at := range d.places(len(list)) {
		change.Append = append(change.Append, list[at].m)
	}
	d.rest(fields - stillFields)
	switch {
	case d.err != nil:
	case im.agents[a.name] != nil || im.numbers[a.number] != nil:
		d.fail(fmt.Errorf("%w: agent %q with number %d twice", errShape, a.name, a.number))
	default:
		im.add(a).memory.Apply(change)
	}
}

func (d *reader) cursors(im *image) {
	fields := d.list()
	name := d.text()
	h := &cursors{follows: d.bool(), begin: d.uint(), upto: map[int]uint64{}}
	groups := d.list()
	if groups%2 != 0 {
		d.fail(fmt.Errorf("%w: half a group", errShape))
	}
	for range groups / 2 {
		upto := d.uint()
		for _, n := range d.ranges() {
			h.upto[n] = upto
		}
		if d.err != nil {
			return
		}
	}
	d.rest(fields - cursorFields)
	im.hubs[name] = h
}

func (d *reader) past(im *image, list []*piece) {
	fields := d.list()
	p := &past{run: im.run, seq: d.uint(), at: time.Unix(0, d.int64())}
	name, id := d.text(), d.text()
	p.writer, p.task = d.text(), d.text()
	if at := d.int(); at >= 0 {
		if one := d.pick(list, at); one != nil {
			p.out, p.data = one.m, one.data
		}
	}
	p.code, p.text = d.text(), d.text()
	d.rest(fields - pastFields)
	if id != "" {
		p.key = key{im.run, name, id}
	}
	if d.err == nil {
		im.note(p)
	}
}
