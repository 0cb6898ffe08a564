package wire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Request is what one party asks another.
type Request struct {
	Msgs     []msg.Msg
	Encoding msg.Encoding       // of the request, and so of the reply
	ID       string             // repeated requests with the same one are done once; "" for a request that may be done again
	Sender   subjects.Address   // who asks; "" for a program that is no agent
	Chain    []subjects.Address // agents that wait for it, outermost first
	Deadline time.Time          // zero: none
	Header   map[string]string  // further headers, such as subjects.HeaderCancel
}

// Bounds on headers, which anyone may send.
const (
	maxID    = 256
	maxChain = 32 << 10 // bytes; of a longer one the outermost agents are left out
)

// Read reads a request. Its error is ErrBadRequest; the Request then holds the encoding in which to say so.
func Read(m *nats.Msg) (Request, error) {
	e, err := msg.EncodingOf(m.Header.Get(subjects.HeaderContentType))
	if err != nil {
		return Request{Encoding: msg.JSON}, bad(err) // whoever asked for something else can at least read the error
	}
	r := Request{Encoding: e, ID: m.Header.Get(subjects.HeaderRequestID), Sender: subjects.Address(m.Header.Get(subjects.HeaderSender))}
	if len(r.ID) > maxID {
		return r, bad(fmt.Errorf("a %s of %d bytes, the limit is %d", subjects.HeaderRequestID, len(r.ID), maxID))
	}
	if r.Sender != "" {
		if err := r.Sender.Check(); err != nil {
			return r, bad(fmt.Errorf("%s: %w", subjects.HeaderSender, err))
		}
	}
	if text := m.Header.Get(subjects.HeaderDeadline); text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil || ms < 0 {
			return r, bad(fmt.Errorf("%s: %.40q is no number of milliseconds", subjects.HeaderDeadline, text))
		}
		r.Deadline = time.UnixMilli(ms)
	}
	if text := m.Header.Get(subjects.HeaderChain); text != "" {
		if len(text) > maxChain {
			return r, bad(fmt.Errorf("a %s of %d bytes, the limit is %d", subjects.HeaderChain, len(text), maxChain))
		}
		for a := range strings.SplitSeq(text, ",") {
			r.Chain = append(r.Chain, subjects.Address(a))
		}
	}
	if r.Msgs, err = e.DecodeList(m.Data); err != nil {
		return r, bad(err)
	}
	return r, nil
}

// message is the request as it travels.
func (r *Request) message(subject string) (*nats.Msg, error) {
	m := nats.NewMsg(subject)
	var err error
	if m.Data, err = r.Encoding.EncodeList(r.Msgs); err != nil {
		return nil, bad(err)
	}
	set := maps.Clone(r.Header)
	if set == nil {
		set = map[string]string{}
	}
	if r.Encoding == msg.JSON {
		set[subjects.HeaderContentType] = msg.ContentJSON
	}
	if r.ID != "" {
		set[subjects.HeaderRequestID] = r.ID
	}
	if r.Sender != "" {
		set[subjects.HeaderSender] = string(r.Sender)
	}
	if !r.Deadline.IsZero() {
		set[subjects.HeaderDeadline] = strconv.FormatInt(r.Deadline.UnixMilli(), 10)
	}
	if len(r.Chain) > 0 {
		set[subjects.HeaderChain] = chainText(r.Chain)
	}
	for k, v := range set {
		m.Header.Set(k, v)
	}
	return m, nil
}

func chainText(chain []subjects.Address) string {
	size := 0
	first := len(chain)
	for first > 0 && size+len(chain[first-1])+1 <= maxChain {
		first--
		size += len(chain[first]) + 1
	}
	texts := make([]string, 0, len(chain)-first)
	for _, a := range chain[first:] {
		texts = append(texts, string(a))
	}
	return strings.Join(texts, ",")
}

// Ask sends a request and waits for the reply. Deadline is set from ctx where it has one and the request has none. A program
// that reads no msgpack is asked again in JSON. The error is one of this package's, as the other side said it, ErrUnheard if
// nobody listens, ErrBadRequest if the request cannot be sent or the reply not be read, or that of ctx.
func Ask(ctx context.Context, nc *nats.Conn, subject string, r Request) (msg.Msg, error) {
	if end, ok := ctx.Deadline(); ok && r.Deadline.IsZero() {
		r.Deadline = end
	}
	m, err := r.message(subject)
	if err != nil {
		return msg.Msg{}, err
	}
	answer, err := nc.RequestMsgWithContext(ctx, m)
	switch {
	case err == nil:
		out, err := ReadAnswer(answer)
		if r.Encoding == msg.Msgpack && errors.Is(err, ErrBadRequest) && jsonOnly(answer) {
			r.Encoding = msg.JSON
			return Ask(ctx, nc, subject, r)
		}
		return out, err
	case errors.Is(err, nats.ErrNoResponders):
		return msg.Msg{}, fmt.Errorf("%w: %s", ErrUnheard, subject)
	case errors.Is(err, nats.ErrMaxPayload):
		return msg.Msg{}, fmt.Errorf("%w: a request of %d bytes", ErrTooLarge, len(m.Data))
	case ctx.Err() != nil:
		return msg.Msg{}, fmt.Errorf("%s: %w", subject, context.Cause(ctx))
	}
	return msg.Msg{}, fmt.Errorf("%w: %s: %w", ErrUnavailable, subject, err)
}

// jsonOnly reports whether an answer is in JSON. To a request in msgpack that is how a program says that it reads nothing
// else; it has done nothing then.
func jsonOnly(m *nats.Msg) bool {
	e, err := msg.EncodingOf(m.Header.Get(subjects.HeaderContentType))
	return err == nil && e == msg.JSON
}

// ReadAnswer reads a reply: a message, or the error it carries.
func ReadAnswer(m *nats.Msg) (msg.Msg, error) {
	if text := m.Header.Get(subjects.HeaderError); text != "" {
		return msg.Msg{}, FromCode(m.Header.Get(subjects.HeaderErrorCode), text)
	}
	if m.Header.Get("Status") == "503" { // of the broker: nobody listens
		return msg.Msg{}, ErrUnheard
	}
	e, err := msg.EncodingOf(m.Header.Get(subjects.HeaderContentType))
	if err != nil {
		return msg.Msg{}, bad(err)
	}
	if len(m.Data) == 0 {
		return msg.Msg{}, nil
	}
	out, err := e.Decode(m.Data)
	if err != nil {
		return msg.Msg{}, bad(err)
	}
	return out, nil
}

// Answer replies to a request in its encoding, if it wants a reply. An error goes into headers, and as text into the
// message, so that a person with a command line sees it. from names the speaker of an error. What cannot be encoded is
// answered with an error that says so; the error returned is that of the connection.
func Answer(nc *nats.Conn, to *nats.Msg, e msg.Encoding, from string, out msg.Msg, failure error) error {
	if to.Reply == "" {
		return nil
	}
	m := nats.NewMsg(to.Reply)
	m.Header.Set(subjects.HeaderContentType, e.ContentType())
	if failure == nil {
		m.Data, failure = e.Encode(out)
	}
	if failure != nil {
		text := strings.ToValidUTF8(strings.NewReplacer("\n", " ", "\r", " ").Replace(failure.Error()), "\uFFFD")
		m.Header.Set(subjects.HeaderError, text)
		m.Header.Set(subjects.HeaderErrorCode, Code(failure))
		var err error
		if m.Data, err = e.Encode(msg.New(from, msg.RoleSystem, msg.Text(text))); err != nil {
			m.Data = nil // the header says it
		}
	}
	if err := nc.PublishMsg(m); err != nil {
		return fmt.Errorf("wire: answer %s: %w", to.Subject, err)
	}
	return nil
}
