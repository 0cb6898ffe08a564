package gateway

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// What everybody asks, by whatever way: a short shared system prompt, and a question that begins with who is asked, so
// that no prefix of it is cached.
const (
	servedModel = "fake"
	temperature = 1.0
	maxTokens   = 512
	system      = "You take part in a game with many other people. Everyone reports a number, and whoever is closest to two " +
		"thirds of the average of all numbers wins the prize. If several people are equally close, they share it."
)

// question appends what an agent is asked.
type question func(b []byte, agent uint64) []byte

// appendQuestion asks for a number alone.
func appendQuestion(b []byte, agent uint64) []byte {
	return append(appendStory(b, agent), " Reply with the number and nothing else."...)
}

// appendStory asks for a number; whoever reasons may do so.
func appendStory(b []byte, agent uint64) []byte {
	b = strconv.AppendUint(append(b, "You are player "...), agent, 10)
	b = strconv.AppendUint(append(b, ", "...), 18+agent%60, 10)
	return append(b, " years old, with a degree in economics. This is round 2. The target of the last round was 31.25. "+
		"Which whole number from 0 to 100 do you report?"...)
}

// question is what the agents of a load are asked.
func (l *Load) question() question {
	switch {
	case l.Kind == byRounds:
		return appendShort
	case l.Reasoned:
		return appendStory
	}
	return appendQuestion
}

// appendShort appends a question that is little beside a persona.
func appendShort(b []byte, agent uint64) []byte {
	return strconv.AppendUint(append(b, "Which whole number from 0 to 100? Nothing else. Player "...), agent, 10)
}

// questionTokens is about how many tokens of a question have to be computed.
func questionTokens() int { return len(appendStory(nil, 1_000_000)) / 4 }

// persona is a system prompt of more than 600 tokens that a group of agents shares.
func persona(group int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "You are one of the people of village %d.", group)
	for line := 0; b.Len() < 2600; line++ {
		fmt.Fprintf(&b, " Custom %d of village %d is kept by everyone who lives there, and strangers learn it in their first year.", line, group)
	}
	return b.String()
}

// header is everything of a request but its calls.
func (l *Load) header() (llm.Request, error) {
	heat := temperature
	model, err := msgpack.Marshal(&scenario.Model{
		Name: "player", Provider: "openai", Endpoints: l.Servers, Model: servedModel,
		Temperature: &heat, MaxTokens: maxTokens, Concurrency: l.Places,
	})
	if err != nil {
		return llm.Request{}, fmt.Errorf("gateway: %w", err)
	}
	facts := llm.EncodeFacts(&llm.Facts{Round: 2, Question: "guess", Type: scenario.TypeNumber, Max: 100})
	return llm.Request{Run: "bench", Round: 2, Model: model, System: system, Purpose: llm.PurposeAnswer, Facts: facts}, nil
}
