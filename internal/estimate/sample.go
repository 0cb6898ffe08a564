package estimate

import (
	"strings"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/prompt"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// size is how long a conversation is, with the replies in it still open.
type size struct {
	bytes    int // of all that is known
	parts    int // bytes of attachments
	messages int
	replies  int // of the messages, those that the agent said before
}

func (s size) plus(t size) size {
	return size{s.bytes + t.bytes, s.parts + t.parts, s.messages + t.messages, s.replies + t.replies}
}

func (s size) minus(t size) size {
	return size{s.bytes - t.bytes, s.parts - t.parts, s.messages - t.messages, s.replies - t.replies}
}

// agent is one of those whose prompts are rendered.
type agent struct {
	stranger
	past []size // what the rounds up to that one add to a conversation: a running total, from round 0
}

// sampled are some agents of a block, evenly spread.
func sampled(sc *scenario.Scenario, pop *population.Population, block, n int) []*agent {
	b := &sc.Blocks[block]
	n = min(n, b.Count)
	var out []*agent
	for i := range n {
		number := b.First + i*(b.Count-1)/max(1, n-1)
		out = append(out, &agent{stranger: stranger{number: number, block: b.Name, sc: sc, pop: pop}, past: []size{{}}})
	}
	return out
}

// mark stands for a reply in a rendered conversation.
const mark = "x"

// ask is what an agent sends for one question.
type ask struct {
	size
	head string // the text it begins with, as far as other agents may begin with the same
}

// turn renders all questions of a round for an agent, and notes what it will remember of the round.
func (a *agent) turn(r *prompt.Round, block int) ([]ask, error) {
	a.round = r.Number()
	remembered := a.remembered()
	var out []ask
	var kept size
	past := prompt.Past{}
	for q := range a.sc.Turn {
		messages, err := r.Messages(a.sc, a.stranger, block, q, past)
		if err != nil {
			return nil, err
		}
		var text strings.Builder
		text.WriteString(r.SharedSystem(block))
		one := size{bytes: text.Len(), messages: min(1, text.Len()), replies: len(past.Earlier)}
		for i, m := range messages {
			one = one.plus(sizeOf(m))
			if remembered.messages == 0 || i == 0 && m.Role == llm.RoleSystem {
				text.WriteString(m.Content)
			}
		}
		one.bytes -= len(past.Earlier) * len(mark)
		out = append(out, ask{size: one.plus(remembered), head: text.String()})
		if a.sc.Memory.Question {
			kept = kept.plus(sizeOf(messages[len(messages)-1]))
		}
		if a.sc.Memory.Answer {
			kept = kept.plus(size{messages: 1, replies: 1})
		}
		past.Earlier = append(past.Earlier, mark)
	}
	a.past = append(a.past, a.past[len(a.past)-1].plus(kept))
	return out, nil
}

func sizeOf(m llm.Message) size { return size{bytes: len(m.Content), parts: len(m.Parts), messages: 1} }

// remembered is what the agent has in mind of earlier rounds in the present one.
func (a *agent) remembered() size {
	last := len(a.past) - 1
	first := 0
	if keep := a.sc.Memory.Turns; keep >= 0 {
		first = max(0, last-keep)
	}
	return a.past[last].minus(a.past[first])
}

// stranger is an agent whose answers are not known.
type stranger struct {
	number int
	block  string
	sc     *scenario.Scenario
	pop    *population.Population
	round  int
}

// Number is the agent's number.
func (s stranger) Number() int { return s.number }

// Block is the name of the agent's block.
func (s stranger) Block() string { return s.block }

// AppendPersona appends an attribute of the agent.
func (s stranger) AppendPersona(dst []byte, name string) []byte {
	dst, _ = s.pop.AppendLookup(dst, s.number, name)
	return dst
}

// AppendLast stands for the answer of the round before.
func (s stranger) AppendLast(dst []byte, question string) []byte {
	if s.round == 1 {
		return dst
	}
	return s.AppendAnswer(dst, question)
}

// AppendAnswer stands for an answer.
func (s stranger) AppendAnswer(dst []byte, question string) []byte {
	at := s.sc.QuestionIndex(question)
	if at < 0 {
		return dst
	}
	switch a := s.sc.Turn[at].Answer; a.Type {
	case scenario.TypeNumber, scenario.TypeLikert:
		return append(dst, "12.34"...)
	case scenario.TypeChoice:
		return append(dst, a.Choices[s.number%len(a.Choices)]...)
	}
	return append(dst, "a few words in answer"...)
}
