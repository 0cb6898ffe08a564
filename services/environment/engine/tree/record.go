package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"github.com/myriad-sim/myriad/pkg/environment/value"
)

// ErrRecord says that bytes are no record of a tree.
var ErrRecord = errors.New("not a record of environments")

// Version is the version of the body of a record. Fields are only ever appended to any of its arrays.
const Version = 1

// Record is what one group of calls did.
type Record struct {
	Nonce   uint64    // of the writer; with its name it makes the record unlike any other
	At      time.Time // of all calls in it
	Waiting int       // messages told in this and earlier records that are not marked as delivered
	Marks   []Ref     // messages of earlier records that were delivered
	Entries []*Entry
}

// Fields of the arrays.
const (
	recordFields = 6 // version, nonce, at, waiting, marks, entries
	entryFields  = 7 // env, function, caller, id, outcome, ops, tells
	opFields     = 5 // kind, env, key, value, data
	toldFields   = 4 // listener, to, hub, msg
	resultFields = 3 // value, code, text
)

// PackEntry appends an entry as it stands in a record.
func PackEntry(to *bytes.Buffer, e *Entry) error {
	enc := msgpack.GetEncoder()
	defer msgpack.PutEncoder(enc)
	enc.Reset(to)
	p := packer{enc: enc}
	p.array(entryFields)
	p.texts(e.Env, e.Function, e.Caller, e.ID)
	if o := e.Outcome; o == nil {
		p.keep(enc.EncodeNil())
	} else {
		p.array(resultFields)
		p.keep(value.Pack(enc, o.Value))
		p.texts(o.Code, o.Text)
	}
	p.array(len(e.Ops))
	for _, o := range e.Ops {
		p.array(opFields)
		p.keep(enc.EncodeInt(int64(o.Kind)))
		p.texts(o.Env, o.Key)
		p.keep(value.Pack(enc, o.Value))
		p.keep(enc.EncodeBytes(o.Data))
	}
	p.array(len(e.Tells))
	for _, t := range e.Tells {
		p.array(toldFields)
		p.texts(t.Listener)
		p.array(len(t.To))
		p.texts(t.To...)
		p.texts(t.Hub)
		p.keep(enc.EncodeBytes(t.Msg))
	}
	return p.err
}

// Pack returns a record of entries that PackEntry wrote, n of them.
func Pack(r Record, n int, entries []byte) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(entries) + 64 + 20*len(r.Marks))
	enc := msgpack.GetEncoder()
	defer msgpack.PutEncoder(enc)
	enc.Reset(&b)
	p := packer{enc: enc}
	p.array(recordFields)
	p.keep(enc.EncodeInt(Version))
	p.keep(enc.EncodeUint(r.Nonce))
	p.keep(enc.EncodeInt(r.At.UnixNano()))
	p.keep(enc.EncodeInt(int64(r.Waiting)))
	p.array(2 * len(r.Marks))
	for _, m := range r.Marks {
		p.keep(enc.EncodeUint(m.Seq))
		p.keep(enc.EncodeInt(int64(m.N)))
	}
	p.array(n)
	b.Write(entries)
	return b.Bytes(), p.err
}

// packer keeps the first error.
type packer struct {
	enc *msgpack.Encoder
	err error
}

func (p *packer) keep(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *packer) array(n int) { p.keep(p.enc.EncodeArrayLen(n)) }

func (p *packer) texts(all ...string) {
	for _, s := range all {
		p.keep(p.enc.EncodeString(s))
	}
}

// Waiting reads of a record only how many messages wait.
func Waiting(body []byte) (int, error) {
	r := bytes.NewReader(body)
	u := unpacker{in: r, dec: msgpack.NewDecoder(r)}
	u.head()
	u.uint() // the nonce
	u.int()  // the time
	n := u.int()
	return int(n), u.fault()
}

// Unpack reads a record. It is made for hostile input; the error is ErrRecord.
func Unpack(body []byte) (*Record, error) {
	r := bytes.NewReader(body)
	u := unpacker{in: r, dec: msgpack.NewDecoder(r)}
	out := &Record{}
	extra := u.head()
	out.Nonce = u.uint()
	out.At = time.Unix(0, u.int()).UTC()
	out.Waiting = int(u.int())
	n := u.array()
	if n%2 != 0 {
		u.keep(fmt.Errorf("%w: half a mark", ErrRecord))
	}
	for range n / 2 {
		if u.err != nil {
			break
		}
		out.Marks = append(out.Marks, Ref{u.uint(), int(u.int())})
	}
	u.each(func() { out.Entries = append(out.Entries, u.entry()) })
	u.skip(extra)
	if u.err == nil && r.Len() > 0 {
		u.keep(fmt.Errorf("%w: %d bytes follow", ErrRecord, r.Len()))
	}
	return out, u.fault()
}

// unpacker keeps the first error; after one everything it reads is zero.
type unpacker struct {
	in  *bytes.Reader // what dec reads; it holds nothing back
	dec *msgpack.Decoder
	err error
}

func (u *unpacker) keep(err error) {
	if u.err == nil {
		u.err = err
	}
}

func (u *unpacker) fault() error {
	switch {
	case u.err == nil:
		return nil
	case errors.Is(u.err, ErrRecord):
		return u.err
	case errors.Is(u.err, io.EOF):
		u.err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrRecord, u.err)
}

// head reads how long a record is and its version, and returns how many fields follow the known ones.
func (u *unpacker) head() int {
	extra := u.fields(recordFields)
	if v := u.int(); u.err == nil && v != Version {
		u.keep(fmt.Errorf("%w: it is of version %d, this program reads %d", ErrRecord, v, Version))
	}
	return extra
}

func (u *unpacker) fields(want int) int {
	n := u.array()
	if u.err == nil && n < want {
		u.keep(fmt.Errorf("%w: %d fields, want %d", ErrRecord, n, want))
	}
	return n - want
}

func read[T any](u *unpacker, next func() (T, error)) (v T) {
	if u.err != nil {
		return v
	}
	v, err := next()
	u.keep(err)
	return v
}

func (u *unpacker) int() int64   { return read(u, u.dec.DecodeInt64) }
func (u *unpacker) uint() uint64 { return read(u, u.dec.DecodeUint64) }
func (u *unpacker) text() string { return read(u, u.dec.DecodeString) }

// data reads bytes. The decoder's own method makes room for as many as are promised.
func (u *unpacker) data() []byte {
	n := read(u, u.dec.DecodeBytesLen)
	switch {
	case u.err != nil || n < 0:
		return nil
	case n > u.in.Len():
		u.keep(io.ErrUnexpectedEOF)
		return nil
	}
	out := make([]byte, n)
	u.keep(u.dec.ReadFull(out))
	return out
}

func (u *unpacker) value() any {
	return read(u, func() (any, error) { return value.Unpack(u.dec) })
}

func (u *unpacker) array() int {
	n := read(u, u.dec.DecodeArrayLen)
	if n < 0 {
		u.keep(fmt.Errorf("%w: nothing instead of a list", ErrRecord))
		return 0
	}
	return n
}

// each reads a list whose elements next reads.
func (u *unpacker) each(next func()) {
	for range u.array() {
		if u.err != nil {
			return
		}
		next()
	}
}

func (u *unpacker) entry() *Entry {
	extra := u.fields(entryFields)
	e := &Entry{Env: u.text(), Function: u.text(), Caller: u.text(), ID: u.text()}
	if code := read(u, u.dec.PeekCode); u.err == nil && code == msgpcode.Nil {
		u.keep(u.dec.DecodeNil())
	} else if u.err == nil {
		more := u.fields(resultFields)
		e.Outcome = &Outcome{Value: u.value(), Code: u.text(), Text: u.text()}
		u.skip(more)
	}
	u.each(func() {
		more := u.fields(opFields)
		kind := u.int()
		if kind < 0 || kind >= int64(opKinds) {
			u.keep(fmt.Errorf("%w: op of kind %d", ErrRecord, kind))
			return
		}
		e.Ops = append(e.Ops, Op{Kind: OpKind(kind), Env: u.text(), Key: u.text(), Value: u.value(), Data: u.data()})
		u.skip(more)
	})
	u.each(func() {
		more := u.fields(toldFields)
		t := Told{Listener: u.text()}
		u.each(func() { t.To = append(t.To, u.text()) })
		t.Hub, t.Msg = u.text(), u.data()
		e.Tells = append(e.Tells, t)
		u.skip(more)
	})
	u.skip(extra)
	return e
}

// skip steps over n fields that a later version appended.
func (u *unpacker) skip(n int) {
	for range n {
		if u.err != nil {
			return
		}
		u.pass(1)
	}
}

// pass steps over a value of any type. The decoder's own Skip has no limit of depth.
func (u *unpacker) pass(depth int) {
	code := read(u, u.dec.PeekCode)
	if u.err != nil {
		return
	}
	n := 0
	switch {
	case depth > value.MaxDepth:
		u.keep(fmt.Errorf("%w: nested too deeply", ErrRecord))
	case msgpcode.IsFixedArray(code) || code == msgpcode.Array16 || code == msgpcode.Array32:
		n = u.array()
	case msgpcode.IsFixedMap(code) || code == msgpcode.Map16 || code == msgpcode.Map32:
		n = 2 * read(u, u.dec.DecodeMapLen)
	default:
		u.keep(u.dec.Skip())
	}
	for range n {
		if u.err != nil {
			return
		}
		u.pass(depth + 1)
	}
}
