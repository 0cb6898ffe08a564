package sample

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Agent is an agent that runs until Close. Of each run it has heard different things.
type Agent struct {
	nc     *nats.Conn
	host   string
	name   string
	defect Defect
	subs   []*nats.Subscription
	queue  chan *request
	tasks  *tasks
	over   chan struct{} // is closed by Close
	wg     sync.WaitGroup

	mu   sync.Mutex
	runs map[string]*life
	dead bool
}

// life is the agent in one run.
type life struct {
	heard    []string
	reads    int
	last     string // request id that was seen last
	outcomes map[string]outcome
	promises map[string]msg.Msg // of calls, by request id
}

// outcome is what a request came to.
type outcome struct {
	msg msg.Msg
	err *problem
}

// problem is an error with its code.
type problem struct{ code, text string }

func (p *problem) Error() string { return p.text }

func bad(format string, args ...any) *problem {
	return &problem{"bad-request", "bad request: " + fmt.Sprintf(format, args...)}
}

// request is a request in the queue.
type request struct {
	m         *nats.Msg
	run, verb string
	encoding  msg.Encoding
	list      []msg.Msg
	refused   *problem
	task      *task // of a call: who waits for the answer
}

// Start starts an agent with an address. The caller closes it before the connection.
func Start(nc *nats.Conn, host, name string, d Defect) (*Agent, error) {
	a := &Agent{nc: nc, host: host, name: name, defect: d, queue: make(chan *request, 1024), runs: map[string]*life{}}
	a.over = make(chan struct{})
	var err error
	if a.tasks, err = newTasks(a); err != nil {
		return nil, err
	}
	sub, err := nc.Subscribe("myriad.run.*.code."+subjects.Encode(host)+"."+subjects.Encode(name)+".*", a.receive)
	if err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	a.subs = append(a.subs, sub, a.tasks.sub)
	a.wg.Go(a.work)
	return a, nc.Flush()
}

// Close ends the agent and everything it does. It is called once.
func (a *Agent) Close() {
	for _, s := range a.subs {
		_ = s.Unsubscribe() // fails only when the connection is gone
	}
	close(a.over)
	a.wg.Wait()
}

// work handles the queue, one request at a time.
func (a *Agent) work() {
	for {
		select {
		case r := <-a.queue:
			if a.is(AllAtOnce) && len(r.m.Data) > 1000 {
				a.wg.Go(func() { a.handle(r) })
			} else {
				a.handle(r)
			}
		case <-a.over:
			return
		}
	}
}

func (a *Agent) handle(r *request) {
	if a.isDead() || a.broken(r) {
		return
	}
	out := a.outcome(r)
	if r.task != nil {
		r.task.finish(out)
		return
	}
	a.answer(r.m, r.encoding, out)
	if a.is(AnswersTwice) && r.verb == subjects.VerbObserve {
		a.answer(r.m, r.encoding, out)
	}
}

// broken does what defects do instead of handling a request, and reports whether it did.
func (a *Agent) broken(r *request) bool {
	switch {
	case a.is(SilentOnGarbage) && r.refused != nil, a.is(NoneIsIgnored) && r.verb == subjects.VerbReply && r.refused == nil && len(r.list) == 0,
		a.is(DropsLarge) && len(r.m.Data) > 64<<10, a.is(SkipsNoInbox) && r.m.Reply == "":
		return true
	case a.is(DiesOnGarbage) && r.refused != nil, a.is(DiesOfNoInbox) && r.m.Reply == "":
		a.mu.Lock()
		a.dead = true
		a.mu.Unlock()
		return true
	case a.is(AllAtOnce) && len(r.m.Data) > 1000:
		select {
		case <-time.After(20 * time.Millisecond): // it thinks
		case <-a.over:
		}
	}
	return false
}

// outcome does what a request asks for, or finds what it came to before.
func (a *Agent) outcome(r *request) outcome {
	if r.refused != nil {
		return outcome{err: r.refused}
	}
	if text := r.m.Header.Get(subjects.HeaderDeadline); text != "" && !a.is(IgnoresDeadline) {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return outcome{err: bad("%s: %q", subjects.HeaderDeadline, text)}
		}
		if time.Now().UnixMilli() > ms {
			return outcome{err: &problem{"deadline", "not done by its deadline"}}
		}
	}
	l := a.life(r.run)
	id := r.m.Header.Get(subjects.HeaderRequestID)
	changes := r.verb == subjects.VerbReply || r.verb == subjects.VerbObserve || r.verb == subjects.VerbCall
	if id == "" || !changes || a.is(TwiceDone) {
		a.mu.Lock()
		l.last = ""
		a.mu.Unlock()
		return a.act(l, r)
	}
	a.mu.Lock()
	done, ok := l.outcomes[id]
	ok = ok && !(a.is(SlowIDs) && l.last == id)
	l.last = id
	a.mu.Unlock()
	if ok {
		if a.is(TwiceAnswered) {
			done.msg.ID = rand.Text()
		}
		return done
	}
	out := a.act(l, r)
	a.mu.Lock()
	defer a.mu.Unlock()
	l.outcomes[id] = out
	return out
}

func (a *Agent) act(l *life, r *request) outcome {
	switch r.verb {
	case subjects.VerbReply, subjects.VerbObserve, subjects.VerbInterview, subjects.VerbCall, subjects.VerbState:
	default:
		if !a.is(AnyVerb) {
			return outcome{err: bad("verb %q", r.verb)}
		}
	}
	if r.verb == subjects.VerbCall && a.is(NoCall) {
		return outcome{err: bad("verb %q", r.verb)}
	}
	list, err := a.resolve(r.list)
	if err != nil {
		return outcome{err: err}
	}
	if a.is(OneMessage) && len(list) > 1 {
		list = list[:1]
	}
	var said []string
	for _, m := range list {
		said = append(said, m.Content.String())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch r.verb {
	case subjects.VerbState:
		return outcome{msg: a.state(l)}
	case subjects.VerbInterview:
		if a.is(TraceOfInterview) {
			l.heard = append(l.heard, said...)
		}
		return a.said(said)
	case subjects.VerbObserve:
		l.heard = append(l.heard, said...)
		return outcome{}
	default:
		l.heard = append(l.heard, said...)
		return a.said(said)
	}
}

func (a *Agent) said(said []string) outcome {
	return outcome{msg: msg.Msg{Name: a.name, Role: msg.RoleAssistant, Content: msg.Text("you said: " + strings.Join(said, ", "))}}
}

// state is what the agent shows of itself. The caller holds the lock.
func (a *Agent) state(l *life) msg.Msg {
	show := map[string]any{"heard": append([]string{}, l.heard...)}
	if l.reads++; a.is(StateCounts) {
		show["reads"] = l.reads
	}
	if a.is(Stateless) {
		show = map[string]any{}
	}
	content, err := msg.Data(show)
	if err != nil {
		content = msg.Text(err.Error())
	}
	return msg.Msg{Name: a.name, Content: content}
}

func (a *Agent) life(run string) *life {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.runs[run] == nil {
		a.runs[run] = &life{outcomes: map[string]outcome{}, promises: map[string]msg.Msg{}}
	}
	return a.runs[run]
}

func (a *Agent) is(d Defect) bool { return a.defect == d }

func (a *Agent) isDead() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dead
}

func (a *Agent) ended() bool {
	select {
	case <-a.over:
		return true
	default:
		return false
	}
}
