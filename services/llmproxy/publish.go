package llmproxy

import (
	"context"
	"sync"
	"time"

	"github.com/myriad-sim/myriad/internal/llm"
)

// keepAliveEvery is part of the contract with requesters: five of these without a sign count as a dead proxy.
const keepAliveEvery = 500 * time.Millisecond

// keepAlive gives every open request a sign of life half a second after the last thing its requester heard of it. A request
// that is younger, or sends results, costs nothing here.
func (s *Service) keepAlive(ctx context.Context) {
	timer := time.NewTimer(keepAliveEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		due, wait := s.roll.silent(keepAliveEvery)
		for _, x := range due {
			x.keepAlive()
		}
		timer.Reset(wait) // what comes in meanwhile is not due before that
	}
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// send publishes a result.
func (s *Service) send(reply string, r *llm.Result) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	data, err := llm.AppendResult((*buf)[:0], r)
	*buf = data
	s.publish(reply, data, err, len(r.Index))
}

// publish sends an encoded result; the client copies it. A failure, also that of the encoding, is logged and no more: the
// requester notices the silence and asks again.
func (s *Service) publish(reply string, data []byte, err error, calls int) {
	if err == nil {
		err = s.nc.Publish(reply, data)
	}
	if err != nil {
		s.log.Error("model result not sent", "error", err, "calls", calls)
	}
}

// mostText is the longest completion that fits in a message beside everything else in it.
func (s *Service) mostText() int {
	return min(llm.MaxBytes, int(s.nc.MaxPayload())) - 8<<10
}
