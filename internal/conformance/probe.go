package conformance

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// probe sends requests to the agent and keeps what all checks have in common: what was wrong with any reply, and what is
// known of the agent by now.
type probe struct {
	nc      *nats.Conn
	target  Target
	timeout time.Duration
	slow    time.Duration
	large   int
	inbox   string
	sub     *nats.Subscription

	mu      sync.Mutex
	arrived int                // replies so far
	waiting map[string]*asking // by the last part of the inbox
	bad     map[string]string  // what was wrong with a reply, by the check that looks at all of them

	level  string // LevelNone until known
	shows  bool   // the state shows what the agent was told
	reads  bool   // it resolves promises
	missed bool   // a request of the present check was not answered
}

// asking is a request under way.
type asking struct {
	subject  string
	encoding msg.Encoding
	replies  int
	reply    chan answer // holds one
}

// answer is what came back.
type answer struct {
	silent bool // nothing came in time
	nobody bool // the broker says that nobody listens
	order  int  // of arrival
	msg    msg.Msg
	broken error  // the payload cannot be read
	code   string // of an error, "" for a message
	text   string // of an error
	json   bool   // it is in JSON
}

func newProbe(nc *nats.Conn, t Target, o Options) (*probe, error) {
	p := &probe{
		nc: nc, target: t, timeout: o.Timeout, slow: o.slow, large: o.large, inbox: nc.NewInbox(), level: LevelNone,
		waiting: map[string]*asking{}, bad: map[string]string{},
	}
	var err error
	if p.sub, err = nc.Subscribe(p.inbox+".*", p.receive); err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	return p, nil
}

func (p *probe) close() {
	_ = p.sub.Unsubscribe() // fails only when the connection is gone
}

// ask is a request as a check wants it.
type ask struct {
	verb     string
	subject  string // instead of the verb's
	encoding msg.Encoding
	list     []msg.Msg
	raw      []byte // instead of list
	headers  map[string]string
	patience time.Duration // instead of the timeout
}

// say is a request with one text in JSON.
func say(verb, text string) ask {
	return ask{verb: verb, encoding: msg.JSON, list: []msg.Msg{{Content: msg.Text(text)}}}
}

// data is a request with given bytes.
func data(verb string, e msg.Encoding, raw string) ask {
	return ask{verb: verb, encoding: e, raw: []byte(raw)}
}

// with adds a header.
func (a ask) with(name, value string) ask {
	headers := map[string]string{name: value}
	maps.Copy(headers, a.headers)
	a.headers = headers
	return a
}

func (a ask) message(t Target) (*nats.Msg, error) {
	m := nats.NewMsg(a.subject)
	if m.Subject == "" {
		m.Subject = t.Subject(a.verb)
	}
	m.Data = a.raw
	if a.list != nil {
		var err error
		if m.Data, err = a.encoding.EncodeList(a.list); err != nil {
			return nil, err
		}
	}
	if a.encoding == msg.JSON {
		m.Header.Set(subjects.HeaderContentType, msg.ContentJSON)
	}
	for k, v := range a.headers {
		m.Header.Set(k, v)
	}
	return m, nil
}

// send sends a request and does not wait.
func (p *probe) send(a ask) (*asking, error) {
	m, err := a.message(p.target)
	if err != nil {
		return nil, err
	}
	token := rand.Text()
	w := &asking{subject: m.Subject, encoding: a.encoding, reply: make(chan answer, 1)}
	p.mu.Lock()
	p.waiting[token] = w
	p.mu.Unlock()
	m.Reply = p.inbox + "." + token
	return w, p.nc.PublishMsg(m)
}

// wait waits for the reply to a request.
func (p *probe) wait(ctx context.Context, w *asking, patience time.Duration) answer {
	if patience == 0 {
		patience = p.timeout
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case a := <-w.reply:
		return a
	case <-ctx.Done():
		p.missed = true
		return answer{silent: true}
	}
}

// ask sends a request and waits for the reply.
func (p *probe) ask(ctx context.Context, a ask) answer {
	w, err := p.send(a)
	if err != nil {
		return answer{broken: err}
	}
	return p.wait(ctx, w, a.patience)
}

// answers reports whether the agent still answers anything.
func (p *probe) answers(ctx context.Context) bool {
	a := p.ask(ctx, ask{verb: subjects.VerbState, encoding: msg.JSON})
	return !a.silent && !a.nobody
}

// receive reads a reply and notes what is wrong with it as such.
func (p *probe) receive(m *nats.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.arrived++
	w := p.waiting[strings.TrimPrefix(m.Subject, p.inbox+".")]
	if w == nil {
		return
	}
	w.replies++
	if w.replies > 1 {
		p.note(checkOneReply, "%d replies to a request on %s; is the program running twice?", w.replies, w.subject)
		return
	}
	a := answer{order: p.arrived}
	if m.Header.Get("Status") == "503" {
		a.nobody = true
		w.reply <- a
		return
	}
	a.code, a.text = m.Header.Get(subjects.HeaderErrorCode), m.Header.Get(subjects.HeaderError)
	p.readBody(w, m, &a)
	p.lookAtError(w, &a)
	if a.code == "" && a.text != "" {
		a.code = "failed" // as a client reads an error without a code
	}
	w.reply <- a
}

// readBody reads the payload in the encoding that the reply names.
func (p *probe) readBody(w *asking, m *nats.Msg, a *answer) {
	e := w.encoding
	named := m.Header.Get(subjects.HeaderContentType)
	said, err := msg.EncodingOf(named)
	switch {
	case named == "":
		p.note(checkContentType, "a reply on %s without the header %s", w.subject, subjects.HeaderContentType)
	case err != nil:
		p.note(checkContentType, "a reply on %s with %s: %s", w.subject, subjects.HeaderContentType, named)
	default:
		e = said
		if e != w.encoding && a.code != "bad-request" { // whoever reads one encoding only says so in that one
			p.note(checkContentType, "a reply in %s to a request in %s on %s", e.ContentType(), w.encoding.ContentType(), w.subject)
		}
	}
	a.json = e == msg.JSON
	if len(m.Data) == 0 {
		return
	}
	if a.msg, a.broken = e.Decode(m.Data); a.broken != nil && a.code+a.text == "" {
		p.note(checkContentType, "a reply on %s that is no message in %s: %v", w.subject, e.ContentType(), a.broken)
	}
}

// lookAtError checks that an error has all its parts.
func (p *probe) lookAtError(w *asking, a *answer) {
	if a.code == "" && a.text == "" {
		return
	}
	known := slices.ContainsFunc(wire.Codes(), func(c [2]string) bool { return c[0] == a.code })
	switch {
	case a.code == "":
		p.note(checkErrors, "an error on %s without the header %s: %s", w.subject, subjects.HeaderErrorCode, a.text)
	case a.text == "":
		p.note(checkErrors, "an error on %s without the header %s, with the code %s", w.subject, subjects.HeaderError, a.code)
	case !known:
		p.note(checkErrors, "an error on %s with a code that is not in the list: %s", w.subject, a.code)
	case a.broken != nil:
		p.note(checkErrors, "an error on %s whose payload is no message: %v", w.subject, a.broken)
	case strings.TrimSpace(a.msg.Content.String()) == "":
		p.note(checkErrors, "an error on %s whose message says nothing; it should have the text: %s", w.subject, a.text)
	}
}

// note keeps the first thing of a kind that is wrong. The caller holds the lock.
func (p *probe) note(check, format string, args ...any) {
	if p.bad[check] == "" {
		p.bad[check] = fmt.Sprintf(format, args...)
	}
}

// noted is what was wrong with any reply so far.
func (p *probe) noted(check string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bad[check]
}

// String is the answer in words.
func (a answer) String() string {
	switch {
	case a.silent:
		return "no answer"
	case a.nobody:
		return "nobody listens there"
	case a.code != "":
		return fmt.Sprintf("the error %s: %s", a.code, cut(a.text))
	case a.broken != nil:
		return fmt.Sprintf("something that is no message: %v", a.broken)
	case a.msg.Pending():
		return "a promise"
	}
	return "a message that says " + cut(fmt.Sprintf("%q", a.msg.Content))
}

// answered reports whether the answer is a message.
func (a answer) answered() bool {
	return !a.silent && !a.nobody && a.broken == nil && a.code == ""
}

// came reports whether there is an answer at all, if only an error.
func (a answer) came() bool { return a.answered() || a.code != "" }

// cut shortens a text for a line of a table.
func cut(s string) string {
	const most = 160
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
