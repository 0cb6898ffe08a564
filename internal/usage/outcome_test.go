package usage

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
)

// gated is a bucket whose writes wait until the test says what becomes of them.
type gated struct {
	jetstream.KeyValue
	arrived chan string // what is to be written
	then    chan bool   // whether the writer hears of it
}

func (g *gated) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	g.arrived <- string(value)
	heard := <-g.then
	n, err := g.KeyValue.Update(ctx, key, value, revision)
	if heard {
		return n, err
	}
	return 0, nats.ErrTimeout
}

func TestWhatIsBeingGivenBackIsNotGranted(t *testing.T) {
	for _, heard := range []bool{true, false} {
		g := &gated{bucket(t, natstest.Start(t)), make(chan string), make(chan bool)}
		b := NewBook(g, "w1", natstest.Logger(t))
		require.NoError(t, b.Start(t.Context()))
		pass := func() string {
			what := <-g.arrived
			g.then <- true
			return what
		}
		granted := make(chan *Hold)
		ask := func() {
			h, err := reserve(b, "r", "m", caps(1, 1000), tokens(100), patience)
			if err != nil {
				t.Error(err)
			}
			granted <- h
		}
		go ask()
		require.Contains(t, pass(), `"slices"`)
		(<-granted).Settle(used(10))
		for back := <-g.arrived; ; back = <-g.arrived { // use may be booked before the slice goes back
			e, err := decodeEntry([]byte(back))
			require.NoError(t, err)
			if len(e.Writers["w1"].Slices) == 0 {
				break
			}
			g.then <- true
		}
		h, err := b.Reserve("r", "m", caps(1, 1000), tokens(1), func() {})
		require.Nil(t, h)
		require.ErrorIs(t, err, ErrWait, "it is nobody's until the outcome is known")
		g.then <- heard
		go ask()
		ended := make(chan struct{})
		go func() { // from here on all pass
			for {
				select {
				case <-g.arrived:
					g.then <- true
				case <-ended:
					return
				}
			}
		}()
		(<-granted).Settle(used(10))
		stop(t, b)
		close(ended)
		a := account(t, g, "r")
		require.Equal(t, Use{Calls: 2, TokensIn: 20}, a.Total())
		require.Empty(t, a.Slices)
	}
}

func TestUseIsBookedOnceWhateverTheBucketSays(t *testing.T) {
	kv := &flaky{KeyValue: bucket(t, natstest.Start(t))}
	kv.percent.Store(60)
	var want Use
	for i := range 40 {
		b := NewBook(kv, "w"+string(rune('A'+i)), quiet)
		require.NoError(t, b.Start(t.Context()))
		b.Add("r", "m", used(7))
		hold(t, b, "r", "n", caps(1, 1_000_000), tokens(9)).Settle(used(5))
		want = want.Plus(used(12)).Plus(Use{Calls: 1})
		stop(t, b)
	}
	kv.late.Wait()
	a := account(t, kv.KeyValue, "r")
	require.Equal(t, want, a.Total())
	require.Empty(t, a.Slices)
}
