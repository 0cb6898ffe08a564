package conformance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// partial: who asked for much has the first results long before the last.
func (s *stage) partial(t *testing.T) {
	servers := s.Servers(t, Options{Style: "reasoned", Tokens: 60, PerToken: 4 * time.Millisecond, MaxSeqs: 64})
	g := s.proxy.good(t, request(t, servers.Model(1), 400))
	require.GreaterOrEqual(t, len(g.messages), 3)
	last := g.messages[len(g.messages)-1]
	require.Less(t, g.messages[0], last*6/10, "the first of %d messages came after %v, the last after %v", len(g.messages), g.messages[0], last)
}

// fair: a run with little to ask does not wait until one with much is through.
func (s *stage) fair(t *testing.T) {
	m := s.Servers(t, Options{PerToken: 20 * time.Millisecond, MaxSeqs: 16}).Model(0)
	much, little := request(t, m, 1000), request(t, m, 40)
	much.Run, little.Run = "much", "little"
	first := s.proxy.post(t, encode(t, much))
	second := s.proxy.post(t, encode(t, little))
	gather(t, second, little.ID, len(little.Calls))
	had, _, err := first.Pending()
	require.NoError(t, err)
	began := time.Now()
	gather(t, first, much.ID, len(much.Calls))
	require.Greater(t, time.Since(began), 300*time.Millisecond, "the run with much had %d messages by then", had)
}
