package test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/pkg/environment"
)

const worldly = `
version: 1
name: worldly
rounds: 6
population: {size: 60}
models: {player: {provider: dummy, latency: 150ms}}
agents: {players: {model: player}}
turn:
  - id: guess
    ask: Which number?
    answer: {type: number, min: 0, max: 100}
update: {world: {mean: mean(answers.guess)}}
`

// The environment service is killed, again and again, while a run needs it for its rounds and programs call an environment: the
// run ends as it does undisturbed, and each call is done once. With two services nobody notices for long; with one its calls wait
// until it is back.
func TestKilledEnvironments(t *testing.T) {
	t.Parallel()
	s := call{}.up(t)
	undisturbed := s.finish(t, s.post(t, "", []byte(worldly))).Hash
	require.Zero(t, s.stop(t))
	for _, services := range []int{1, 2} {
		t.Run(fmt.Sprint(services), func(t *testing.T) {
			t.Parallel()
			killEnvironments(t, services, undisturbed)
		})
	}
}

// finish waits until a run is finished.
func (s *upStack) finish(t testing.TB, run string) (got runAnswer) {
	t.Helper()
	require.Eventually(t, func() bool {
		got = s.state(t, run)
		return got.State == "finished"
	}, patience, often)
	return got
}

func killEnvironments(t *testing.T, services int, want string) {
	const callers = 4
	s := &upStack{process: call{}.start(t, "up", "--services", "coordinator,agenthost,llmproxy,bgen", "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0")}
	s.says(t, &s.out, "Ctrl-C stops")
	s.http, s.nats = httpLine.FindStringSubmatch(s.out.String())[1], natsLine.FindStringSubmatch(s.out.String())[1]
	life := 0
	serve := func() *process {
		life++
		env := []string{"MYRIAD_NATS_URL=" + s.nats, fmt.Sprint("MYRIAD_ENVIRONMENT_ID=env-", life)}
		return call{env: env}.start(t, "environment")
	}
	var up []*process
	for range services {
		up = append(up, serve())
	}
	nc, err := bus.Connect(t.Context(), bus.ConnectConfig{URL: s.nats, Name: t.Name()}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	client := environment.NewClient(nc, "program")
	insist := func(do func(context.Context) error) {
		for t.Context().Err() == nil {
			try, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			err := do(try)
			cancel()
			if err == nil {
				return
			}
		}
	}
	insist(func(ctx context.Context) error { return client.Env("w").Create(ctx, "state", nil) })

	var done atomic.Int64
	var over atomic.Bool
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := 0; !over.Load(); i++ {
				id := fmt.Sprintf("%d-%d", c, i)
				insist(func(ctx context.Context) error {
					_, err := client.Env("w").Once(id).Incr(ctx, "n", 1)
					return err
				})
				done.Add(1)
			}
		})
	}
	defer all.Wait()
	defer over.Store(true)
	run := s.post(t, "", []byte(worldly))
	for kill := range 4 {
		before := done.Load()
		require.Eventually(t, func() bool { return s.state(t, run).Round > kill && done.Load() > before+20 }, patience, often)
		victim := up[0]
		require.NoError(t, victim.cmd.Process.Kill())
		<-victim.done
		up = append(up[1:], serve())
	}
	got := s.finish(t, run)
	require.Equal(t, want, got.Hash)
	require.Len(t, got.Summary.Rounds, 6)
	before := done.Load() // whoever serves now does its work
	require.Eventually(t, func() bool { return done.Load() > before+20 }, patience, often)
	over.Store(true)
	all.Wait()
	var n int64
	insist(func(ctx context.Context) error {
		_, err := client.Env("w").Get(ctx, "n", &n)
		return err
	})
	require.Equal(t, done.Load(), n, "each call once")
}
