package actor

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"github.com/myriad-sim/myriad/internal/runlog"
)

// Bounds that no record reaches which this program writes, so that a damaged one costs no more than it holds.
const (
	mostNumbers = 1 << 22 // in all lists of agents and messages together
	mostPlaces  = 1 << 30 // in all memories of an image
	maxDepth    = 16
)

var errShape = errors.New("not what a record of agents looks like")

// decodeBody reads the body of a record. The error is runlog.ErrVersion or runlog.ErrDamaged.
func decodeBody(data []byte) ([]*entry, error) {
	r := bytes.NewReader(data)
	d := &reader{dec: msgpack.NewDecoder(r), left: r.Len}
	n := d.list()
	if version := d.int(); d.err == nil && version != bodyVersion {
		return nil, fmt.Errorf("%w: agents in version %d, this binary knows %d", runlog.ErrVersion, version, bodyVersion)
	}
	table := d.table()
	var out []*entry
	for range d.list() {
		e := d.entry(table)
		if d.err != nil {
			break
		}
		if e != nil {
			out = append(out, e)
		}
	}
	d.rest(n - 3)
	if d.err == nil && r.Len() > 0 {
		d.err = fmt.Errorf("%w: %d bytes follow it", errShape, r.Len())
	}
	if d.err != nil {
		return nil, fmt.Errorf("%w: %w", runlog.ErrDamaged, d.err)
	}
	return out, nil
}

// reader reads fields until the first error, which it keeps.
type reader struct {
	dec  *msgpack.Decoder
	left func() int
	err  error

	numbers int // read so far
}

// table reads messages.
func (d *reader) table() []*piece {
	var out []*piece
	for range d.list() {
		p := &piece{data: d.bytes()}
		if d.err == nil {
			p.m, d.err = decodeMsg(p.data)
		}
		if d.err != nil {
			return nil
		}
		out = append(out, p)
	}
	return out
}

// entry reads an entry; nil for one of a kind that a later version added.
func (d *reader) entry(table []*piece) *entry {
	n := d.list()
	e := &entry{kind: d.int()}
	var fields int
	switch e.kind {
	case entryCreated:
		fields = 9
		e.agent, e.id, e.number, e.of = d.text(), d.text(), d.natural(), d.text()
		e.config, e.process = d.bytes(), d.bool()
		d.changed(e, table)
	case entryDeleted:
		fields = 3
		e.agent, e.id = d.text(), d.text()
	case entryCloned:
		fields = 5
		e.agent, e.id, e.number, e.of = d.text(), d.text(), d.natural(), d.text()
	case entryOutcome:
		fields = 11
		e.agent, e.id, e.verb, e.task, e.sender = d.text(), d.text(), d.text(), d.text(), d.text()
		if at := d.int(); at >= 0 {
			e.reply = d.pick(table, at)
		}
		e.code, e.text = d.text(), d.text()
		d.changed(e, table)
	case entryFollow, entryEnded:
		fields = 3
		e.hub, e.upto = d.text(), d.uint()
	case entryHeard:
		fields = 8
		e.hub, e.upto = d.text(), d.uint()
		e.numbers = d.ranges()
		e.code, e.text = d.text(), d.text()
		d.changed(e, table)
	default:
		d.rest(n - 1)
		return nil
	}
	d.rest(n - fields)
	return e
}

// changed reads the change of memory and the state.
func (d *reader) changed(e *entry, table []*piece) {
	if code := d.peek(); code == msgpcode.Nil {
		d.rest(1)
	} else {
		n := d.list()
		e.change.Reset, e.change.Window = d.bool(), d.natural()
		for _, at := range d.ranges() {
			if p := d.pick(table, at); p != nil {
				e.change.Append = append(e.change.Append, p.m)
			}
		}
		d.rest(n - 3)
	}
	e.state = d.bytes()
}

func (d *reader) pick(table []*piece, at int) *piece {
	if at >= len(table) {
		d.fail(fmt.Errorf("%w: message %d of %d", errShape, at, len(table)))
		return nil
	}
	return table[at]
}

// ranges reads numbers that were written as runs.
func (d *reader) ranges() []int { return d.runs(math.MaxInt, mostNumbers) }

// places reads ranges of places in a table, of which there are n.
func (d *reader) places(n int) []int { return d.runs(n, mostPlaces) }

func (d *reader) runs(below, most int) []int {
	var out []int
	n := d.list()
	if n%2 != 0 {
		d.fail(fmt.Errorf("%w: half a run", errShape))
	}
	for range n / 2 {
		first, count := d.natural(), d.natural()
		if d.err != nil {
			return nil
		}
		if d.numbers += count; d.numbers > most || first+count > below {
			d.fail(fmt.Errorf("%w: more than %d numbers, or %d", errShape, most, below))
			return nil
		}
		out = slices.Grow(out, count)
		for i := range count {
			out = append(out, first+i)
		}
	}
	return out
}

func (d *reader) fail(err error) {
	if d.err == nil && err != nil {
		d.err = err
	}
}

func read[T any](d *reader, next func() (T, error)) (v T) {
	if d.err != nil {
		return v
	}
	v, err := next()
	d.fail(err)
	return v
}

// list reads the length of an array, whose elements take a byte each at least.
func (d *reader) list() int {
	n := read(d, d.dec.DecodeArrayLen)
	if n < 0 || n > d.left() {
		d.fail(fmt.Errorf("%w: an array of %d", errShape, n))
		return 0
	}
	return n
}

func (d *reader) peek() byte    { return read(d, d.dec.PeekCode) }
func (d *reader) int() int      { return read(d, d.dec.DecodeInt) }
func (d *reader) uint() uint64  { return read(d, d.dec.DecodeUint64) }
func (d *reader) bool() bool    { return read(d, d.dec.DecodeBool) }
func (d *reader) text() string  { return read(d, d.dec.DecodeString) }
func (d *reader) bytes() []byte { return read(d, d.dec.DecodeBytes) }

func (d *reader) int64() int64 { return read(d, d.dec.DecodeInt64) }

func (d *reader) natural() int {
	n := d.int()
	if n < 0 || n > 1<<40 {
		d.fail(fmt.Errorf("%w: the number %d", errShape, n))
		return 0
	}
	return n
}

// rest steps over fields that a later version appended, and refuses it if there are fewer than there must be.
func (d *reader) rest(n int) {
	if n < 0 {
		d.fail(fmt.Errorf("%w: fields are missing", errShape))
	}
	for range n {
		d.skip(0)
	}
}

// skip steps over a value of any type. The decoder's own Skip has no limit of depth.
func (d *reader) skip(depth int) {
	code := d.peek()
	var values int
	switch {
	case d.err != nil:
		return
	case depth == maxDepth:
		d.fail(fmt.Errorf("%w: nested too deep", errShape))
		return
	case msgpcode.IsFixedArray(code) || code == msgpcode.Array16 || code == msgpcode.Array32:
		values = d.list()
	case msgpcode.IsFixedMap(code) || code == msgpcode.Map16 || code == msgpcode.Map32:
		values = 2 * read(d, d.dec.DecodeMapLen)
	default:
		d.fail(d.dec.Skip())
		return
	}
	for range values {
		if d.err != nil {
			return
		}
		d.skip(depth + 1)
	}
}
