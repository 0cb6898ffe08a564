package llmproxy

import (
	"context"
	"math"
	"strconv"
	"sync"

	"github.com/myriad-sim/myriad/internal/llm"
)

// local is a player whose answers are computed here and at once.
type local struct {
	// answer appends the completion of a call to dst. An error is the call's error, for good.
	answer func(dst []byte, a llm.Ask, body llm.Body) ([]byte, error)
	// body says that answer reads the body; else it gets an empty one.
	body bool
}

func (l local) reads() bool { return l.body }

// page is the space to build a result in.
type page struct {
	answers llm.Answers
	payload []byte
}

var pages = sync.Pool{New: func() any { return new(page) }}

// play answers all calls before it returns.
func (l local) play(ctx context.Context, x *exchange) {
	p := pages.Get().(*page)
	defer pages.Put(p)
	x.mu.Lock()
	defer x.mu.Unlock()
	for next := 0; next < len(x.asks) && ctx.Err() == nil; {
		next = l.chunk(x, p, next)
	}
}

// chunk publishes the answers of some calls from the given one on, and returns the first call it left out.
func (l local) chunk(x *exchange, p *page, from int) int {
	p.answers.Reset()
	at := from
	for at < len(x.asks) && at-from < llm.ChunkCalls && p.answers.Size() < llm.ChunkBytes {
		text, err := l.answer(p.answers.Begin(), x.asks[at], x.body)
		if err == nil {
			p.answers.End(text)
		} else {
			p.answers.Fail(err.Error())
		}
		at++
	}
	data, err := p.answers.Append(p.payload[:0], x.id, from, at-from == x.left)
	p.payload = data
	x.settle(at-from, p.answers.Failed(), 0, 0)
	x.svc.publish(x.reply, data, err, at-from)
	return at
}

// appendNumber writes v as people do, with at most six decimals, and never outside [lo, hi]: an answer on a bound such
// as 2/3 must not be rounded across it. A NaN bound is none.
func appendNumber(dst []byte, v, lo, hi float64) []byte {
	const scale = 1e6
	if math.Abs(v) >= 1<<52/scale {
		return strconv.AppendFloat(dst, v, 'f', -1, 64)
	}
	n := math.Round(v * scale)
	if got := n / scale; got > hi || got < lo {
		if got > hi {
			n = math.Floor(v * scale)
		}
		if n/scale < lo {
			n = math.Ceil(v * scale)
		}
		if n/scale > hi || n/scale < lo {
			return strconv.AppendFloat(dst, v, 'f', -1, 64) // a range narrower than a millionth
		}
	}
	if n < 0 {
		dst = append(dst, '-')
		n = -n
	}
	whole, part := uint64(n)/scale, uint64(n)%scale
	dst = strconv.AppendUint(dst, whole, 10)
	if part == 0 {
		return dst
	}
	digits := [7]byte{'.'}
	for i := 5; i > 0; i -= 2 {
		two := byte(part % 100)
		part /= 100
		digits[i], digits[i+1] = '0'+two/10, '0'+two%10
	}
	last := 6
	for digits[last] == '0' {
		last--
	}
	return append(dst, digits[:last+1]...)
}
