package llmproxy

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// task is what the requests for one question, round and purpose have in common.
type task struct {
	verb    string
	purpose string
	facts   *llm.Facts
	answer  map[string]any // what counts as an answer; nil in an interview
}

// purposes are the words for the purposes of a call, by their numbers.
var purposes = [...]string{llm.PurposeAnswer: "answer", llm.PurposeExtract: "extract", llm.PurposeReask: "reask", llm.PurposeInterview: "interview"}

func newTask(f *llm.Facts, purpose uint8) (task, error) {
	t := task{verb: subjects.VerbReply, purpose: purposes[purpose], facts: f}
	if purpose == llm.PurposeInterview {
		t.verb = subjects.VerbInterview
		return t, nil
	}
	var err error
	if t.answer, err = declared(f); err != nil {
		return t, err
	}
	return t, nil
}

// declared is what counts as an answer, with the keys that a scenario has for it.
func declared(f *llm.Facts) (map[string]any, error) {
	a := map[string]any{"type": f.Type}
	switch f.Type {
	case scenario.TypeNumber:
		for key, bound := range map[string]float64{"min": f.Min, "max": f.Max} {
			if !math.IsNaN(bound) && !math.IsInf(bound, 0) {
				a[key] = bound
			}
		}
		a["decimals"] = f.Decimals
	case scenario.TypeLikert:
		a["points"] = f.Points
	case scenario.TypeChoice:
		a["choices"] = f.Choices
	case scenario.TypeJSON:
		if f.Schema != nil {
			var schema any
			if err := json.Unmarshal(f.Schema, &schema); err != nil {
				return nil, fmt.Errorf("%w: schema: %w", errFacts, err)
			}
			a["schema"] = schema
		}
	case scenario.TypeCode:
		if f.Language != "" {
			a["language"] = f.Language
		}
	case scenario.TypeTagged:
		a["tags"] = f.Tags
	}
	return a, nil
}

// messages is the conversation of a call, and at its end where it goes: see envelope.
func (t *task) messages(x *exchange, to subjects.Address, i int) []llm.Message {
	a := x.asks[i]
	meta := map[string]any{"run": x.run, "round": x.round, "agent": a.Agent, "purpose": t.purpose}
	id := ""
	if t.answer != nil {
		meta["question"], meta["attempt"], meta["answer"] = t.facts.Question, a.Attempt, t.answer
		id = fmt.Sprintf("%s:%d:%s:%d:%d:%s", x.run, x.round, t.facts.Question, a.Agent, a.Attempt, t.purpose)
	}
	parts, err := json.Marshal(meta)
	if err != nil {
		parts = nil // cannot be: what is in it came out of JSON or is a number or a text
	}
	last := llm.Message{Role: subjects.At(x.run, to, t.verb), Content: id, Parts: parts}
	return append(x.body.Messages(a), last)
}

// envelope is the last message of a conversation that the fleet carries to a code agent. The fleet knows conversations
// only: the subject is in its role, the request id in its content, and the metadata, as JSON, in its parts.
type envelope struct {
	subject, id string
	meta        []byte
}

// opened takes a conversation out of its envelope.
func opened(list []llm.Message) ([]llm.Message, envelope) {
	last := len(list) - 1
	return list[:last], envelope{list[last].Role, list[last].Content, list[last].Parts}
}

// told makes the messages of a request to a code agent of a conversation. The last one has the metadata.
func told(system string, list []llm.Message, meta []byte) ([]msg.Msg, error) {
	out := make([]msg.Msg, 0, len(list)+1)
	add := func(m llm.Message) {
		out = append(out, msg.Msg{Role: msg.Role(m.Role), Content: msg.Text(strings.ToValidUTF8(m.Content, "\uFFFD")), URLs: attached(m.Parts)})
	}
	if system != "" {
		add(llm.Message{Role: llm.RoleSystem, Content: system})
	}
	for _, m := range list {
		add(m)
	}
	if len(out) == 0 {
		out = append(out, msg.Msg{Role: msg.RoleUser})
	}
	return out, json.Unmarshal(meta, &out[len(out)-1].Metadata)
}

// attached are the URLs of what goes with a message, which are in the content parts of the OpenAI protocol.
func attached(parts []byte) []string {
	var urls []string
	for _, part := range gjson.ParseBytes(parts).Array() {
		kind := part.Get("type").String()
		switch {
		case part.Get("input_audio").Exists():
			sound := part.Get("input_audio")
			urls = append(urls, "data:audio/"+sound.Get("format").String()+";base64,"+sound.Get("data").String())
		default:
			urls = append(urls, part.Get(kind+".url").String())
		}
	}
	return urls
}
