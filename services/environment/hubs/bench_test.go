package hubs_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
)

// BenchmarkBroadcast is broadcasts that are on disk, from a number of callers at once.
func BenchmarkBroadcast(b *testing.B) {
	for _, callers := range []int{1, 4, 16, 64, 256} {
		for _, servers := range []int{1, 2} {
			b.Run(fmt.Sprintf("callers=%d/servers=%d", callers, servers), func(b *testing.B) {
				srv := natstest.Start(b)
				for range servers {
					serve(b, srv)
				}
				h, all := open(b, client{srv.Connect(b), "r"}, "h", 1)
				h = h.As(all[0])
				var left atomic.Int64
				left.Store(int64(b.N))
				b.ReportAllocs()
				b.ResetTimer()
				var speaking sync.WaitGroup
				for range callers {
					speaking.Go(func() {
						for left.Add(-1) >= 0 {
							if _, err := h.Broadcast(b.Context(), text("hello")); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				speaking.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "said/s")
				b.StopTimer()
				require.NoError(b, h.Close(b.Context()))
			})
		}
	}
}
