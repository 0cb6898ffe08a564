package agenthost

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// A run that is taken up again, by a host that has just started, is not gone on with if its stored population is damaged, is
// another's or is gone: the coordinator is told why, nobody is asked, and no answer gets into the log. Once it is mended a resume
// is enough.
func TestResumingWithADamagedPopulation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func(good []byte) []byte // nil: the object is taken away
		says   string
	}{
		"a bit":        {func(good []byte) []byte { good[len(good)-1] ^= 1; return good }, population.ErrDamaged.Error()},
		"cut off":      {func(good []byte) []byte { return good[:len(good)-3] }, population.ErrDamaged.Error()},
		"nothing":      {func([]byte) []byte { return nil }, population.ErrDamaged.Error()},
		"gone":         {nil, remote.ErrNotFound.Error()},
		"of a spec":    {func([]byte) []byte { return []byte("MYRP") }, population.ErrDamaged.Error()},
		"other people": {nil, remote.ErrMismatch.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			told := s.troubles()
			p := s.proxy(numbers)
			first := s.host(quick())
			s.create(guess(4, ""), 4, 2, first)
			s.open()
			s.complete()
			s.close(nil)
			s.pause()
			s.stop(first)

			store, err := s.js.ObjectStore(t.Context(), subjects.StorePersonas)
			require.NoError(t, err)
			hash := s.fold.Population
			good, err := store.GetBytes(t.Context(), hash)
			require.NoError(t, err)
			switch {
			case c.damage != nil:
				_, err = store.PutBytes(t.Context(), hash, c.damage(append([]byte(nil), good...)))
			case name == "gone":
				err = store.Delete(t.Context(), hash)
			default:
				spec := population.FromScenario(s.fold.Scenario)
				spec.Seed++
				other, drawErr := population.Draw(t.Context(), spec, nil)
				require.NoError(t, drawErr)
				_, err = store.PutBytes(t.Context(), hash, other.Encode())
			}
			require.NoError(t, err)

			asked := p.calls.Load()
			h := s.host(quick())
			s.lease(h, 0, s.fold.Shards())
			s.resume()
			s.open()
			var trouble runlog.Trouble
			select {
			case trouble = <-told:
			case <-time.After(waitFor):
				require.Fail(t, "the coordinator is not told")
			}
			require.Equal(t, "r1", trouble.Run)
			require.Contains(t, trouble.Reason, c.says)
			require.Contains(t, trouble.Reason, hash[:16])
			require.False(t, trouble.Fatal, "it may be mended")
			s.pause() // what the coordinator does then
			require.Equal(t, asked, p.calls.Load(), "nobody is asked")
			require.Equal(t, 4, s.fold.Left(), "nobody has answered")

			_, err = store.PutBytes(t.Context(), hash, good)
			require.NoError(t, err)
			s.resume()
			s.complete()
			s.answered(h)
		})
	}
}
