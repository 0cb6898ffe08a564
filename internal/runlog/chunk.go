package runlog

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/myriad-sim/myriad/internal/stats"
)

// chunk is a decoded answer record whose texts and bytes still share memory with it. A fold decodes one record after the
// other into the same chunk, so that counting an answer allocates nothing; who keeps answers takes Answers instead.
type chunk struct {
	question, shard int
	agents          []int
	status          []byte
	values          []int64
	lens            []uint32
	text            []byte
	tokens          []uint32 // in and out, alternating
	calls, sha      []byte   // calls, then retries
	model, served   []byte   // runs
	attempts        []attemptsOf
	shared          []int32  // -1 for none; empty: none at all
	apportioned     []byte   // bits; nil: none
	reasons         []reason // ascending
}

// decode reads the body of an answer record. It takes memory in proportion to the body, and none where an earlier, larger
// one was decoded before. The chunk is valid for as long as the body is.
func (c *chunk) decode(body []byte) error {
	d := columns{buf: body}
	fields := d.array()
	if d.err == nil && fields < answersFields {
		return fmt.Errorf("%w: answer chunk of %d columns, want %d", ErrDamaged, fields, answersFields)
	}
	if v := d.uint(); d.err == nil && v != Version {
		return fmt.Errorf("%w: answer chunk version %d, this binary knows %d", ErrVersion, v, Version)
	}
	c.question, c.shard = d.int(), d.int()
	agents := d.bin()
	c.agents = slices.Grow(c.agents[:0], min(len(agents), MaxChunk+1)) // a gap has at least a byte
	var ascending bool
	c.agents, ascending = gaps(agents, MaxChunk, c.agents)
	n := len(c.agents)
	c.status = d.bin()
	values, lens := d.bin(), d.bin()
	c.text = d.bin()
	tokens := d.bin()
	c.calls, c.sha, c.model, c.served = d.bin(), d.bin(), d.bin(), d.bin()
	attempts := d.bin()
	var shared, apportioned, reasons []byte
	if fields > answersFields {
		shared, apportioned, reasons = d.bin(), d.bin(), d.bin()
	}
	if d.err == nil && fields <= allAnswersFields && len(d.buf) > 0 {
		d.fail("bytes after the last column")
	}
	if d.err == nil && (n > MaxChunk || !ascending || len(c.status) != n || len(c.calls) != 2*n || len(c.sha) != 8*n) {
		d.fail("answer columns differ in length")
	}
	if d.err != nil {
		return d.err
	}
	c.values, c.lens, c.tokens = slices.Grow(c.values[:0], n)[:n], slices.Grow(c.lens[:0], n)[:n], slices.Grow(c.tokens[:0], 2*n)[:2*n]
	if !zigzags(values, c.values) || !uints(lens, c.lens) || !uints(tokens, c.tokens) {
		d.fail("a number column does not fit its answers")
	}
	size := uint64(0)
	for _, l := range c.lens {
		size += uint64(l)
	}
	if size != uint64(len(c.text)) {
		d.fail("the texts do not fit their lengths")
	}
	ignore := func([]byte, int) {}
	if !runs(c.model, n, ignore) || !runs(c.served, n, ignore) {
		d.fail("a column of names does not fit its answers")
	}
	if d.err != nil {
		return d.err
	}
	if err := c.decodeSparse(shared, apportioned, reasons); err != nil {
		return err
	}
	return c.decodeAttempts(attempts)
}

func (c *chunk) decodeAttempts(raw []byte) error {
	c.attempts = nil
	if len(raw) == 0 {
		return nil
	}
	if err := decodeBody(raw, &c.attempts); err != nil {
		return err
	}
	prev := -1
	for _, e := range c.attempts {
		if e.At <= prev || e.At >= len(c.agents) {
			return fmt.Errorf("%w: attempts of position %d", ErrDamaged, e.At)
		}
		prev = e.At
	}
	return nil
}

// answers hands the chunk over. All texts share one string.
func (c *chunk) answers() *Answers {
	n := len(c.agents)
	bytes, tokens := append(make([]byte, 0, 2*n), c.calls...), make([]uint32, 2*n)
	a := &Answers{
		Question: c.question, Shard: c.shard, Agents: c.agents, Status: make([]stats.Status, n),
		Values: c.values, Text: make([]string, n), TokensIn: tokens[:n:n], TokensOut: tokens[n:],
		Calls: bytes[:n:n], Retries: bytes[n:], PromptSHA: make([]uint64, n),
		Model: names(c.model, n), Served: names(c.served, n),
	}
	c.agents, c.values = nil, nil
	text := string(c.text)
	for i := range n {
		a.Status[i] = stats.Status(c.status[i])
		a.Text[i], text = text[:c.lens[i]], text[c.lens[i]:]
		a.TokensIn[i], a.TokensOut[i] = c.tokens[2*i], c.tokens[2*i+1]
		a.PromptSHA[i] = binary.BigEndian.Uint64(c.sha[8*i:])
	}
	if len(c.attempts) > 0 {
		a.Attempts = make(map[int][]Attempt, len(c.attempts))
		for _, e := range c.attempts {
			a.Attempts[e.At] = e.Attempts
		}
	}
	c.sparse(a, n)
	return a
}

// names spreads a column of runs, which was checked, over n answers.
func names(col []byte, n int) []string {
	out := make([]string, 0, n)
	runs(col, n, func(name []byte, count int) {
		s := string(name)
		for range count {
			out = append(out, s)
		}
	})
	return out
}

// DecodeAnswers decodes the body of an answer record, as Decode returns it. It never returns a chunk whose columns differ
// in length, and keeps no part of body. Errors: ErrVersion, ErrDamaged.
func DecodeAnswers(body []byte) (*Answers, error) {
	var c chunk
	if err := c.decode(body); err != nil {
		return nil, err
	}
	return c.answers(), nil
}
