package agenthost

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// An agent's own subject: anyone may reply (talk to it), observe (tell it), read its state, or interview it without a
// trace. What changes the agent is logged with its outcome before it is answered.

// maxContent bounds what one message may say to an agent.
const maxContent = 64 * 1024

// directTimeout bounds how long an agent may take to answer a message.
const directTimeout = 2 * time.Minute

var (
	errNoAgent = errors.New("no such agent in this shard")
	errVerb    = errors.New("unknown verb; an agent knows reply, observe, state and interview")
	errTooLong = fmt.Errorf("content is longer than %d bytes", maxContent)
	errNoRound = errors.New("no round has been opened yet")
)

// stopper ends a subscription.
type stopper struct{ sub *nats.Subscription }

func (s stopper) stop() {
	if s.sub != nil {
		_ = s.sub.Unsubscribe() // fails only when the connection is gone, and the subscription with it
	}
}

// mailbox is the queue of those who talk to an agent: one message at a time, in order, never during its turn.
type mailbox struct {
	held      bool
	queue     []chan struct{}
	turnWaits bool
}

// wake lets the next in the queue go on, if nobody holds the agent. The shard's lock is held.
func (m *mailbox) wake() {
	if !m.held && len(m.queue) > 0 {
		m.held = true
		close(m.queue[0])
		m.queue = m.queue[1:]
	}
}

// note is a message an agent was told outside its turns, and what it said to it.
type note struct {
	Said  string
	Reply string // "" for observe
}

// outcome is the body of a message record.
type outcome struct {
	_msgpack  struct{} `msgpack:",as_array"`
	V         int
	RequestID string
	Agent     int
	Verb      string
	Sender    string
	Content   string
	Reply     []byte // the encoded Msg that answers a repeated request
}

// listen subscribes to the agents of a shard: one subscription for all of them.
func (r *run) listen(ctx context.Context, s *shard) (stopper, error) {
	sub, err := r.svc.nc.Subscribe(subjects.AgentShard(r.id, s.index), func(m *nats.Msg) {
		if !r.svc.direct.TryAcquire(1) {
			r.svc.respond(m, nil, errors.New("too many messages to agents at once, try again"))
			return
		}
		started := r.svc.goUnlessStopped(func() {
			defer r.svc.direct.Release(1)
			out, err := r.handle(ctx, s, m)
			r.svc.respond(m, out, err)
		})
		if !started {
			r.svc.direct.Release(1)
		}
	})
	if err != nil {
		return stopper{}, fmt.Errorf("agenthost: listen for agents of shard %d: %w", s.index, err)
	}
	return stopper{sub}, nil
}

// silence ends the subscriptions of the run's shards.
func (r *run) silence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.subs {
		s.stop()
	}
	clear(r.subs)
}

func (r *run) agents() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.shards {
		n += s.n
	}
	return n
}

func (r *run) handle(ctx context.Context, s *shard, m *nats.Msg) (*msg.Msg, error) {
	_, _, agent, verb, err := subjects.ParseAgent(m.Subject)
	if err != nil {
		return nil, err
	}
	off := agent - s.first
	if off < 0 || off >= s.n {
		return nil, fmt.Errorf("%w: agent %d, shard %d has %d..%d", errNoAgent, agent, s.index, s.first, s.first+s.n-1)
	}
	if verb == subjects.VerbState {
		return r.state(s, agent), nil
	}
	if verb != subjects.VerbReply && verb != subjects.VerbObserve && verb != subjects.VerbInterview {
		return nil, fmt.Errorf("%w: %q", errVerb, verb)
	}
	in, err := decodeMsg(m)
	if err != nil {
		return nil, err
	}
	said := in.Content.String()
	if len(said) > maxContent {
		return nil, errTooLong
	}
	id := m.Header.Get(subjects.HeaderRequestID)
	ctx, cancel := context.WithTimeout(ctx, directTimeout)
	defer cancel()
	if err := s.hold(ctx, off); err != nil {
		return nil, err
	}
	defer s.letGo(off)
	if done := s.repeated(id); done != nil {
		out, err := msg.Msgpack.Decode(done)
		return &out, err
	}
	out := r.message(agent)
	if verb != subjects.VerbObserve {
		text, err := r.converse(ctx, s, agent, said)
		if err != nil {
			return nil, err
		}
		out.Content = msg.Text(text)
	}
	if verb == subjects.VerbInterview {
		return out, nil
	}
	return out, r.remembered(ctx, s, outcome{V: 1, RequestID: id, Agent: agent, Verb: verb, Sender: in.Name, Content: said}, out)
}

// hold waits until the agent is in no turn and nobody else talks to it.
func (s *shard) hold(ctx context.Context, off int) error {
	s.mu.Lock()
	m := s.busy[off]
	if m == nil {
		m = &mailbox{}
		s.busy[off] = m
	}
	if !m.held && !s.inTurn[off] {
		m.held = true
		s.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	m.queue = append(m.queue, turn)
	s.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range m.queue {
		if c == turn {
			m.queue = append(m.queue[:i], m.queue[i+1:]...)
			return fmt.Errorf("the agent is busy: %w", ctx.Err())
		}
	}
	m.held = false // it was handed over just now
	m.wake()
	return fmt.Errorf("the agent is busy: %w", ctx.Err())
}

func (s *shard) letGo(off int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.busy[off]
	m.held = false
	if m.turnWaits { // the round goes first, or a chatty visitor could hold it up for ever
		m.turnWaits = false
		if len(m.queue) == 0 {
			delete(s.busy, off)
		}
		s.run.wake()
		return
	}
	if m.wake(); !m.held {
		delete(s.busy, off)
	}
}

// repeated returns the recorded outcome of a request id, nil if it is new.
func (s *shard) repeated(id string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == "" {
		return nil
	}
	return s.outcomes[id]
}

func (s *shard) keep(o outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notes == nil {
		s.notes, s.outcomes = map[int][]note{}, map[string][]byte{}
	}
	n := note{Said: o.Content}
	if out, err := msg.Msgpack.Decode(o.Reply); err == nil {
		n.Reply = out.Content.String()
	}
	s.notes[o.Agent] = append(s.notes[o.Agent], n)
	if o.RequestID != "" {
		s.outcomes[o.RequestID] = o.Reply
	}
}

// remembered logs a message with its outcome and takes it into the agent's memory.
func (r *run) remembered(ctx context.Context, s *shard, o outcome, out *msg.Msg) error {
	var err error
	if o.Reply, err = msg.Msgpack.Encode(*out); err != nil {
		return err
	}
	body, err := msgpack.Marshal(&o)
	if err != nil {
		return fmt.Errorf("agenthost: encode message: %w", err)
	}
	data, err := runlog.Encode(runlog.Header{Kind: runlog.KindMessage, Run: r.id, Writer: r.svc.beat.Incarnation, Epoch: s.epoch}, body)
	if err != nil {
		return err
	}
	if _, err := r.svc.js.Publish(ctx, subjects.LogMessage(r.id, s.index), data); err != nil {
		return fmt.Errorf("agenthost: log message: %w", err)
	}
	s.keep(o)
	return nil
}

// replay takes a logged message into the memory of an agent that had another owner.
func (s *shard) replay(e runlog.Entry) {
	var o outcome
	_, body, err := runlog.Decode(e.Data)
	if err == nil {
		err = msgpack.Unmarshal(body, &o)
	}
	if err != nil || o.Agent < s.first || o.Agent >= s.first+s.n {
		s.run.logger.Error("message record dropped", "subject", e.Subject, "seq", e.Seq, "error", err)
		return
	}
	s.keep(o)
}

// message is an empty message of an agent.
func (r *run) message(agent int) *msg.Msg {
	out := msg.New("agent-"+strconv.Itoa(agent), msg.RoleAssistant, msg.Content{})
	out.Metadata = map[string]any{"run": r.id, "agent": agent, "block": r.scenario.BlockOf(agent).Name}
	return &out
}

// state describes an agent: who it is and what it answered. It leaves no trace and waits for nobody.
func (r *run) state(s *shard, agent int) *msg.Msg {
	out := r.message(agent)
	for name, value := range r.population.Attributes(agent) {
		out.Metadata["persona."+name] = value
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Metadata["round"] = s.round
	var said []string
	v := s.view(agent)
	for _, p := range v.rounds {
		for q := range p.have {
			if p.have[q][agent-s.first] {
				said = append(said, fmt.Sprintf("round %d, %s: %s", p.round.Number(), r.scenario.Turn[q].ID, p.text[q][agent-s.first]))
			}
		}
	}
	out.Content = msg.Text(strings.Join(said, "\n"))
	return out
}

// converse asks the agent's model about something said to the agent.
func (r *run) converse(ctx context.Context, s *shard, agent int, content string) (string, error) {
	r.mu.Lock()
	now := r.current
	r.mu.Unlock()
	if now == nil {
		return "", errNoRound
	}
	b := &batch{shard: s, round: now, purpose: llm.PurposeInterview}
	b.block, _ = r.cut([]int{agent})
	messages, err := r.talk(b, agent, content)
	if err != nil {
		return "", err
	}
	call := llm.Call{Agent: uint64(agent), Messages: messages} //nolint:gosec // agent numbers are positive
	if now.persona[b.block] {
		call.Persona = r.population.Attributes(agent)
	}
	req := &llm.Request{
		V: llm.Version, Run: r.id, Round: now.number, Model: now.models[b.block], Purpose: llm.PurposeInterview,
		System: now.prompts.SharedSystem(b.block), Facts: now.facts[0], Calls: []llm.Call{call},
	}
	c := conversation{got: make(chan *llm.Result, 1), failed: make(chan error, 1)}
	if err := r.svc.asker.send(now.subjects[b.block], req, c); err != nil {
		return "", err
	}
	select {
	case res := <-c.got:
		if len(res.Text) == 0 || (res.Error != nil && res.Error[0] != "") {
			return "", fmt.Errorf("the agent's model failed: %s", strings.Join(res.Error, ""))
		}
		return res.Text[0], nil
	case err := <-c.failed:
		return "", err
	case <-ctx.Done():
		return "", fmt.Errorf("the agent's model did not answer: %w", ctx.Err())
	}
}

// talk is what an agent sends when somebody talks to it: who it is, what it remembers and has answered, and what is said.
func (r *run) talk(b *batch, agent int, content string) ([]llm.Message, error) {
	v, past := b.shard.remembers(agent, -1)
	return b.round.prompts.Talk(r.scenario, v, b.block, past, content)
}

// conversation is a single call.
type conversation struct {
	got    chan *llm.Result
	failed chan error
}

func (c conversation) result(r *llm.Result) {
	if len(r.Index) > 0 {
		select {
		case c.got <- r:
		default:
		}
	}
}

func (c conversation) again(why error) {
	select {
	case c.failed <- why:
	default:
	}
}

func (c conversation) tick() {}
