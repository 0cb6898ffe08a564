package modelserver

import (
	"errors"
	"fmt"

	"github.com/tidwall/gjson"
)

// span is a range of a buffer.
type span struct{ from, to int }

func (s span) empty() bool { return s.from == s.to }

// finish is why a completion ended, as far as it matters.
type finish uint8

const (
	finished finish = iota
	finishedCut
	finishedFiltered
	finishedBroken // by the server, in the middle
)

// choice is one completion of a response. Its texts stand in the buffer of the reply.
type choice struct {
	text    span
	refusal span
	finish  finish
}

// reply is a response with completions, as it was read. It is used again and again.
type reply struct {
	texts   []byte
	model   span
	choices []choice
	in, out uint64 // tokens
}

var errChoices = errors.New("the response has no choices")

// read reads a response that must have n choices, in the order of their index. A lone choice may lack its index. Keys
// may come in any order, unknown ones are skipped.
func (r *reply) read(data []byte, n int) error {
	r.texts, r.choices, r.model, r.in, r.out = r.texts[:0], r.choices[:0], span{}, 0, 0
	c := cursor{data: data}
	seen := false
	c.open('{', "the response")
	for i := 0; c.more(&i, '}'); {
		switch string(c.key()) {
		case "choices":
			if seen {
				c.fail("the response has choices twice")
			}
			seen = true
			r.readChoices(&c, n)
		case "model":
			r.texts, r.model = c.text(r.texts, "model")
		case "usage":
			r.readUsage(&c)
		default:
			c.skip(0)
		}
	}
	c.end()
	switch {
	case c.err != nil:
		return fmt.Errorf("malformed response: %w", c.err)
	case !seen || len(r.choices) == 0:
		if why := message(data); why != "" { // some gateways report errors as success
			return fmt.Errorf("%w: %s", errChoices, why)
		}
		return errChoices
	case len(r.choices) != n:
		return fmt.Errorf("the response has %d choices instead of %d", len(r.choices), n)
	}
	return nil
}

func (r *reply) readChoices(c *cursor, n int) {
	c.open('[', "choices")
	for i := 0; c.more(&i, ']'); {
		if i > n {
			c.fail("the response has more than %d choices", n)
			return
		}
		r.readChoice(c, i-1, n)
	}
}

func (r *reply) readChoice(c *cursor, at, n int) {
	var got choice
	var indexed, spoken bool
	c.open('{', "a choice")
	for i := 0; c.more(&i, '}'); {
		switch string(c.key()) {
		case "index":
			raw := c.number()
			indexed = true
			if c.err == nil && !isIndex(raw, at) {
				c.fail("choice %d has the index %s", at, raw)
			}
		case "message":
			spoken = true
			r.readMessage(c, &got)
		case "finish_reason":
			var reason span
			r.texts, reason = c.text(r.texts, "finish_reason")
			got.finish = finishOf(r.texts[reason.from:reason.to])
			r.texts = r.texts[:reason.from]
		default:
			c.skip(0)
		}
	}
	switch {
	case !spoken:
		c.fail("choice %d has no message", at)
	case !indexed && n > 1:
		c.fail("choice %d has no index", at)
	}
	r.choices = append(r.choices, got)
}

func (r *reply) readMessage(c *cursor, got *choice) {
	c.open('{', "a message")
	for i := 0; c.more(&i, '}'); {
		switch string(c.key()) {
		case "content":
			r.texts, got.text = c.text(r.texts, "content")
		case "refusal":
			r.texts, got.refusal = c.text(r.texts, "refusal")
		default:
			c.skip(0)
		}
	}
}

func (r *reply) readUsage(c *cursor) {
	if c.peek() == 'n' {
		c.literal("null")
		return
	}
	c.open('{', "usage")
	for i := 0; c.more(&i, '}'); {
		switch string(c.key()) {
		case "prompt_tokens":
			r.in = c.count()
		case "completion_tokens":
			r.out = c.count()
		default:
			c.skip(0)
		}
	}
}

func isIndex(raw []byte, n int) bool {
	for i := len(raw) - 1; i > 0; i-- {
		if raw[i] != byte('0'+n%10) {
			return false
		}
		n /= 10
	}
	return n < 10 && raw[0] == byte('0'+n)
}

func finishOf(reason []byte) finish {
	switch string(reason) {
	case "length":
		return finishedCut
	case "content_filter":
		return finishedFiltered
	case "abort", "error":
		return finishedBroken
	}
	return finished
}

// message is what a response says is wrong, in the ways that servers say it; "" if it says nothing.
func message(body []byte) string {
	for _, at := range []string{"error.message", "message", "detail", "error"} {
		if got := gjson.GetBytes(body, at); got.Type == gjson.String && got.Str != "" {
			return got.Str
		} else if got.IsArray() && at == "detail" { // what FastAPI says of an unfit body
			return got.Get("0.msg").String()
		}
	}
	return ""
}
