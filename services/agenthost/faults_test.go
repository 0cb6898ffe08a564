package agenthost

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestIncidentsBecomeOne(t *testing.T) {
	i := incidents{wakeup: make(chan struct{}, 1)}
	_, ok := i.take()
	require.False(t, ok)
	begun := time.Now()
	i.add(2*time.Second, 3)
	i.add(time.Second, 4)
	require.Len(t, i.wakeup, 1)
	f, ok := i.take()
	require.True(t, ok)
	require.Equal(t, "fell silent; calls that it had went out again: 7", f.What)
	require.Equal(t, "llmproxy", f.Who)
	require.WithinDuration(t, begun.Add(-2*time.Second), f.At, time.Second)
	require.WithinDuration(t, begun, f.Until, time.Second)
	_, ok = i.take()
	require.False(t, ok, "it is told once")
	i.add(time.Second, 1)
	f, ok = i.take()
	require.True(t, ok)
	require.Contains(t, f.What, "again: 1")
}

// clerk plays the coordinators that hear of faults.
type clerk struct {
	mu      sync.Mutex
	heard   []control.Fault
	problem *control.Problem // the answer; nil: taken
}

func (c *clerk) hear(m *nats.Msg) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var f control.Fault
	_ = json.Unmarshal(m.Data, &f) // what is not one shows in the list
	c.heard = append(c.heard, f)
	answer := nats.NewMsg(m.Reply)
	if c.problem != nil {
		answer.Header.Set(micro.ErrorHeader, c.problem.Detail)
		answer.Data, _ = json.Marshal(c.problem)
	}
	_ = m.RespondMsg(answer)
}

func (c *clerk) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.heard)
}

// An incident is told until a coordinator takes it, and then no more. One that is refused would be refused again.
func TestFaultsAreToldUntilTheyAreTaken(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	nc := srv.InProcess(t)
	h, err := New(srv.InProcess(t), natstest.Logger(t), quick())
	require.NoError(t, err)
	r := newRun(h, "r1")
	ctx, cancel := context.WithCancel(t.Context())
	var telling sync.WaitGroup
	telling.Go(func() { r.tellFaults(ctx) })
	defer telling.Wait()
	defer cancel()

	r.faults.add(time.Second, 5) // and there is no coordinator
	require.Eventually(t, func() bool {
		r.faults.mu.Lock()
		defer r.faults.mu.Unlock()
		return r.faults.from.IsZero() && len(r.faults.wakeup) == 0
	}, waitFor, pollEvery)
	c := &clerk{}
	sub, err := nc.Subscribe(subjects.Service(subjects.ServiceCoordinator, control.Faults), c.hear)
	require.NoError(t, err)
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	require.NoError(t, nc.Flush())
	require.Eventually(t, func() bool { return c.count() == 1 }, waitFor, pollEvery)
	require.Equal(t, []string{"r1", h.beat.ID, "llmproxy"}, []string{c.heard[0].Run, c.heard[0].From, c.heard[0].Who})
	require.Contains(t, c.heard[0].What, "again: 5")

	c.mu.Lock()
	c.problem = &control.Problem{Code: "invalid", Detail: "no"}
	c.mu.Unlock()
	r.faults.add(time.Second, 6)
	require.Eventually(t, func() bool { return c.count() == 2 }, waitFor, pollEvery)
	require.Never(t, func() bool { return c.count() > 2 }, tellEvery+tellEvery/2, 50*time.Millisecond)
	require.Contains(t, c.heard[1].What, "again: 6", "the first was not told again either")
}
