package llm

import "math"

// Body is the payload of a request, from which what a call carries besides its numbers is read when somebody wants it.
// It takes the Asks of the same request only. A Body may be used by many goroutines at once; the zero Body has nothing
// to give.
type Body struct{ payload string }

// Messages are the messages of a call, without the shared system prompt. Their texts are parts of the payload.
func (b Body) Messages(a Ask) []Message {
	c, n := b.open(a)
	if n < 3 {
		return nil
	}
	list := make([]Message, 0, c.array())
	for range cap(list) {
		list = append(list, c.message())
	}
	return list
}

// Attributes are the persona of a call and its agent's own answers; nil where there are none.
func (b Body) Attributes(a Ask) (persona map[string]string, own map[string]float64) {
	c, n := b.open(a)
	if n >= 4 {
		for range c.array() {
			c.message()
		}
		persona = c.textMap()
	}
	if n >= 5 {
		own = c.floats()
	}
	return persona, own
}

// open returns a cursor at the messages of a call, and how many fields the call has.
func (b Body) open(a Ask) (cursor, int) {
	if int(a.at) >= len(b.payload) {
		return cursor{}, 0
	}
	c := cursor{s: b.payload, pos: int(a.at)}
	n := c.array()
	if n >= 3 {
		c.uint(math.MaxUint64)
		c.uint(math.MaxUint32)
	}
	return c, n
}

// message reads one message.
func (c *cursor) message() (m Message) {
	for i := range c.array() {
		switch i {
		case 0:
			m.Role = c.text()
		case 1:
			m.Content = c.text()
		case 2:
			if parts := c.text(); parts != "" {
				m.Parts = []byte(parts)
			}
		default:
			c.skip()
		}
	}
	return m
}
