package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
)

// signsOfLife: while calls wait, the requester hears of the proxy more often than it would take it for dead.
func (s *stage) signsOfLife(t *testing.T) {
	const latency = 2200 * time.Millisecond
	inbox := s.proxy.post(t, encode(t, request(t, s.model(t, latency), 3)))
	last, longest := time.Now(), time.Duration(0)
	signs := 0
	for {
		m, err := inbox.NextMsg(patience)
		require.NoError(t, err)
		r, err := llm.DecodeResult(m.Data)
		require.NoError(t, err)
		longest = max(longest, time.Since(last))
		last = time.Now()
		if len(r.Index) == 0 {
			signs++
		}
		if r.Done {
			break
		}
	}
	require.GreaterOrEqual(t, signs, 3, "one when it is taken, one each half second")
	require.Less(t, longest, 2*time.Second, "three seconds of silence count as death")
}

// stopMidway: calls under way are given back when a proxy stops.
func (s *stage) stopMidway(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, s.proxy.svc.Stop(ctx)) // it would take the request
	p := startProxy(t, s.bus)
	defer func() { s.proxy = startProxy(s.t, s.bus) }()
	quick, slow := s.model(t, 0), s.model(t, 10*time.Minute)
	p.good(t, request(t, quick, 20))
	r := request(t, slow, 200)
	inbox := p.post(t, encode(t, r))
	first, err := inbox.NextMsg(patience)
	require.NoError(t, err)
	taken, err := llm.DecodeResult(first.Data)
	require.NoError(t, err)
	require.Empty(t, taken.Index)
	require.False(t, taken.Done)
	require.NoError(t, p.svc.Stop(ctx))
	g := gather(t, inbox, r.ID, len(r.Calls))
	require.Equal(t, llm.RefusedBusy, g.refused)
	require.Zero(t, g.answered)
	_, err = inbox.NextMsg(20 * time.Millisecond)
	require.ErrorIs(t, err, nats.ErrTimeout, "nothing follows the last result")
}
