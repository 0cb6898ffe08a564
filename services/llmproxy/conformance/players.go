package conformance

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// repeated: what a call is answered depends on the call, not on when it comes or on what comes with it.
func (s *stage) repeated(t *testing.T) {
	const n = 300
	m := s.model(t, 0)
	whole := s.proxy.good(t, request(t, m, n))
	require.Equal(t, whole.text, s.proxy.good(t, request(t, m, n)).text)
	require.Greater(t, len(distinct(whole.text)), 1, "players are not all alike")
	backwards := request(t, m, n)
	slices.Reverse(backwards.Calls)
	got := s.proxy.good(t, backwards).text
	slices.Reverse(got)
	require.Equal(t, whole.text, got)
	for from, to := 0, 1; from < n; from, to = to, min(n, to+to) {
		part := request(t, m, n)
		part.Calls = part.Calls[from:to]
		require.Equal(t, whole.text[from:to], s.proxy.good(t, part).text)
	}
}

func distinct(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// interviews: who is asked from outside says something.
func (s *stage) interviews(t *testing.T) {
	r := request(t, s.model(t, 0), 20)
	r.Purpose = llm.PurposeInterview
	for i := range r.Calls {
		r.Calls[i].Messages[0].Content = "Who are you?"
	}
	s.proxy.good(t, r)
}

// extraction: reading a value out of a text is no place for variety, whatever the model is told otherwise.
func (s *stage) extraction(t *testing.T) {
	m := s.model(t, 0)
	if s.Servers != nil {
		hot := 1.0
		m.Temperature = &hot
	}
	first, second := request(t, m, 100), request(t, m, 100)
	first.Purpose, second.Purpose = llm.PurposeExtract, llm.PurposeExtract
	require.Equal(t, s.proxy.good(t, first).text, s.proxy.good(t, second).text)
}

// restarts: a proxy keeps nothing that its successor would need.
func (s *stage) restarts(t *testing.T) {
	const n = 50
	m := s.model(t, 0)
	before := s.proxy.good(t, request(t, m, n)).text
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, s.proxy.svc.Stop(ctx))
	_, err := s.proxy.nc.Request(subjects.Chat("player"), encode(t, request(t, m, n)), patience)
	require.ErrorIs(t, err, nats.ErrNoResponders)
	s.proxy = startProxy(s.t, s.bus)
	require.Equal(t, before, s.proxy.good(t, request(t, m, n)).text)
}

// brokerRestarts: the connection comes back by itself, and so do answers.
func (s *stage) brokerRestarts(t *testing.T) {
	const n = 50
	m := s.model(t, 0)
	before := s.proxy.good(t, request(t, m, n)).text
	s.bus.Restart(t)
	require.Eventually(t, func() bool {
		_, err := s.proxy.nc.Request(subjects.Chat("player"), encode(t, request(t, m, 0)), time.Second)
		return err == nil
	}, patience, 10*time.Millisecond)
	require.Equal(t, before, s.proxy.good(t, request(t, m, n)).text)
}
