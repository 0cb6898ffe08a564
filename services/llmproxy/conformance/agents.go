package conformance

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

var programs atomic.Uint64

// Agent starts a program with a code agent that answers any number of calls at a time, each after a while, until the test
// ends. What it says of a call depends on its words alone.
func Agent(t *testing.T, nc *nats.Conn, latency time.Duration) scenario.Model {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	t.Cleanup(working.Wait)
	t.Cleanup(cancel)
	host := "program-" + strconv.FormatUint(programs.Add(1), 10)
	_, err := nc.Subscribe(subjects.CodeAll(host), func(m *nats.Msg) {
		working.Go(func() {
			r, err := wire.Read(m)
			select {
			case <-ctx.Done():
				return
			case <-time.After(latency):
			}
			sum := fnv.New64a()
			for _, in := range r.Msgs {
				fmt.Fprintf(sum, "%s %s;", in.Role, in.Content)
			}
			out := msg.Msg{Content: msg.Text(strconv.FormatUint(sum.Sum64()%10001, 10))}
			if err := wire.Answer(nc, m, r.Encoding, "alice", out, err); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
	})
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	return scenario.Model{Name: "player", Provider: "agent", Host: host, Agent: "alice", Timeout: int64(time.Hour)}
}
