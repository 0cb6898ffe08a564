package promise_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// three is three hosts on three connections.
func three(t testing.TB) (producers []*promise.Producer, holders []*promise.Holder) {
	s := natstest.Start(t)
	for i := range 3 {
		nc := s.Connect(t)
		producers = append(producers, producer(t, nc, fmt.Sprint("i", i), generous))
		holders = append(holders, holder(t, nc))
	}
	return producers, holders
}

func TestTenThousandInAChainThroughThreeHosts(t *testing.T) {
	t.Parallel()
	const n = 10_000
	producers, holders := three(t)
	first, start := begin(t, producers[0])
	last := first
	var work sync.WaitGroup
	for i := range n {
		before := last
		var task *promise.Task
		last, task = begin(t, producers[i%3])
		work.Go(func() {
			m, err := holders[i%3].Resolve(t.Context(), before)
			var count int
			if err == nil {
				err = m.Content.Decode(&count)
			}
			next, cerr := msg.Data(count + 1)
			require.NoError(t, cerr)
			task.Finish(msg.Msg{Content: next}, err)
		})
	}
	zero, err := msg.Data(0)
	require.NoError(t, err)
	start.Finish(msg.Msg{Content: zero}, nil)
	out, err := holders[0].Resolve(t.Context(), last)
	requireText(t, fmt.Sprint(n))(result{out, err})
	work.Wait()
}

func TestAThousandPromisesOfPromises(t *testing.T) {
	t.Parallel()
	producers, holders := three(t)
	last, task := begin(t, producers[0])
	task.Finish(text("end"), nil)
	for i := range 1000 {
		before := last
		last, task = begin(t, producers[i%3])
		task.Finish(before, nil)
	}
	out, err := holders[0].Resolve(t.Context(), last)
	requireText(t, "end")(result{out, err})
}
