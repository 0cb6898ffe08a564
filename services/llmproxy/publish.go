package llmproxy

import (
	"context"
	"sync"
	"time"

	"github.com/myriad-sim/myriad/internal/llm"
)

// keepAliveEvery is part of the contract with requesters: three of these without a sign count as a dead proxy.
const keepAliveEvery = time.Second

func (s *Service) refuse(reply string, id uint64, why string) {
	s.send(reply, &llm.Result{ID: id, Done: true, Refused: why})
}

// keepAlive serves all open requests with one ticker.
func (s *Service) keepAlive(ctx context.Context) {
	tick := time.NewTicker(keepAliveEvery)
	defer tick.Stop()
	var list []*exchange
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		for x := range s.open {
			list = append(list, x)
		}
		s.mu.Unlock()
		for _, x := range list {
			x.keepAlive()
		}
		clear(list)
		list = list[:0]
	}
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// send publishes a result. A failure is logged and no more: the requester notices the silence and asks again.
func (s *Service) send(reply string, r *llm.Result) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	data, err := llm.AppendResult((*buf)[:0], r)
	if err == nil {
		*buf = data // the client copies what it publishes
		err = s.nc.Publish(reply, data)
	}
	if err != nil {
		s.log.Error("model result not sent", "error", err, "calls", len(r.Index))
	}
}

// mostText is the longest completion that fits in a message beside everything else in it.
func (s *Service) mostText() int {
	return min(llm.MaxBytes, int(s.nc.MaxPayload())) - 8<<10
}
