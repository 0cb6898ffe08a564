package bus_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func streamConfig(t testing.TB, js jetstream.JetStream, name string) jetstream.StreamConfig {
	t.Helper()
	s, err := js.Stream(t.Context(), name)
	require.NoError(t, err)
	return s.CachedInfo().Config
}

func TestProvisionMakesEverything(t *testing.T) {
	_, js := provisioned(t)
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{}), "again: nothing to do")
	log := streamConfig(t, js, subjects.StreamLog)
	require.Equal(t, []string{"myriad.run.*.log.>"}, log.Subjects)
	require.Equal(t, jetstream.FileStorage, log.Storage)
	require.Equal(t, jetstream.DiscardNew, log.Discard)
	require.Equal(t, int64(1<<30), log.MaxBytes)
	require.Zero(t, log.MaxAge)
	require.True(t, log.DenyDelete)
	require.False(t, log.DenyPurge)
	require.True(t, log.AllowAtomicPublish)
	require.True(t, log.AllowDirect)
	hub := streamConfig(t, js, subjects.StreamHub)
	require.Equal(t, []string{"myriad.run.*.hub.*.said"}, hub.Subjects)
	require.True(t, hub.DenyDelete)
	require.True(t, hub.AllowAtomicPublish)
	for name, storage := range map[string]jetstream.StorageType{
		subjects.BucketRuns: jetstream.FileStorage, subjects.BucketEnv: jetstream.FileStorage,
		subjects.BucketUsage: jetstream.FileStorage, subjects.BucketHosts: jetstream.MemoryStorage,
	} {
		kv, err := js.KeyValue(t.Context(), name)
		require.NoError(t, err)
		_, err = kv.PutString(t.Context(), "key", "value")
		require.NoError(t, err)
		require.Equal(t, storage, streamConfig(t, js, "KV_"+name).Storage)
	}
	for _, name := range []string{subjects.StoreFiles, subjects.StorePersonas} {
		store, err := js.ObjectStore(t.Context(), name)
		require.NoError(t, err)
		_, err = store.PutBytes(t.Context(), "key", make([]byte, 1<<20))
		require.NoError(t, err)
	}
}

func TestProvisionBySeveralServicesAtOnce(t *testing.T) {
	s := start(t, t.TempDir())
	const services = 6
	errs := make([]error, services)
	var all sync.WaitGroup
	for i := range services {
		_, js := connect(t, s)
		all.Go(func() { errs[i] = bus.Provision(t.Context(), js, bus.Options{}) })
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
}

func TestProvisionNamesTheSettingThatDiffers(t *testing.T) {
	log := jetstream.StreamConfig{
		Name: subjects.StreamLog, Subjects: []string{"myriad.run.*.log.>"}, Discard: jetstream.DiscardNew,
		MaxBytes: 1 << 20, DenyDelete: true, AllowDirect: true, AllowAtomicPublish: true,
	}
	for field, change := range map[string]func(*jetstream.StreamConfig){
		"subjects":             func(c *jetstream.StreamConfig) { c.Subjects = []string{"myriad.run.*.log.ctl.>"} },
		"storage":              func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"retention":            func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy },
		"discard":              func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
		"max_age":              func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"max_msgs":             func(c *jetstream.StreamConfig) { c.MaxMsgs = 10 },
		"max_msgs_per_subject": func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 },
		"max_msg_size":         func(c *jetstream.StreamConfig) { c.MaxMsgSize = 10 },
		"deny_delete":          func(c *jetstream.StreamConfig) { c.DenyDelete = false },
		"deny_purge":           func(c *jetstream.StreamConfig) { c.DenyPurge = true },
		"no_ack":               func(c *jetstream.StreamConfig) { c.NoAck = true; c.AllowAtomicPublish = false },
		"allow_direct":         func(c *jetstream.StreamConfig) { c.AllowDirect = false },
	} {
		t.Run(field, func(t *testing.T) {
			_, js := connect(t, start(t, t.TempDir()))
			cfg := log
			change(&cfg)
			_, err := js.CreateStream(t.Context(), cfg)
			require.NoError(t, err)
			err = bus.Provision(t.Context(), js, bus.Options{})
			require.ErrorIs(t, err, bus.ErrStreamMismatch)
			require.ErrorContains(t, err, subjects.StreamLog)
			require.ErrorContains(t, err, field+" is ")
		})
	}
}

// TestProvisionAddsWhatOlderStreamsLack provisions a data directory from before
// hubs took batches.
func TestProvisionAddsWhatOlderStreamsLack(t *testing.T) {
	nc, js := connect(t, start(t, t.TempDir()))
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: subjects.StreamHub, Subjects: []string{subjects.StreamHubSubject}, Discard: jetstream.DiscardNew,
		Description: "of an operator", DenyDelete: true, AllowDirect: true,
	})
	require.NoError(t, err)
	said := subjects.HubSaid("r", "h")
	_, err = js.Publish(t.Context(), said, []byte("before"))
	require.NoError(t, err)
	msgs := []*nats.Msg{{Subject: said}, {Subject: said}}
	_, err = bus.PublishBatch(t.Context(), nc, msgs)
	require.ErrorIs(t, err, bus.ErrBatchDisabled)

	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{}))
	ack, err := bus.PublishBatch(t.Context(), nc, msgs)
	require.NoError(t, err)
	require.Equal(t, uint64(3), ack.Sequence, "what was there stays")
	require.Equal(t, "of an operator", streamConfig(t, js, subjects.StreamHub).Description, "and what else was set")
}

// TestProvisionAddsNothingToAStreamItRefuses holds that a stream with another
// fault is left alone.
func TestProvisionAddsNothingToAStreamItRefuses(t *testing.T) {
	_, js := connect(t, start(t, t.TempDir()))
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: subjects.StreamHub, Subjects: []string{subjects.StreamHubSubject}, Discard: jetstream.DiscardNew, AllowDirect: true,
	})
	require.NoError(t, err)
	err = bus.Provision(t.Context(), js, bus.Options{})
	require.ErrorIs(t, err, bus.ErrStreamMismatch)
	require.ErrorContains(t, err, "deny_delete is ")
	require.False(t, streamConfig(t, js, subjects.StreamHub).AllowAtomicPublish)
}

func TestProvisionRefusesStreamsThatAcknowledgeBeforeTheDisk(t *testing.T) {
	_, js := connect(t, start(t, t.TempDir()))
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: subjects.StreamHub, Subjects: []string{subjects.StreamHubSubject}, Discard: jetstream.DiscardNew,
		DenyDelete: true, AllowDirect: true, PersistMode: jetstream.AsyncPersistMode,
	})
	require.NoError(t, err)
	err = bus.Provision(t.Context(), js, bus.Options{})
	require.ErrorIs(t, err, bus.ErrStreamMismatch)
	require.ErrorContains(t, err, "persist_mode is ")
}

func TestProvisionChecksSizeAndBucketsToo(t *testing.T) {
	_, js := provisioned(t)
	err := bus.Provision(t.Context(), js, bus.Options{MaxBytes: 2 << 30})
	require.ErrorIs(t, err, bus.ErrStreamMismatch)
	require.ErrorContains(t, err, "max_bytes")
	err = bus.Provision(t.Context(), js, bus.Options{HostTTL: time.Minute})
	require.ErrorIs(t, err, bus.ErrStreamMismatch)
	require.ErrorContains(t, err, "KV_"+subjects.BucketHosts+": max_age")
	err = bus.Provision(t.Context(), js, bus.Options{Replicas: 3})
	require.ErrorIs(t, err, bus.ErrNoReplicas, "a server alone cannot hold three copies")
}

// TestProvisionSizesTheLogToTheServer gives the server little storage.
func TestProvisionSizesTheLogToTheServer(t *testing.T) {
	for _, c := range []struct{ store, log int64 }{{10 << 30, 8 << 30}, {8 << 30, 8 << 30}, {100 << 20, 64 << 20}, {1 << 20, 0}} {
		t.Run(fmt.Sprint(c.store>>20, " MiB"), func(t *testing.T) {
			ns, err := server.NewServer(&server.Options{
				JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: c.store, DontListen: true, NoSigs: true, NoLog: true,
			})
			require.NoError(t, err)
			ns.Start()
			t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
			nc, err := nats.Connect("", nats.InProcessServer(ns))
			require.NoError(t, err)
			t.Cleanup(nc.Close)
			js, err := jetstream.New(nc)
			require.NoError(t, err)
			err = bus.Provision(t.Context(), js, bus.Options{})
			if c.log == 0 {
				require.ErrorIs(t, err, bus.ErrNoSpace)
				return
			}
			require.NoError(t, err)
			require.NoError(t, bus.Provision(t.Context(), js, bus.Options{}), "again, with all storage reserved")
			require.Equal(t, c.log, streamConfig(t, js, subjects.StreamLog).MaxBytes)
		})
	}
}

func TestTheLogForgetsNothingButWholeRuns(t *testing.T) {
	_, js := connect(t, start(t, t.TempDir()))
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{MaxBytes: 64 << 10}))
	record := []byte(strings.Repeat("x", 20<<10))
	var err error
	stored := uint64(0)
	for err == nil {
		if _, err = js.Publish(t.Context(), "myriad.run.a.log.ctl.created", record); err == nil {
			stored++
		}
	}
	require.ErrorContains(t, err, "maximum bytes exceeded")
	s, err := js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	require.Equal(t, stored, s.CachedInfo().State.Msgs, "what was there stays")
	require.Error(t, s.DeleteMsg(t.Context(), 1), "a record cannot be deleted")
	require.NoError(t, s.Purge(t.Context(), jetstream.WithPurgeSubject("myriad.run.a.log.>")), "a run can")
	_, err = js.Publish(t.Context(), "myriad.run.b.log.ctl.created", record)
	require.NoError(t, err)
}

// TestHeartbeatsExpireWithAMarker holds that a watcher hears of a silent host.
func TestHeartbeatsExpireWithAMarker(t *testing.T) {
	_, js := connect(t, start(t, t.TempDir()))
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{HostTTL: time.Second}))
	kv, err := js.KeyValue(t.Context(), subjects.BucketHosts)
	require.NoError(t, err)
	w, err := kv.Watch(t.Context(), "h1", jetstream.UpdatesOnly())
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Stop()) }()
	_, err = kv.PutString(t.Context(), "h1", "alive")
	require.NoError(t, err)
	require.Equal(t, jetstream.KeyValuePut, (<-w.Updates()).Operation())
	select {
	case e := <-w.Updates():
		require.Equal(t, "h1", e.Key())
		require.NotEqual(t, jetstream.KeyValuePut, e.Operation())
	case <-time.After(10 * time.Second):
		t.Fatal("no marker")
	}
}

// TestProvisionRestoresMemoryAfterARestart holds what a single server loses.
func TestProvisionRestoresMemoryAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	_, js := connect(t, s)
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{}))
	s.Stop()
	_, js = connect(t, start(t, dir))
	_, err := js.KeyValue(t.Context(), subjects.BucketHosts)
	require.ErrorIs(t, err, jetstream.ErrBucketNotFound, "memory does not outlive the server")
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{}))
	_, err = js.KeyValue(t.Context(), subjects.BucketHosts)
	require.NoError(t, err)
}

// TestProvisionAsksAgainWhenAnAnswerIsLost puts a forwarder before the server
// that loses the first request.
func TestProvisionAsksAgainWhenAnAnswerIsLost(t *testing.T) {
	nc, _ := connect(t, start(t, t.TempDir()))
	seen := 0
	_, err := nc.Subscribe("lossy.>", func(m *nats.Msg) {
		if seen++; seen == 1 {
			return
		}
		subject := "$JS.API." + strings.TrimPrefix(m.Subject, "lossy.")
		if err := nc.PublishRequest(subject, m.Reply, m.Data); err != nil {
			t.Error(err)
		}
	})
	require.NoError(t, err)
	lossy, err := jetstream.NewWithAPIPrefix(nc, "lossy")
	require.NoError(t, err)
	require.NoError(t, bus.Provision(t.Context(), lossy, bus.Options{}))
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.Equal(t, []string{subjects.StreamLogSubject}, streamConfig(t, js, subjects.StreamLog).Subjects)
}
