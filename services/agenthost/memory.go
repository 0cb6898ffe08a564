package agenthost

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

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

// remember logs a message with its outcome and takes it into the agent's memory.
func (r *run) remember(ctx context.Context, s *shard, o outcome, out *msg.Msg) error {
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
	if !r.owns(s) { // the next owner has read the messages before its lease and would not learn of this one
		return errMoved
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

func (s *shard) keep(o outcome) {
	n := note{said: o.Content}
	if out, err := msg.Msgpack.Decode(o.Reply); err == nil {
		n.reply = out.Content.String()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told.keep(o.Agent, n, o.RequestID, o.Reply)
}

// outcome returns the recorded outcome of a request to an agent, nil if it is new.
func (s *shard) outcome(agent int, id string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told.outcome(agent, id)
}

// message is an empty message of an agent.
func (r *run) message(agent int) *msg.Msg {
	out := msg.New("agent-"+strconv.Itoa(agent), msg.RoleAssistant, msg.Content{})
	out.Metadata = map[string]any{"run": r.id, "agent": agent, "block": r.scenario.BlockOf(agent).Name}
	return &out
}

// state describes an agent: who it is, what it answered, and the newest of what it was told. It leaves no trace and waits for no turn.
func (r *run) state(ctx context.Context, s *shard, agent int) (*msg.Msg, error) {
	rounds, err := r.everything(ctx, s)
	if err != nil {
		return nil, err
	}
	out := r.message(agent)
	for name, value := range r.population.Attributes(agent) {
		out.Metadata["persona."+name] = value
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Metadata["round"] = s.round
	var said []string
	for _, p := range rounds {
		for q := range p.questions {
			if a, off := &p.questions[q], agent-s.first; a.there(off) {
				said = append(said, fmt.Sprintf("round %d, %s: %s", p.round.Number(), r.scenario.Turn[q].ID, a.appendText(nil, off)))
			}
		}
	}
	for _, n := range s.told.notes[agent] {
		line := "told: " + n.said
		if n.reply != "" {
			line += "\n  said: " + n.reply
		}
		said = append(said, line)
	}
	out.Content = msg.Text(strings.Join(said, "\n"))
	return out, nil
}
