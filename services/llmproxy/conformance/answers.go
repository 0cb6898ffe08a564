package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// independent: agents that are asked the same are independent samples of the model.
func (s *stage) independent(t *testing.T) {
	r := request(t, s.Servers(t, Options{}).Model(1), 1000)
	for i := range r.Calls {
		r.Calls[i].Messages[0].Content = "Say a number from 0 to 1000000."
	}
	require.Greater(t, len(distinct(s.proxy.good(t, r).text)), 950)
}

// shared: equal greedy prompts are asked once where the scenario says so, and nowhere else.
func (s *stage) shared(t *testing.T) {
	const n = 400
	for _, share := range []bool{true, false} {
		servers := s.Servers(t, Options{})
		m := servers.Model(0)
		m.ShareIdentical = share
		r := request(t, m, n)
		r.Run = "share"
		for i := range r.Calls {
			r.Calls[i].Messages[0].Content = "Say a number from 0 to 100."
		}
		g := s.proxy.good(t, r)
		require.Len(t, distinct(g.text), 1)
		if !share {
			require.EqualValues(t, n, servers.stats().Asked)
			require.Equal(t, make([]uint64, n), g.shared)
			continue
		}
		require.EqualValues(t, 1, servers.stats().Asked)
		leader := -1
		for i, of := range g.shared {
			if of == 0 {
				require.Equal(t, -1, leader, "one call is asked")
				leader = i
			}
		}
		require.GreaterOrEqual(t, leader, 0)
		for i, of := range g.shared {
			if i != leader {
				require.Equal(t, r.Calls[leader].Agent+1, of)
				require.Zero(t, g.in[i]+g.out[i], "it cost nothing")
			}
		}
	}
}

// tokens: what calls have cost is what the servers counted, to the token.
func (s *stage) tokens(t *testing.T) {
	servers := s.Servers(t, Options{Style: "reasoned"})
	var in, out uint64
	for _, n := range []int{1, 7, 500} {
		g := s.proxy.good(t, request(t, servers.Model(1), n))
		for i := range n {
			in += uint64(g.in[i])
			out += uint64(g.out[i])
			require.Positive(t, g.in[i])
			require.Positive(t, g.out[i])
		}
	}
	stats := servers.stats()
	require.Equal(t, []uint64{stats.PromptTokens, stats.OutputTokens}, []uint64{in, out})
}
