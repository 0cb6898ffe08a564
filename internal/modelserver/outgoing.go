package modelserver

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

var errClosed = errors.New("the request body is closed")

// outgoing is a request body. That of a batch is in a buffer that is used again. The transport may read it after the call
// has returned, because a server may answer before it has read everything; so the buffer is free when the call and all
// readers have let go of it.
type outgoing struct {
	data  []byte
	sizes []int // of the conversations in a batch
	holds atomic.Int32
	pool  *sync.Pool // nil: the buffer is not used again
	most  int        // a larger buffer is not kept
}

// single is the body of a single call, with room for the texts of a conversation and, as a rule, for what goes around them.
func single(c *Conversation) *outgoing {
	room := 512 + len(c.System) + len(c.System)/16
	for _, m := range c.Messages {
		room += 64 + len(m.Content) + len(m.Content)/16 + len(m.Parts)
	}
	return &outgoing{data: make([]byte, 0, room)}
}

// outgoings keeps bodies of batches.
type outgoings struct {
	pool sync.Pool
	most int
}

// get gives a body that the caller holds.
func (p *outgoings) get() *outgoing {
	o, ok := p.pool.Get().(*outgoing)
	if !ok {
		o = &outgoing{pool: &p.pool, most: p.most}
	}
	o.data, o.sizes = o.data[:0], o.sizes[:0]
	o.holds.Store(1)
	return o
}

func (o *outgoing) release() {
	if o.holds.Add(-1) == 0 && cap(o.data) <= o.most {
		o.pool.Put(o)
	}
}

// open gives a reader of the whole body. It holds a body that is used again until it is closed. The other kind is read as
// the transport knows it: what it knows to be in memory goes to the connection together with the head of the request, a
// system call less at both ends.
func (o *outgoing) open() (io.ReadCloser, error) {
	if o.pool == nil {
		return io.NopCloser(bytes.NewReader(o.data)), nil
	}
	o.holds.Add(1)
	return &outgoingReader{body: o}, nil
}

type outgoingReader struct {
	mu   sync.Mutex
	body *outgoing // nil: closed
	at   int
}

// Read implements io.Reader.
func (r *outgoingReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.body == nil {
		return 0, errClosed
	}
	n := copy(p, r.body.data[r.at:])
	r.at += n
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close implements io.Closer. The transport may call it while it reads, and more than once.
func (r *outgoingReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.body != nil {
		r.body.release()
		r.body = nil
	}
	return nil
}
