package fakevllm

import (
	"encoding/json"
	"fmt"
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

func (r *request) text(loc string) ([]byte, error) {
	if r.cur.peek() != '"' {
		return nil, r.wrong(loc, "string_type", "Input should be a valid string")
	}
	return r.cur.str()
}

func (r *request) flag(loc string) (bool, error) {
	switch r.cur.peek() {
	case 't':
		return true, r.cur.word("true")
	case 'f':
		return false, r.cur.word("false")
	}
	return false, r.wrong(loc, "bool_type", "Input should be a valid boolean")
}

func (r *request) float(loc string) (float64, error) {
	if b := r.cur.peek(); b != '-' && (b < '0' || b > '9') {
		return 0, r.wrong(loc, "float_type", "Input should be a valid number")
	}
	raw, err := r.cur.number()
	if err != nil {
		return 0, err
	}
	x, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return 0, invalid(loc, "finite_number", "Input should be a finite number")
	}
	return x, nil
}

func (r *request) integer(loc string) (int64, error) {
	if b := r.cur.peek(); b != '-' && (b < '0' || b > '9') {
		return 0, r.wrong(loc, "int_type", "Input should be a valid integer")
	}
	raw, err := r.cur.number()
	if err != nil {
		return 0, err
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, nil
	}
	// 512.0 is an integer as well, as long as a float can tell.
	if x, err := strconv.ParseFloat(string(raw), 64); err == nil && x == math.Trunc(x) && math.Abs(x) <= 1<<53 {
		return int64(x), nil
	}
	return 0, invalid(loc, "int_from_float", "Input should be a valid integer, got a number with a fractional part")
}

func (r *request) positive(loc string) (int, error) {
	n, err := r.integer(loc)
	if err == nil && n < 1 {
		err = badRequest(loc, "%s must be at least 1, got %d.", loc, n)
	}
	if err == nil && n > math.MaxInt32 {
		err = badRequest(loc, "%s is too large: %d.", loc, n)
	}
	return int(n), err
}

// wrong refuses a value of the wrong type, unless it is not even JSON.
func (r *request) wrong(loc, kind, msg string) error {
	if _, err := r.cur.skip(); err != nil {
		return err
	}
	return invalid(loc, kind, msg)
}

func (r *request) readStop() error {
	if r.cur.peek() == '"' {
		s, err := r.cur.str()
		r.stop = []string{string(s)}
		return r.checkStop(err)
	}
	if r.cur.peek() != '[' {
		return r.wrong("stop", "list_type", "Input should be a valid list")
	}
	r.stop = nil
	return r.checkStop(r.cur.array(func() error {
		s, err := r.text("stop." + strconv.Itoa(len(r.stop)))
		r.stop = append(r.stop, string(s))
		return err
	}))
}

func (r *request) checkStop(err error) error {
	for _, s := range r.stop {
		if err == nil && s == "" {
			err = badRequest("stop", "stop cannot contain an empty string.")
		}
	}
	return err
}

func (r *request) readStreamOptions() error {
	raw, err := r.cur.skip()
	if err != nil {
		return err
	}
	var o struct {
		IncludeUsage *bool `json:"include_usage"`
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return invalid("stream_options", "model_type", fmt.Sprintf("Input should be valid stream options: %v", err))
	}
	r.usage = o.IncludeUsage != nil && *o.IncludeUsage
	return nil
}
