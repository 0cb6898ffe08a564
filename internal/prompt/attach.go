package prompt

import (
	"fmt"
	"strings"

	"github.com/myriad-sim/myriad/internal/template"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// attached is what goes with a question: the content parts themselves where they are the same for every agent.
type attached struct {
	parts []byte            // JSON array; nil where agents differ, or there is nothing
	own   []*template.Bound // by attachment; nil where agents do not differ
}

// attach fills in the shared parts of what goes with a question.
func attach(q scenario.Question, shared template.Shared) (attached, error) {
	var out attached
	differ := false
	for _, a := range q.Attach {
		bound, err := a.URL.Bind(shared)
		if err != nil {
			return attached{}, fmt.Errorf("attach: %w", err)
		}
		out.own = append(out.own, bound)
		differ = differ || bound.PerAgent()
	}
	if differ || out.own == nil {
		return out, nil
	}
	parts, err := contentParts(q.Attach, out.own, nil)
	return attached{parts: parts}, err
}

// write gives out the parts that go with a question to agent a.
func (t *attached) write(out Out, q *scenario.Question, a template.Agent) error {
	parts := t.parts
	if t.own != nil {
		var err error
		if parts, err = contentParts(q.Attach, t.own, a); err != nil {
			return err
		}
	}
	if len(parts) > 0 {
		out.Attach(parts)
	}
	return nil
}

// contentParts gives the content parts for agent a as a JSON array, nil where no attachment has a URL.
func contentParts(attachments []scenario.Attachment, bounds []*template.Bound, a template.Agent) ([]byte, error) {
	var out []byte
	for i, bound := range bounds {
		text, err := bound.Append(nil, a)
		if err == nil && len(text) > 0 {
			err = attachments[i].Check(string(text))
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("attach: %w", err)
		case len(text) == 0:
			continue // it does not go with the question this time
		case out == nil:
			out = append(out, '[')
		default:
			out = append(out, ',')
		}
		out = appendPart(out, attachments[i].Kind, string(text))
	}
	if out == nil {
		return nil, nil
	}
	return append(out, ']'), nil
}

// appendPart appends one content part of the OpenAI protocol. A checked URL needs no escapes. Sounds by URL are vLLM's.
func appendPart(dst []byte, kind, url string) []byte {
	if kind == scenario.AttachImage {
		return appendAll(dst, `{"type":"image_url","image_url":{"url":"`, url, `"}}`)
	}
	if inside, ok := strings.CutPrefix(url, "data:audio/"); ok {
		media, data, _ := strings.Cut(inside, ",")
		subtype, _, _ := strings.Cut(media, ";")
		return appendAll(dst, `{"type":"input_audio","input_audio":{"data":"`, data, `","format":"`, audioFormat(subtype), `"}}`)
	}
	return appendAll(dst, `{"type":"audio_url","audio_url":{"url":"`, url, `"}}`)
}

func appendAll(dst []byte, texts ...string) []byte {
	for _, t := range texts {
		dst = append(dst, t...)
	}
	return dst
}

// audioFormat is what the protocol calls the sound of a media type.
func audioFormat(subtype string) string {
	switch name := strings.TrimPrefix(strings.ToLower(subtype), "x-"); name {
	case "wave", "vnd.wave":
		return "wav"
	case "mpeg":
		return "mp3"
	default:
		return name
	}
}
