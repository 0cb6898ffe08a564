package modelserver

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/myriad-sim/myriad/internal/llm"
)

// appendChat appends the body of a request for one completion.
func appendChat(b []byte, p *Params, c *Conversation) ([]byte, error) {
	b = appendString(append(b, `{"model":`...), p.Model)
	b = append(b, `,"messages":`...)
	b, err := appendConversation(b, c)
	return appendParams(b, p), err
}

// appendBatch appends the body of a request for a completion of each conversation, and to sizes the length in bytes of
// what each of them takes there.
func appendBatch(b []byte, sizes []int, p *Params, list []Conversation) ([]byte, []int, error) {
	b = appendString(append(b, `{"model":`...), p.Model)
	b = append(b, `,"messages":[`...)
	var shared span // the message of the last system prompt: neighbours mostly have the same
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		c, from := &list[i], len(b)
		if i > 0 && c.System != "" && c.System == list[i-1].System {
			b = append(append(b, '['), b[shared.from:shared.to]...)
		} else {
			b = appendSystem(append(b, '['), c.System)
			shared = span{from + 1, len(b)}
		}
		var err error
		if b, err = appendMessages(b, c); err != nil {
			return b, sizes, err
		}
		b = append(b, ']')
		sizes = append(sizes, len(b)-from)
	}
	return appendParams(append(b, ']'), p), sizes, nil
}

func appendConversation(b []byte, c *Conversation) ([]byte, error) {
	b, err := appendMessages(appendSystem(append(b, '['), c.System), c)
	return append(b, ']'), err
}

func appendSystem(b []byte, system string) []byte {
	if system == "" {
		return b
	}
	b = appendString(append(b, `{"role":"system","content":`...), system)
	return append(b, '}')
}

// appendMessages appends the messages of c after its system prompt.
func appendMessages(b []byte, c *Conversation) ([]byte, error) {
	for i := range c.Messages {
		m := &c.Messages[i]
		if i > 0 || c.System != "" {
			b = append(b, ',')
		}
		switch m.Role {
		case llm.RoleSystem:
			b = append(b, `{"role":"system","content":`...)
		case llm.RoleAssistant:
			b = append(b, `{"role":"assistant","content":`...)
		default:
			b = append(b, `{"role":"user","content":`...)
		}
		if len(m.Parts) == 0 {
			b = appendString(b, m.Content)
		} else {
			var err error
			if b, err = appendParts(b, m); err != nil {
				return b, err
			}
		}
		b = append(b, '}')
	}
	return b, nil
}

// appendParts appends content that is more than text. The parts are checked, because what is not an array of JSON could
// change the rest of the request.
func appendParts(b []byte, m *llm.Message) ([]byte, error) {
	parts := bytes.TrimSpace(m.Parts)
	if len(parts) == 0 || parts[0] != '[' || !json.Valid(parts) {
		return b, errParts
	}
	inner := bytes.TrimSpace(parts[1 : len(parts)-1])
	b = append(b, '[')
	if m.Content != "" {
		b = appendString(append(b, `{"type":"text","text":`...), m.Content)
		b = append(b, '}')
		if len(inner) > 0 {
			b = append(b, ',')
		}
	}
	return append(append(b, inner...), ']'), nil
}

// appendParams appends what follows the messages, and ends the body.
func appendParams(b []byte, p *Params) []byte {
	if p.Temperature != nil {
		b = strconv.AppendFloat(append(b, `,"temperature":`...), *p.Temperature, 'f', -1, 64)
	}
	if p.TopP != nil {
		b = strconv.AppendFloat(append(b, `,"top_p":`...), *p.TopP, 'f', -1, 64)
	}
	if p.MaxTokens > 0 {
		if p.NewerMaxTokens {
			b = append(b, `,"max_completion_tokens":`...)
		} else {
			b = append(b, `,"max_tokens":`...)
		}
		b = strconv.AppendInt(b, int64(p.MaxTokens), 10)
	}
	if p.ResponseFormat != nil {
		b = append(append(b, `,"response_format":`...), p.ResponseFormat...)
	}
	if p.StructuredOutputs != nil {
		b = append(append(b, `,"structured_outputs":`...), p.StructuredOutputs...)
	}
	return append(b, '}')
}
