package sample

import (
	"errors"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// receive puts a request into the queue; a call is answered at once.
func (a *Agent) receive(m *nats.Msg) {
	if a.is(Mute) || a.isDead() {
		return
	}
	parts := strings.Split(m.Subject, ".")
	run, err := subjects.Decode(parts[2])
	if err != nil {
		return
	}
	r := a.read(m)
	r.m, r.run, r.verb = m, run, parts[len(parts)-1]
	if r.verb == subjects.VerbCall && r.refused == nil && !a.is(NoCall) {
		a.call(r)
		return
	}
	select {
	case a.queue <- r:
	case <-a.over:
	}
}

func (a *Agent) call(r *request) {
	l := a.life(r.run)
	id := r.m.Header.Get(subjects.HeaderRequestID)
	a.mu.Lock()
	promise, again := l.promises[id]
	again = again && id != "" && !a.is(NewPromise)
	if !again {
		promise, r.task = a.tasks.begin(r.run)
		l.promises[id] = promise
	}
	a.mu.Unlock()
	a.answer(r.m, r.encoding, outcome{msg: promise})
	if !again {
		a.queue <- r
	}
}

// read reads a request.
func (a *Agent) read(m *nats.Msg) *request {
	r := &request{encoding: msg.JSON}
	e, err := msg.EncodingOf(m.Header.Get(subjects.HeaderContentType))
	switch {
	case err != nil && a.is(AnyType):
		m.Data = []byte(`{"content":"hello"}`)
	case err != nil:
		r.refused = bad("%v", err)
		return r
	case e == msg.Msgpack && a.is(JSONOnly):
		r.refused = bad("this agent reads JSON only")
		return r
	default:
		r.encoding = e
	}
	if r.list, err = r.encoding.DecodeList(a.disguise(r.encoding, m.Data)); err != nil {
		r.refused = bad("%v", err)
		if errors.Is(err, msg.ErrVersion) && a.is(VersionUnnamed) {
			r.refused = bad("a strange message")
		}
		if a.is(TakesGarbage) {
			r.refused, r.list = nil, []msg.Msg{{Content: msg.Text("garbage")}}
		}
	}
	return r
}

// disguise changes what came so that the codec, which is right, becomes wrong as the defect wants it.
func (a *Agent) disguise(e msg.Encoding, data []byte) []byte {
	text := string(data)
	switch {
	case a.is(AnyVersion) && e == msg.JSON:
		return []byte(strings.Replace(text, `"v":4711`, `"v":1`, 1))
	case a.is(StrictFields) && strings.Contains(text, `"later"`), a.is(NineFields) && strings.HasPrefix(text, "\x9b"):
		return []byte{0xc1}
	case a.is(ASCII) && e == msg.JSON:
		return []byte(strings.Map(func(r rune) rune {
			if r > 127 {
				return '?'
			}
			return r
		}, text))
	}
	return data
}

// answer answers a request, if it wants an answer.
func (a *Agent) answer(to *nats.Msg, e msg.Encoding, out outcome) {
	if to.Reply == "" {
		return
	}
	if a.is(AlwaysMsgpack) {
		e = msg.Msgpack
	}
	m := nats.NewMsg(to.Reply)
	m.Header.Set(subjects.HeaderContentType, e.ContentType())
	if a.is(NoContentType) {
		m.Header.Del(subjects.HeaderContentType)
	}
	if out.err == nil {
		data, err := e.Encode(out.msg)
		if m.Data = data; err != nil {
			out.err = &problem{"too-large", err.Error()}
		}
	}
	if out.err != nil {
		a.fail(m, e, out.err)
	}
	_ = a.nc.PublishMsg(m) // whoever waits sees that nothing came
}

func (a *Agent) fail(m *nats.Msg, e msg.Encoding, err *problem) {
	code := err.code
	if a.is(OwnErrorCode) {
		code = "E17"
	}
	if !a.is(NoErrorCode) {
		m.Header.Set(subjects.HeaderErrorCode, code)
	}
	if !a.is(NoErrorText) {
		m.Header.Set(subjects.HeaderError, strings.NewReplacer("\r", " ", "\n", " ").Replace(err.text))
	}
	says := msg.Msg{Name: a.name, Role: msg.RoleSystem, Content: msg.Text(err.text)}
	if a.is(EmptyError) {
		says.Content = msg.Content{}
	}
	m.Data, _ = e.Encode(says) // a short text always can be encoded
}
