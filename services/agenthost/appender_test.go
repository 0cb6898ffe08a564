package agenthost

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A host that cannot get its records into the log tells the coordinator, which can say then why runs wait; once the log takes
// them they are there.
func TestAHostTellsThatNothingIsStored(t *testing.T) {
	s := newStage(t)
	told := s.troubles()
	h := s.host(quick())
	answer := make(chan struct{})
	s.proxy(func(a asked) {
		<-answer
		numbers(a)
	})
	s.create(guess(4, ""), 4, 4, h)
	resize := func(bytes int64) {
		cfg := s.stream.CachedInfo().Config
		cfg.MaxBytes = bytes
		_, err := s.js.UpdateStream(t.Context(), cfg)
		require.NoError(t, err)
	}
	s.open()
	limit := s.stream.CachedInfo().Config.MaxBytes
	resize(1)
	close(answer)
	tr := <-told
	require.Empty(t, tr.Run)
	require.Equal(t, "agent host", tr.From)
	require.Contains(t, tr.Reason, "maximum bytes exceeded")
	resize(limit)
	s.complete()
	require.Empty(t, s.damaged())
}
