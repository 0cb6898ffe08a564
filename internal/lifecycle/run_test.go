package lifecycle_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/lifecycle"
)

func TestRunStopsWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, g := &journal{}, newGroup(t)
		g.Add("a", &fake{name: "a", j: j, stopping: time.Second})
		g.Add("b", &failing{fake: fake{name: "b", j: j}, failed: make(chan error)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		synctest.Wait()
		require.Equal(t, []string{"start a", "start b"}, j.read())
		cancel()
		require.NoError(t, <-done, "an ended context is no failure, and stopping gets time of its own")
		require.Equal(t, []string{"start a", "start b", "stop b", "stop a"}, j.read())
	})
}

func TestRunStopsOnTheFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, g := &journal{}, newGroup(t)
		b := &failing{fake: fake{name: "b", j: j}, failed: make(chan error, 1)}
		g.Add("a", &fake{name: "a", j: j, stopErr: errors.New("untidy")})
		g.Add("b", b)
		g.Add("c", &failing{fake: fake{name: "c", j: j}, failed: make(chan error)})
		done := make(chan error, 1)
		go func() { done <- g.Run(t.Context()) }()
		synctest.Wait()
		b.failed <- errBoom
		err := <-done
		require.ErrorIs(t, err, lifecycle.ErrFailed)
		require.ErrorIs(t, err, errBoom)
		require.ErrorContains(t, err, "b: boom")
		require.ErrorIs(t, err, lifecycle.ErrStop, "what went wrong while stopping is told as well")
		require.Equal(t, []string{"start a", "start b", "start c", "stop c", "stop b", "stop a"}, j.read())
	})
}

func TestRunTakesAClosedChannelAsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, g := &journal{}, newGroup(t)
		b := &failing{fake: fake{name: "b", j: j}, failed: make(chan error)}
		close(b.failed)
		g.Add("b", b)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		synctest.Wait()
		require.Equal(t, []string{"start b"}, j.read(), "it still runs")
		cancel()
		require.NoError(t, <-done)
	})
}

func TestRunReportsAFailedStart(t *testing.T) {
	j, g := &journal{}, newGroup(t)
	g.Add("a", &fake{name: "a", j: j})
	g.Add("b", &fake{name: "b", j: j, startErr: errBoom})
	err := g.Run(t.Context())
	require.ErrorIs(t, err, lifecycle.ErrStart)
	require.ErrorIs(t, err, errBoom)
	require.Equal(t, []string{"start a", "stop a"}, j.read())
}

func TestRunBoundsStoppingByTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, g := &journal{}, newGroup(t)
		g.Add("a", &fake{name: "a", j: j, stopping: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		require.Error(t, g.Run(ctx))
		require.Equal(t, 6*time.Second, time.Since(begun), "one second of work and the grace")
	})
}

// TestGroupsNest holds that a group is a service like any other.
func TestGroupsNest(t *testing.T) {
	j, outer, inner := &journal{}, newGroup(t), newGroup(t)
	inner.Add("b", &fake{name: "b", j: j})
	inner.Add("c", &fake{name: "c", j: j})
	outer.Add("a", &fake{name: "a", j: j})
	outer.Add("inner", inner)
	require.NoError(t, outer.Start(t.Context()))
	require.NoError(t, outer.Stop(t.Context()))
	require.Equal(t, []string{"start a", "start b", "start c", "stop c", "stop b", "stop a"}, j.read())
}
