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
	answer func(dst []byte, call *llm.Call) ([]byte, error)
}

// None of these costs a token or a retry; the columns of zeros are shared and only read.
var (
	noTokens  [llm.ChunkCalls]uint32
	noRetries [llm.ChunkCalls]uint8
)

// page is the space to build a result in.
type page struct {
	text  []byte
	ends  []int
	index []uint32
	texts []string
}

var pages = sync.Pool{New: func() any { return new(page) }}

// play answers all calls before it returns.
func (l local) play(ctx context.Context, x *exchange) {
	p := pages.Get().(*page)
	defer pages.Put(p)
	x.mu.Lock()
	defer x.mu.Unlock()
	for next := 0; next < len(x.req.Calls) && ctx.Err() == nil; {
		next = l.chunk(x, p, next)
	}
}

// chunk publishes the answers of some calls from the given one on, and returns the first call it left out.
func (l local) chunk(x *exchange, p *page, from int) int {
	p.text, p.ends, p.index, p.texts = p.text[:0], p.ends[:0], p.index[:0], p.texts[:0]
	var errs []string
	at := from
	for at < len(x.req.Calls) && at-from < llm.ChunkCalls && len(p.text) < llm.ChunkBytes {
		text, err := l.answer(p.text, &x.req.Calls[at])
		if err != nil {
			if errs == nil {
				errs = make([]string, len(p.index), llm.ChunkCalls)
			}
			errs = append(errs, err.Error())
			text = p.text
		} else if errs != nil {
			errs = append(errs, "")
		}
		p.text = text
		p.ends = append(p.ends, len(text))
		p.index = append(p.index, uint32(at))
		at++
	}
	all, start := string(p.text), 0
	for _, end := range p.ends {
		p.texts = append(p.texts, all[start:end])
		start = end
	}
	n := at - from
	x.publish(&llm.Result{
		ID: x.req.ID, Index: p.index, Text: p.texts, Error: errs,
		TokensIn: noTokens[:n], TokensOut: noTokens[:n], Retries: noRetries[:n],
	})
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
	if n/scale > hi {
		n = math.Floor(v * scale)
	}
	if n/scale < lo {
		n = math.Ceil(v * scale)
	}
	if n/scale > hi || n/scale < lo {
		return strconv.AppendFloat(dst, v, 'f', -1, 64) // a range narrower than a millionth
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
	digits := [7]byte{'.', '0', '0', '0', '0', '0', '0'}
	last := 0
	for i := 6; i > 0; i-- {
		if digits[i] += byte(part % 10); digits[i] != '0' && last == 0 {
			last = i
		}
		part /= 10
	}
	return append(dst, digits[:last+1]...)
}
