package hosts_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	ttl       = 900 * time.Millisecond
	waitFor   = 20 * time.Second
	pollEvery = 5 * time.Millisecond
)

// watched is a broker with an observer.
type watched struct {
	*testing.T
	srv     *natstest.Server
	js      jetstream.JetStream
	kv      jetstream.KeyValue
	o       *hosts.Observer
	changes atomic.Int64
}

func watch(t *testing.T, o bus.Options) *watched {
	w := &watched{T: t, srv: natstest.Start(t, natstest.WithOptions(o))}
	w.js = w.srv.JetStream(t)
	var err error
	w.kv, err = w.js.KeyValue(t.Context(), subjects.BucketHosts)
	require.NoError(t, err)
	w.o, err = hosts.Observe(t.Context(), w.srv.InProcess(t), natstest.Logger(t), ttl, func() { w.changes.Add(1) })
	require.NoError(t, err)
	t.Cleanup(w.o.Close)
	return w
}

// beats puts beats until the test ends or end is called, and answers those who ask for one.
func (w *watched) beats(b hosts.Beat) (end func()) {
	w.Helper()
	require.NoError(w, hosts.Put(w.Context(), w.kv, b))
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		t := time.NewTicker(ttl / 6)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				ctx, cancel := context.WithTimeout(ctx, ttl/6)
				_ = hosts.Put(ctx, w.kv, b) // fails while the broker is away
				cancel()
			}
		}
	})
	end = sync.OnceFunc(func() {
		cancel()
		done.Wait()
	})
	w.Cleanup(end)
	return end
}

func (w *watched) living() (out []string) {
	for _, h := range w.o.View().Hosts {
		out = append(out, h.ID+" "+h.Incarnation)
	}
	return out
}

func (w *watched) becomes(want ...string) {
	w.Helper()
	require.Eventually(w, func() bool { return slices.Equal(w.living(), want) }, waitFor, pollEvery, "%v", want)
}

// staysFor checks that the same hosts live for a while.
func (w *watched) staysFor(d time.Duration, want ...string) {
	w.Helper()
	require.Never(w, func() bool { return !slices.Equal(w.living(), want) }, d, pollEvery)
}

func small() bus.Options { return bus.Options{MaxBytes: 16 << 20} }

// Silence is death, and takes the TTL; a goodbye and a new life are known at once.
func TestObserver(t *testing.T) {
	w := watch(t, small())
	at := time.Unix(1_000_000, 0)
	ends := w.beats(hosts.Beat{ID: "a", Incarnation: "a1", Started: at})
	w.beats(hosts.Beat{ID: "b", Incarnation: "b1", Started: at})
	w.becomes("a a1", "b b1")
	require.EqualValues(t, 2, w.changes.Load())
	w.staysFor(ttl, "a a1", "b b1")
	began := time.Now()
	ends()
	w.becomes("b b1")
	require.Greater(t, time.Since(began), ttl*4/6)
	require.Less(t, time.Since(began), 3*ttl)

	// A life that was started later supersedes one that still beats, though its clock is an hour off for all others.
	w.beats(hosts.Beat{ID: "b", Incarnation: "b2", Started: at.Add(time.Second)})
	w.becomes("b b2")
	require.False(t, w.o.View().Lives("b", "b1"))
	w.staysFor(ttl/2, "b b2")

	ends = w.beats(hosts.Beat{ID: "c", Incarnation: "c.1", Started: at})
	w.becomes("b b2", "c c.1")
	ends()
	began = time.Now()
	require.NoError(t, hosts.Remove(t.Context(), w.kv, "c.1"))
	w.becomes("b b2")
	require.Less(t, time.Since(began), ttl/2, "a goodbye needs no proof")

	_, err := w.kv.Put(t.Context(), "stranger", []byte("not a beat"))
	require.NoError(t, err)
	_, err = w.kv.Put(t.Context(), "impostor", []byte(`{"id":"c","incarnation":"someone else"}`))
	require.NoError(t, err)
	w.staysFor(ttl/2, "b b2")
}

// What the broker does with old entries says nothing of hosts: here it expires them while the host is well within its time.
func TestExpiryIsNotDeath(t *testing.T) {
	w := watch(t, bus.Options{MaxBytes: 16 << 20, HostTTL: time.Second})
	o, err := hosts.Observe(t.Context(), w.srv.InProcess(t), natstest.Logger(t), time.Hour, func() {})
	require.NoError(t, err)
	defer o.Close()
	require.NoError(t, hosts.Put(t.Context(), w.kv, hosts.Beat{ID: "a", Incarnation: "1"}))
	require.Eventually(t, func() bool { return len(o.View().Hosts) == 1 }, waitFor, pollEvery)
	require.Eventually(t, func() bool {
		list, err := hosts.List(t.Context(), w.kv)
		return err == nil && len(list) == 0
	}, waitFor, pollEvery, "expired")
	require.Len(t, o.View().Hosts, 1)
}

// A broker that restarts has forgotten all beats. Nobody dies of it: the silence begins anew when it is back. Whoever is not
// back by then is dead after the TTL.
func TestBrokerRestart(t *testing.T) {
	w := watch(t, small())
	w.beats(hosts.Beat{ID: "a", Incarnation: "a1"})
	ends := w.beats(hosts.Beat{ID: "b", Incarnation: "b1"})
	w.becomes("a a1", "b b1")
	ends() // it is gone with the broker
	w.srv.Kill(t)
	w.staysFor(2*ttl, "a a1", "b b1") // who hears nothing knows nothing
	w.srv.Restart(t)
	require.Eventually(t, w.js.Conn().IsConnected, waitFor, pollEvery)
	back := time.Now()
	require.NoError(t, bus.Provision(t.Context(), w.js, small()))
	require.Equal(t, []string{"a a1", "b b1"}, w.living())
	w.becomes("a a1")
	require.Greater(t, time.Since(back), ttl/2)
	w.staysFor(ttl, "a a1")
}

// A new observer asks all hosts for a beat, and until it can have heard everybody it takes nobody for dead.
func TestObserverStarts(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.InProcess(t)
	js := srv.JetStream(t)
	kv, err := js.KeyValue(t.Context(), subjects.BucketHosts)
	require.NoError(t, err)
	_, err = nc.Subscribe(hosts.AnnounceSubject(), func(*nats.Msg) {
		_, _ = kv.PutString(context.Background(), "1", `{"id":"a","incarnation":"1"}`)
	})
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	o, err := hosts.Observe(t.Context(), srv.InProcess(t), natstest.Logger(t), time.Minute, func() {})
	require.NoError(t, err)
	defer o.Close()
	require.True(t, o.View().Lives("b", "7"))
	require.Eventually(t, func() bool { return len(o.View().Hosts) == 1 }, waitFor, pollEvery)
	require.True(t, o.View().Lives("a", "1"))
	require.False(t, o.View().Lives("a", "0"), "another life of it is heard")
	require.True(t, o.View().Lives("b", "7"), "it may not have been heard yet")
}
