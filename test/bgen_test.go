package test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/objects"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// bgen is killed when it has just been asked for a population, and when it has begun to store it. Whoever asked notices, another
// one finds or draws the same population, and what the dead ones left does not stay.
func TestKilledBgen(t *testing.T) {
	t.Parallel()
	server := call{}.start(t, "up", "--services", "none", "--nats", "127.0.0.1:0")
	server.says(t, &server.out, "Ctrl-C stops")
	url := natsLine.FindStringSubmatch(server.out.String())[1]
	nc, err := bus.Connect(t.Context(), bus.ConnectConfig{URL: url, Name: t.Name()}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	serve := func() *process {
		p := call{env: []string{"MYRIAD_NATS_URL=" + url}}.start(t, "bgen")
		require.Eventually(t, func() bool {
			_, err := nc.Request("$SRV.PING.bgen", nil, 100*time.Millisecond)
			return err == nil
		}, patience, often)
		return p
	}
	kill := func(p *process) {
		require.NoError(t, p.cmd.Process.Kill())
		<-p.done
	}
	spec := population.Spec{Size: 2_000_000, Seed: 7}
	for i := range 3 {
		spec.Distributions = append(spec.Distributions, population.Dist{
			Name: fmt.Sprint("d", i), Categories: []string{"x", "y"}, Proportions: []float64{0.25, 0.75},
		})
	}
	asked := make(chan remote.Reply, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ask := func() { // as a coordinator does
		for ctx.Err() == nil {
			if r, err := remote.Request(ctx, nc, spec, nil); err == nil {
				asked <- r
				return
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
	parts := func() int {
		s, err := js.Stream(ctx, "OBJ_"+subjects.StorePersonas)
		require.NoError(t, err)
		info, err := s.Info(ctx, jetstream.WithSubjectFilter("$O."+subjects.StorePersonas+".C.>"))
		require.NoError(t, err)
		return len(info.State.Subjects)
	}

	first := serve()
	taken, err := nc.SubscribeSync(subjects.Service(subjects.ServiceBgen, remote.Endpoint))
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	go ask()
	_, err = taken.NextMsg(patience)
	require.NoError(t, err)
	kill(first)
	second := serve()
	require.Eventually(t, func() bool { return parts() > 0 }, patience, time.Millisecond)
	kill(second)
	third := serve()
	var reply remote.Reply
	select {
	case reply = <-asked:
	case <-ctx.Done():
		require.FailNow(t, "nobody drew the population")
	}
	want, err := population.Draw(ctx, spec, nil)
	require.NoError(t, err)
	got, err := remote.Load(ctx, js, reply.Hash)
	require.NoError(t, err)
	require.Equal(t, want.Encode(), got.Encode())
	_, err = objects.Sweep(ctx, js, subjects.StorePersonas, 0)
	require.NoError(t, err)
	require.Equal(t, 1, parts())
	_, err = remote.Load(ctx, js, reply.Hash)
	require.NoError(t, err)
	require.Zero(t, third.stop(t))
}
