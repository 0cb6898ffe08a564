package lifecycle_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/lifecycle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBoom = errors.New("boom")

// journal notes what happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) read() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.lines...)
}

// fake is a service that notes when it has started and when it has stopped.
type fake struct {
	name     string
	j        *journal
	startErr error
	stopErr  error
	stopping time.Duration // time Stop takes
	deaf     bool          // Stop does not listen to its context
}

func (f *fake) Start(context.Context) error {
	if f.startErr == nil {
		f.j.add("start " + f.name)
	}
	return f.startErr
}

func (f *fake) Stop(ctx context.Context) error {
	if f.deaf {
		ctx = context.Background()
	}
	if f.stopping > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.stopping):
		}
	}
	f.j.add("stop " + f.name)
	return f.stopErr
}

// failing is a fake that can report a failure.
type failing struct {
	fake
	failed chan error
}

func (f *failing) Failed() <-chan error { return f.failed }

func newGroup(t testing.TB) *lifecycle.Group {
	return lifecycle.NewGroup(slog.New(slog.NewTextHandler(t.Output(), nil)), 5*time.Second)
}

func TestStartsInOrderAndStopsInReverse(t *testing.T) {
	j, g := &journal{}, newGroup(t)
	// The middle one takes its time: what it depends on must wait for it.
	synctest.Test(t, func(t *testing.T) {
		for _, f := range []*fake{{name: "broker"}, {name: "host", stopping: time.Second}, {name: "clock"}} {
			f.j = j
			g.Add(f.name, f)
		}
		require.NoError(t, g.Start(t.Context()))
		require.NoError(t, g.Stop(t.Context()))
	})
	require.Equal(t, []string{
		"start broker", "start host", "start clock",
		"stop clock", "stop host", "stop broker",
	}, j.read())
}

func TestFailingStartStopsThoseBefore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(rt, "services")
		bad := rapid.IntRange(0, n-1).Draw(rt, "failing")
		j, g := &journal{}, newGroup(t)
		var want []string
		for i := range n {
			f := &fake{name: string(rune('a' + i)), j: j}
			if i == bad {
				f.startErr = errBoom
			}
			g.Add(f.name, f)
		}
		for i := range bad {
			want = append(want, "start "+string(rune('a'+i)))
		}
		for i := bad - 1; i >= 0; i-- {
			want = append(want, "stop "+string(rune('a'+i)))
		}
		err := g.Start(t.Context())
		require.ErrorIs(rt, err, lifecycle.ErrStart)
		require.ErrorIs(rt, err, errBoom)
		require.ErrorContains(rt, err, string(rune('a'+bad)))
		require.Equal(rt, want, j.read())
		require.NoError(rt, g.Stop(t.Context()), "there is nothing left to stop")
		require.Equal(rt, want, j.read())
	})
}

func TestStartWithEndedContextStartsNothing(t *testing.T) {
	j, g := &journal{}, newGroup(t)
	g.Add("a", &fake{name: "a", j: j})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := g.Start(ctx)
	require.ErrorIs(t, err, lifecycle.ErrStart)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, j.read())
}

func TestStartTwiceIsRefusedAndRestartWorks(t *testing.T) {
	j, g := &journal{}, newGroup(t)
	g.Add("a", &fake{name: "a", j: j})
	require.NoError(t, g.Start(t.Context()))
	require.ErrorIs(t, g.Start(t.Context()), lifecycle.ErrState)
	require.NoError(t, g.Stop(t.Context()))
	require.NoError(t, g.Start(t.Context()))
	require.NoError(t, g.Stop(t.Context()))
	require.Equal(t, []string{"start a", "stop a", "start a", "stop a"}, j.read())
}

func TestStopCollectsEveryError(t *testing.T) {
	j, g := &journal{}, newGroup(t)
	other := errors.New("other")
	g.Add("a", &fake{name: "a", j: j, stopErr: errBoom})
	g.Add("b", &fake{name: "b", j: j})
	g.Add("c", &fake{name: "c", j: j, stopErr: other})
	require.NoError(t, g.Start(t.Context()))
	err := g.Stop(t.Context())
	require.ErrorIs(t, err, lifecycle.ErrStop)
	require.ErrorIs(t, err, errBoom)
	require.ErrorIs(t, err, other)
	require.Equal(t, []string{"start a", "start b", "start c", "stop c", "stop b", "stop a"}, j.read())
}

func TestStopIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, g := &journal{}, newGroup(t)
		g.Add("broker", &fake{name: "broker", j: j})
		g.Add("stuck", &fake{name: "stuck", j: j, stopping: time.Hour, deaf: true})
		g.Add("clock", &fake{name: "clock", j: j})
		require.NoError(t, g.Start(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begun := time.Now()
		err := g.Stop(ctx)
		require.Equal(t, 2*time.Second, time.Since(begun))
		require.ErrorIs(t, err, lifecycle.ErrStopTimeout)
		require.ErrorContains(t, err, "stuck")
		synctest.Wait()
		require.Contains(t, j.read(), "stop broker", "the rest is still told to stop")
		<-time.After(time.Hour) // bubble time: lets the stuck one end
	})
}
