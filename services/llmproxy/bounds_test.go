package llmproxy

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
)

// gated is a model server that answers nothing until the gate is closed.
func gated(t *testing.T) (*fakeServer, chan struct{}) {
	t.Helper()
	gate := make(chan struct{})
	return fake(t, func(r chatRequest, _ int) answer {
		return func(w http.ResponseWriter, req *http.Request) {
			select {
			case <-gate:
			case <-req.Context().Done():
			}
			write(w, body("re: "+r.last()[:7], "stop"))
		}
	}), gate
}

// insist sends requests, and what was refused as busy again, as a host does, until every call has its answer. It returns
// how often a request was refused, and fails on a call that is answered twice.
func (s *stack) insist(t *testing.T, requests []*llm.Request) (refused int) {
	t.Helper()
	sub, err := s.nc.SubscribeSync(nats.NewInbox())
	require.NoError(t, err)
	defer func() { require.NoError(t, sub.Unsubscribe()) }()
	answered := make([]map[uint32]bool, len(requests))
	send := func(i int) {
		requests[i].ID = uint64(i)
		payload, err := llm.EncodeRequest(requests[i])
		require.NoError(t, err)
		require.NoError(t, s.nc.PublishRequest("myriad.llm.player.chat", sub.Subject, payload))
	}
	for i := range requests {
		answered[i] = map[uint32]bool{}
		send(i)
	}
	for left := len(requests); left > 0; {
		r := next(t, sub)
		for _, at := range r.Index {
			require.False(t, answered[r.ID][at], "call %d of request %d was answered twice", at, r.ID)
			answered[r.ID][at] = true
		}
		switch {
		case r.Refused == llm.RefusedBusy:
			require.Empty(t, answered[r.ID], "it was refused at the door")
			refused++
			send(int(r.ID))
		case r.Done:
			require.Empty(t, r.Refused)
			require.Len(t, answered[r.ID], len(requests[r.ID].Calls))
			left--
		}
	}
	return refused
}

// requests are n requests of some calls each, whose prompts take about a number of bytes.
func requests(t *testing.T, n, calls, bytes int, to func() *llm.Request) []*llm.Request {
	t.Helper()
	list := make([]*llm.Request, n)
	for i := range list {
		list[i] = to()
		require.Len(t, list[i].Calls, calls)
		for c := range list[i].Calls {
			list[i].Calls[c].Messages[0].Content += strings.Repeat(" and on", bytes/7)
		}
	}
	return list
}

func TestHeldBytesAreBounded(t *testing.T) {
	f, gate := gated(t)
	cfg := fast(t)
	cfg.MaxBytes = 100 << 10
	s := start(t, cfg)
	list := requests(t, 30, 2, 10<<10, func() *llm.Request { return request(t, f.model(), nil, 2) })
	open := time.AfterFunc(300*time.Millisecond, func() { close(gate) })
	defer open.Stop()
	require.Positive(t, s.insist(t, list), "600 KB did not fit in 100")
	require.Len(t, f.requests(), 60, "every call was made once")
	require.LessOrEqual(t, f.most, 8, "four requests of 20 KB fit")
	require.Zero(t, accepted(s.svc))
	require.Zero(t, s.svc.roll.bytes)
}

func TestALargeRequestGetsInAlone(t *testing.T) {
	cfg := fast(t)
	cfg.MaxBytes, cfg.MaxCalls = 1, 1
	s := start(t, cfg)
	require.Empty(t, s.ask(t, request(t, dummyModel, numberFacts(0, 1), 50)).refused)
}

// While all workers are stuck, every request is still taken or refused; none waits in the subscription, where the
// client would drop it.
func TestRequestsAreTakenOrRefusedWhateverTheWorkersDo(t *testing.T) {
	cfg := fast(t)
	cfg.MaxBytes = 1 << 20
	s := start(t, cfg)
	gate := make(chan struct{})
	for range max(2, runtime.GOMAXPROCS(0)) {
		s.svc.queue.push(func() { <-gate })
	}
	open := make(chan struct{})
	go func() {
		defer close(open)
		defer close(gate)
		for ready := false; !ready; {
			select {
			case <-t.Context().Done():
				return
			case <-time.After(time.Millisecond):
			}
			waiting, _, err := s.svc.sub.Pending()
			delivered, failed := s.svc.sub.Delivered()
			ready = err == nil && failed == nil && waiting == 0 && delivered >= 300
		}
		s.svc.roll.mu.Lock()
		defer s.svc.roll.mu.Unlock()
		if s.svc.roll.bytes > cfg.MaxBytes || s.svc.roll.list.Len() < 5 {
			t.Errorf("%d requests with %d bytes are held", s.svc.roll.list.Len(), s.svc.roll.bytes)
		}
	}()
	list := requests(t, 300, 10, 10<<10, func() *llm.Request { return request(t, dummyModel, numberFacts(0, 1), 10) })
	require.GreaterOrEqual(t, s.insist(t, list), 280, "30 MB did not fit in one")
	<-open
	dropped, err := s.svc.sub.Dropped()
	require.NoError(t, err)
	require.Zero(t, dropped)
	messages, bytes, err := s.svc.sub.PendingLimits()
	require.NoError(t, err)
	require.Negative(t, messages)
	require.Negative(t, bytes)
}

// One slow model does not take the places of others.
func TestCallsOfAModelAreBounded(t *testing.T) {
	f, gate := gated(t)
	other := fake(t, func(chatRequest, int) answer { return say("quick") })
	cfg := fast(t)
	cfg.ModelCalls = 10
	s := start(t, cfg)
	payload, err := llm.EncodeRequest(request(t, f.model(), nil, 8))
	require.NoError(t, err)
	slow := s.send(t, payload)
	until(t, func() bool { return len(f.requests()) == 8 }, "asked")
	require.Equal(t, llm.RefusedBusy, s.ask(t, request(t, f.model(), nil, 3)).refused)
	require.EqualValues(t, 8, accepted(s.svc), "what was refused holds nothing")
	require.Empty(t, s.ask(t, request(t, other.model(), nil, 10)).refused)
	require.Empty(t, s.ask(t, request(t, dummyModel, numberFacts(0, 1), 500)).refused, "players are not servers")
	open := time.AfterFunc(100*time.Millisecond, func() { close(gate) })
	defer open.Stop()
	more := requests(t, 20, 3, 7, func() *llm.Request { return request(t, f.model(), nil, 3) })
	require.Positive(t, s.insist(t, more))
	for got := 0; got < 8; {
		got += len(next(t, slow).Index)
	}
	require.Empty(t, s.ask(t, request(t, f.model(), nil, 11)).refused, "one request always gets in")
	require.Len(t, f.requests(), 8+60+11)
}

// A dummy call that waits holds its numbers, not its prompt.
func TestACallThatWaitsHoldsLittle(t *testing.T) {
	s := start(t, fast(t))
	m := dummyModel
	m.Latency = int64(time.Hour)
	const n = 100
	payload, err := llm.EncodeRequest(requests(t, 1, llm.MaxCalls, 500, func() *llm.Request { return request(t, m, numberFacts(0, 1), llm.MaxCalls) })[0])
	require.NoError(t, err)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for range n {
		require.NoError(t, s.nc.PublishRequest("myriad.llm.player.chat", "nobody.listens", payload))
	}
	held := func() int64 {
		s.svc.roll.mu.Lock()
		defer s.svc.roll.mu.Unlock()
		return s.svc.roll.bytes
	}
	until(t, func() bool { return accepted(s.svc) == n*llm.MaxCalls && held() < 20*n*llm.MaxCalls }, "all wait")
	until(t, func() bool { return heap() < before+40*n*llm.MaxCalls }, "40 bytes a call at most")
}

// Every request that reached the proxy before it stopped is told so.
func TestStopForgetsNobody(t *testing.T) {
	s := start(t, fast(t))
	const n = 300
	slow, quick := dummyModel, dummyModel
	slow.Latency = int64(time.Hour)
	sub, err := s.nc.SubscribeSync(nats.NewInbox())
	require.NoError(t, err)
	for i := range n {
		m := slow
		if i%2 == 0 {
			m = quick
		}
		req := request(t, m, numberFacts(0, 1), 100)
		req.ID = uint64(i)
		payload, err := llm.EncodeRequest(req)
		require.NoError(t, err)
		require.NoError(t, s.nc.PublishRequest("myriad.llm.player.chat", sub.Subject, payload))
	}
	require.NoError(t, s.nc.Flush())
	require.NoError(t, s.svc.Stop(t.Context()))
	told := map[uint64]bool{}
	for len(told) < n {
		if r := next(t, sub); r.Done {
			require.False(t, told[r.ID])
			told[r.ID] = true
			require.True(t, len(r.Index) == 100 || r.Refused == llm.RefusedBusy)
		}
	}
	require.Zero(t, accepted(s.svc))
}
