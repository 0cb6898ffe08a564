package tree

import (
	"errors"
	"fmt"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/environment/value"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// Outcome is how a call ended: with a value, or with an error as it goes over the wire.
type Outcome struct {
	Value      any
	Code, Text string // of an error; Code is "" for none
}

func failed(err error) Outcome { return Outcome{Code: wire.Code(err), Text: err.Error()} }

// Message is the outcome as a reply of an environment in an encoding. The error is that of the call, or wire.ErrTooLarge.
func (o Outcome) Message(env string, enc msg.Encoding) (msg.Msg, error) {
	if o.Code != "" {
		return msg.Msg{}, wire.FromCode(o.Code, o.Text)
	}
	c, err := value.Content(o.Value)
	m := msg.Msg{Name: env, Role: msg.RoleSystem, Content: c}
	if err == nil && weigh(o.Value) > msg.MaxSize/8 { // it may be too much, so it is tried
		if _, err = enc.Encode(m); errors.Is(err, msg.ErrTooLarge) {
			err = fmt.Errorf("%w: %w", wire.ErrTooLarge, err)
		}
	}
	return m, err
}

// Weight is about how many bytes the outcome takes in memory.
func (o Outcome) Weight() int { return len(o.Text) + weigh(o.Value) }

// What a tree keeps of the outcomes of calls that came with a request id. The oldest go first.
const (
	maxOutcomes     = 64 << 10
	maxOutcomeBytes = 16 << 20
)

type outcomes struct {
	of    map[string]Outcome
	order []string
	bytes int
	fresh int // the last of order, which may be taken back
}

// key makes one text of what makes a repeated call the same.
func key(c *Call) string {
	return c.Env + "\x00" + c.Function + "\x00" + string(c.Caller) + "\x00" + c.ID
}

// keep notes an outcome and returns what takes that back.
func (o *outcomes) keep(key string, out Outcome) (back func()) {
	if _, twice := o.of[key]; twice {
		return func() {}
	}
	o.of[key] = out
	o.order = append(o.order, key)
	n := cost(key, out)
	o.bytes += n
	o.fresh++
	return func() {
		o.fresh--
		delete(o.of, key)
		o.order = o.order[:len(o.order)-1]
		o.bytes -= n
	}
}

// settle makes the oldest n of those final that may be taken back, and forgets the oldest final ones beyond the bounds.
func (o *outcomes) settle(n int) {
	o.fresh = max(o.fresh-n, 0)
	gone, final := 0, len(o.order)-o.fresh
	for gone < final && (final-gone > maxOutcomes || o.bytes > maxOutcomeBytes) {
		k := o.order[gone]
		o.bytes -= cost(k, o.of[k])
		delete(o.of, k)
		gone++
	}
	if gone > 0 {
		clear(o.order[:gone])
		o.order = o.order[gone:]
	}
}

func cost(key string, out Outcome) int { return 64 + 2*len(key) + out.Weight() }

// weigh is about how many bytes a value takes in memory.
func weigh(v any) int {
	n := 16
	switch v := v.(type) {
	case string:
		n += len(v)
	case []any:
		for _, e := range v {
			n += weigh(e)
		}
	case map[string]any:
		for k, e := range v {
			n += 32 + len(k) + weigh(e)
		}
	}
	return n
}
