package fakevllm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// mediaTokens bounds what an image or a sound counts as; it never counts more tokens than its address or data has bytes.
const mediaTokens = 256

// readBatch reads a list of conversations.
func (r *request) readBatch() error {
	if r.cur.peek() != '[' {
		return r.wrong("messages", "list_type", "Input should be a valid list")
	}
	err := r.cur.array(func() error { return r.readConversation("messages." + strconv.Itoa(len(r.conversations))) })
	if err == nil && len(r.conversations) == 0 {
		err = invalid("messages", "too_short", "List should have at least 1 item after validation, not 0")
	}
	return err
}

// readConversation reads a list of messages.
func (r *request) readConversation(loc string) error {
	if r.cur.peek() != '[' {
		return r.wrong(loc, "list_type", "Input should be a valid list")
	}
	from := len(r.messages)
	if err := r.cur.array(func() error { return r.readMessage(loc, len(r.messages)-from) }); err != nil {
		return err
	}
	if from == len(r.messages) {
		return invalid(loc, "too_short", "List should have at least 1 item after validation, not 0")
	}
	r.conversations = append(r.conversations, conversation{from, len(r.messages)})
	return nil
}

// readMessage reads the i-th message of the conversation at loc, which is spelled out only in errors.
func (r *request) readMessage(loc string, i int) error {
	at := func(field string) string { return fmt.Sprintf("%s.%d%s", loc, i, field) }
	if r.cur.peek() != '{' {
		return r.wrong(at(""), "dict_type", "Input should be a valid dictionary")
	}
	var m message
	hasContent, hasCalls := false, false
	err := r.cur.object(func(key []byte) error {
		switch string(key) {
		case "role":
			if r.cur.peek() != '"' {
				return r.wrong(at(".role"), "string_type", "Input should be a valid string")
			}
			role, err := r.cur.str()
			if err != nil {
				return err
			}
			if m.role = knownRole(role); m.role == "" {
				return invalid(at(".role"), "literal_error",
					"Input should be 'developer', 'system', 'user', 'assistant', 'tool' or 'function'")
			}
			return nil
		case "content":
			m.text, m.media, m.about = nil, 0, 0
			switch r.cur.peek() {
			case '"':
				hasContent = true
				var err error
				m.text, err = r.cur.str()
				return err
			case '[':
				hasContent = true
				return r.readParts(&m, at)
			case 'n':
				hasContent = false
				return r.cur.word("null")
			}
			return r.wrong(at(".content"), "string_type", "Input should be a valid string or a list of content parts")
		case "tool_calls", "function_call":
			hasCalls = true
		}
		_, err := r.cur.skip()
		return err
	})
	switch {
	case err != nil:
		return err
	case m.role == "":
		return invalid(at(".role"), "missing", "Field required")
	case !hasContent && !(m.role == "assistant" && hasCalls):
		return invalid(at(".content"), "missing", "Field required")
	}
	r.messages = append(r.messages, m)
	return nil
}

func knownRole(role []byte) string {
	switch string(role) {
	case "system":
		return "system"
	case "user":
		return "user"
	case "assistant":
		return "assistant"
	case "developer":
		return "developer"
	case "tool":
		return "tool"
	case "function":
		return "function"
	}
	return ""
}

// part is one content part: its type, and under the key of that type a text or an object.
type part struct {
	Type       string  `json:"type"`
	Text       *string `json:"text"`
	ImageURL   *source `json:"image_url"`
	AudioURL   *source `json:"audio_url"`
	VideoURL   *source `json:"video_url"`
	InputAudio *source `json:"input_audio"`
}

// source is where an image or a sound is, or what it is.
type source struct {
	URL    string `json:"url"`
	Data   string `json:"data"`
	Format string `json:"format"`
}

// readParts reads content that is a list. Prompts with parts are few, so this may be slow.
func (r *request) readParts(m *message, at func(string) string) error {
	i := -1
	return r.cur.array(func() error {
		i++
		where := at(".content." + strconv.Itoa(i))
		if r.cur.peek() == '"' { // vLLM takes bare strings for text
			s, err := r.cur.str()
			m.text = append(slices.Clip(m.text), s...)
			return err
		}
		raw, err := r.cur.skip()
		if err != nil {
			return err
		}
		var p part
		if err := json.Unmarshal(raw, &p); err != nil {
			return invalid(where, "model_type", "Input should be a valid content part")
		}
		var s *source
		switch p.Type {
		case "text":
			if p.Text == nil {
				return invalid(where+".text", "missing", "Field required")
			}
			m.text = append(slices.Clip(m.text), *p.Text...)
			return nil
		case "image_url":
			s = p.ImageURL
		case "audio_url":
			s = p.AudioURL
		case "video_url":
			s = p.VideoURL
		case "input_audio":
			s = p.InputAudio
			if s != nil && s.Format != "wav" && s.Format != "mp3" {
				return invalid(where+".input_audio.format", "literal_error", "Input should be 'wav' or 'mp3'")
			}
		default:
			return invalid(where+".type", "literal_error", "Unknown part type")
		}
		if s == nil || s.URL+s.Data == "" {
			return invalid(where+"."+p.Type, "missing", "Field required")
		}
		m.media += min(mediaTokens, len(s.URL)+len(s.Data))
		m.about = mix(m.about, hashText(p.Type+s.URL+s.Data))
		return nil
	})
}
