package test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// waits waits until the stack says why a run does not move, and checks that it does not, that lists say so too, and that the
// stack is alive.
func (s *upStack) waits(t testing.TB, run, why string) {
	t.Helper()
	var now runAnswer
	require.Eventually(t, func() bool {
		last := now
		now = s.state(t, run)
		return strings.HasPrefix(now.Reason, why) && reflect.DeepEqual(now, last)
	}, patience, 2*time.Second) // longer than hosts wait before they try again
	require.Equal(t, "running", now.State)
	list := parsed[[]control.Info](t, s.get(t, "/v1/runs"))
	require.Len(t, list, 1)
	require.Equal(t, now.Reason, list[0].Reason)
	require.Equal(t, http.StatusOK, s.do(t, http.MethodGet, "/healthz", nil).status)
}

// endsAs waits for the end of a run, which must be as if nothing had happened.
func (s *upStack) endsAs(t testing.TB, run, hash string) {
	t.Helper()
	s.events(t, run)
	got := s.state(t, run)
	require.Equal(t, "finished", got.State, got.Reason)
	require.Equal(t, hash, got.Hash)
	require.Zero(t, got.Summary.Receipt.Lost)
	require.NotContains(t, got.Reason, control.Waits)
	require.Equal(t, hash, accounted(t, s.jetStream(t), run))
	require.Contains(t, call{dir: s.cmd.Dir}.run(t, "verify", run).ok(t), run+": intact")
}

// The log has reached the size it may have in the middle of a run. The run waits, and says why; it goes on by itself when the
// log may grow, to the same result.
func TestLogFullInARun(t *testing.T) {
	t.Parallel()
	want := calmHash(t)
	s := call{env: fewInFlight}.up(t)
	run := s.post(t, "", []byte(faultScenario))
	require.Eventually(t, func() bool { return s.state(t, run).Round == 2 }, patience, often)
	js := s.jetStream(t)
	stream, err := js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	cfg := stream.CachedInfo().Config
	room := cfg.MaxBytes
	cfg.MaxBytes = int64(stream.CachedInfo().State.Bytes) //nolint:gosec // a size
	_, err = js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
	s.says(t, &s.err, "THE RUN LOG IS FULL")
	s.waits(t, run, "waits: the run log is full")

	cfg.MaxBytes = room
	_, err = js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
	s.endsAs(t, run, want)
	require.Zero(t, s.stop(t))
}
