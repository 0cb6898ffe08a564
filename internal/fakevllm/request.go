package fakevllm

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// request is one body: one conversation, or a batch of them with the same parameters.
type request struct {
	model         string
	conversations []conversation
	messages      []message // of all conversations, in order

	temperature, topP   float64
	maxTokens, n        int // maxTokens 0: none asked for
	newMaxTokens        int
	seed                int64
	seeded              bool
	stop                []string
	stream, usage       bool // usage: a stream ends with what it used
	format, structured  []byte
	tools, toolChoice   []byte
	logprobs, beam, has bool // has: messages were given
	batch               bool
	cur                 cursor
}

// conversation is a range of messages.
type conversation struct{ from, to int }

type message struct {
	role  string
	text  []byte // its text parts, one after the other
	media int    // tokens of its images and sounds
	about uint64 // hash of its images and sounds
}

// decode reads a body. What it gives shares the body's memory. An error is a *refusal.
func (r *request) decode(body []byte, batch bool) error {
	arena, conversations, messages := r.cur.arena[:0], r.conversations[:0], r.messages[:0]
	*r = request{
		temperature: 1, topP: 1, n: 1, batch: batch, conversations: conversations, messages: messages,
		cur: cursor{b: body, arena: arena},
	}
	if !utf8.Valid(body) {
		return plainRefusal(400, "Bad Request", "There was an error parsing the body")
	}
	c := &r.cur
	var err error
	if c.peek() == '{' {
		err = c.object(r.field)
	} else if _, err = c.skip(); err == nil {
		err = invalid("", "model_attributes_type", "Input should be a valid dictionary or object to extract fields from")
	}
	if err == nil {
		err = c.end()
	}
	if bad, ok := err.(*badJSON); ok { //nolint:errorlint // the cursor never wraps
		return invalid(strconv.Itoa(bad.at), "json_invalid", "JSON decode error: "+bad.why)
	}
	if err != nil {
		return err
	}
	return r.check()
}

// field reads one field of the body.
func (r *request) field(key []byte) error {
	c := &r.cur
	if string(key) == "messages" {
		r.has = true
		r.conversations, r.messages = r.conversations[:0], r.messages[:0] // of two the last one counts
		if r.batch {
			return r.readBatch()
		}
		return r.readConversation("messages")
	}
	switch string(key) {
	case "guided_json", "guided_regex", "guided_choice", "guided_grammar", "guided_decoding_backend",
		"guided_whitespace_pattern", "guided_options_request":
		return invalid(string(key), "extra_forbidden", "Extra inputs are not permitted: the field was removed, use structured_outputs")
	}
	if null, err := c.null(); null || err != nil {
		return err // null is the default of every field but messages
	}
	var err error
	switch string(key) {
	case "model":
		var name []byte
		name, err = r.text("model")
		r.model = string(name)
	case "temperature":
		r.temperature, err = r.float("temperature")
	case "top_p":
		r.topP, err = r.float("top_p")
	case "max_tokens":
		r.maxTokens, err = r.positive("max_tokens")
	case "max_completion_tokens":
		r.newMaxTokens, err = r.positive("max_completion_tokens")
	case "n":
		r.n, err = r.positive("n")
	case "seed":
		r.seeded = true
		r.seed, err = r.integer("seed")
	case "stop":
		err = r.readStop()
	case "stream":
		r.stream, err = r.flag("stream")
	case "stream_options":
		err = r.readStreamOptions()
	case "logprobs":
		r.logprobs, err = r.flag("logprobs")
	case "use_beam_search":
		r.beam, err = r.flag("use_beam_search")
	case "response_format":
		r.format, err = c.skip()
	case "structured_outputs":
		r.structured, err = c.skip()
	case "tools":
		r.tools, err = c.skip()
	case "tool_choice":
		r.toolChoice, err = c.skip()
	case "frequency_penalty", "presence_penalty", "repetition_penalty", "min_p", "length_penalty":
		_, err = r.float(string(key))
	case "top_k", "min_tokens", "priority", "top_logprobs", "truncate_prompt_tokens", "prompt_logprobs":
		_, err = r.integer(string(key))
	case "ignore_eos", "echo", "skip_special_tokens", "add_generation_prompt", "continue_final_message",
		"include_stop_str_in_output", "parallel_tool_calls", "include_reasoning", "return_token_ids":
		_, err = r.flag(string(key))
	case "user", "request_id", "cache_salt", "chat_template", "reasoning_effort":
		_, err = r.text(string(key))
	default: // passed over, as vLLM does with what it does not know
		_, err = c.skip()
	}
	return err
}

// check finds what is wrong with fields that are right one by one.
func (r *request) check() error {
	switch {
	case !r.has:
		return invalid("messages", "missing", "Field required")
	case r.batch && r.stream:
		return valueError("stream", "Batch chat completions do not support streaming. Please set `stream` to False.")
	case r.batch && r.tools != nil:
		return valueError("tools", "Batch chat completions do not support tool use. Please omit `tools`.")
	case r.batch && r.beam:
		return valueError("use_beam_search",
			"Batch chat completions do not support beam search. Please set `use_beam_search` to False.")
	case r.batch && r.n != 1:
		return valueError("n", "Batch chat completions do not support `n > 1`. Please set `n` to 1.")
	case r.usage && !r.stream:
		return valueError("stream_options", "Stream options can only be defined when `stream=True`.")
	case r.beam || r.logprobs:
		return badRequest("", "Beam search and log probabilities are not supported.")
	case string(r.tools) == "[]":
		return valueError("tools", "`tools` must not be an empty array. Either provide at least one tool or omit the field entirely.")
	case r.tools == nil && r.toolChoice != nil && string(r.toolChoice) != `"none"`:
		return valueError("tool_choice", "When using `tool_choice`, `tools` must be set.")
	case r.tools != nil && string(r.toolChoice) != `"none"`:
		return badRequest("", `"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set`)
	case math.IsNaN(r.temperature) || math.IsInf(r.temperature, 0) || r.temperature < 0:
		return badRequest("temperature", "temperature must be non-negative, got %v.", r.temperature)
	case !(r.topP > 0 && r.topP <= 1):
		return badRequest("top_p", "top_p must be in (0, 1], got %v.", r.topP)
	case r.n > 1 && r.temperature == 0:
		return badRequest("n", "n must be 1 when using greedy sampling, got %d.", r.n)
	}
	if r.newMaxTokens > 0 {
		r.maxTokens = r.newMaxTokens
	}
	return nil
}
