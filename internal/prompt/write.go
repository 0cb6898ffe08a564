package prompt

import (
	"bytes"
	"fmt"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/template"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// Out takes messages as they are written. llm.RequestWriter does, so that the prompts of a million agents are rendered
// where they are sent from.
type Out interface {
	// Message begins a message; its content is appended to the returned buffer.
	Message(role string) []byte
	// Content ends the message with the buffer it was appended to. What it returns is not used here.
	Content(buf []byte) []byte
	// Attach adds content parts, a JSON array as in llm.Message, to the message that Content ended. They are not kept.
	Attach(parts []byte)
	// Cancel takes back the message that Message began.
	Cancel()
}

// Write writes what agent a, of the given block, sends for a question: the system prompt only where it is not shared, what
// it remembers, the earlier questions of this round with its replies to them, and the question. After an error what was
// written is of no use.
func (r *Round) Write(out Out, s *scenario.Scenario, a template.Agent, block, question int, past Past) error {
	if err := r.history(out, s, a, block, past); err != nil {
		return err
	}
	return r.ask(out, s, a, question)
}

// Messages returns what Write writes.
func (r *Round) Messages(s *scenario.Scenario, a template.Agent, block, question int, past Past) ([]llm.Message, error) {
	var l list
	err := r.Write(&l, s, a, block, question, past)
	return l.messages, err
}

// Talk returns what agent a sends when somebody outside the round says something to it.
func (r *Round) Talk(s *scenario.Scenario, a template.Agent, block int, past Past, said string) ([]llm.Message, error) {
	var l list
	if err := r.history(&l, s, a, block, past); err != nil {
		return nil, err
	}
	say(&l, llm.RoleUser, said)
	return l.messages, nil
}

// list is an Out that keeps the messages.
type list struct{ messages []llm.Message }

// Message begins a message.
func (l *list) Message(role string) []byte {
	l.messages = append(l.messages, llm.Message{Role: role})
	return nil
}

// Content ends it.
func (l *list) Content(buf []byte) []byte {
	l.messages[len(l.messages)-1].Content = string(buf)
	return buf
}

// Attach keeps what goes with it.
func (l *list) Attach(parts []byte) { l.messages[len(l.messages)-1].Parts = bytes.Clone(parts) }

// Cancel takes it back.
func (l *list) Cancel() { l.messages = l.messages[:len(l.messages)-1] }

func say(out Out, role, text string) { out.Content(append(out.Message(role), text...)) }

func (r *Round) history(out Out, s *scenario.Scenario, a template.Agent, block int, past Past) error {
	if own := r.systems[block]; own != nil {
		buf := out.Message(llm.RoleSystem)
		text, err := own.Append(buf, a)
		if err != nil {
			return fmt.Errorf("agents.%s.system, round %d, agent %d: %w", s.Blocks[block].Name, r.number, a.Number(), err)
		}
		if len(text) > len(buf) {
			out.Content(text)
		} else { // nothing to say to this agent
			out.Cancel()
		}
	}
	for _, t := range past.Turns {
		for q, reply := range t.Replies {
			if err := t.Round.exchange(out, s, s.Memory, t.Agent, q, reply); err != nil {
				return err
			}
		}
	}
	for i := range past.Notes {
		say(out, past.Notes[i].Role, past.Notes[i].Content)
	}
	for q, reply := range past.Earlier {
		if err := r.exchange(out, s, scenario.Memory{Question: true, Answer: true}, a, q, reply); err != nil {
			return err
		}
	}
	return nil
}

// exchange writes those sides of an exchange that are kept. A reply that never came is left out: servers refuse messages
// of an assistant that say nothing.
func (r *Round) exchange(out Out, s *scenario.Scenario, keep scenario.Memory, a template.Agent, question int, reply string) error {
	if keep.Question {
		if err := r.ask(out, s, a, question); err != nil {
			return err
		}
	}
	if keep.Answer && reply != "" {
		say(out, llm.RoleAssistant, reply)
	}
	return nil
}

func (r *Round) ask(out Out, s *scenario.Scenario, a template.Agent, question int) error {
	text, err := r.asks[question].Append(out.Message(llm.RoleUser), a)
	if err != nil {
		return fmt.Errorf("turn %s, round %d, agent %d: %w", s.Turn[question].ID, r.number, a.Number(), err)
	}
	out.Content(text)
	if err := r.attach[question].write(out, &s.Turn[question], a); err != nil {
		return fmt.Errorf("turn %s, round %d, agent %d: %w", s.Turn[question].ID, r.number, a.Number(), err)
	}
	return nil
}
