package bus

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// resources lists everything that Provision makes. The run log is last because
// it alone reserves storage, perhaps all there is; a server with everything
// reserved makes no further stream, not even one that reserves nothing.
func resources(o Options) []resource {
	return []resource{
		bucket(o, jetstream.KeyValueConfig{
			Bucket:      subjects.BucketRuns,
			Description: "one entry a run: its state and summary",
			Storage:     jetstream.FileStorage,
		}),
		bucket(o, jetstream.KeyValueConfig{
			Bucket:         subjects.BucketHosts,
			Description:    "one heartbeat a host; old ones go by and by",
			Storage:        hostsStorage(o),
			TTL:            o.HostTTL,
			LimitMarkerTTL: hostMarkerTTL,
		}),
		bucket(o, jetstream.KeyValueConfig{
			Bucket:      subjects.BucketEnv,
			Description: "world state, projected from the run log",
			Storage:     jetstream.FileStorage,
		}),
		bucket(o, jetstream.KeyValueConfig{
			Bucket:      subjects.BucketUsage,
			Description: "calls and tokens spent",
			Storage:     jetstream.FileStorage,
		}),
		store(o, subjects.StoreFiles, "files by content address"),
		store(o, subjects.StorePersonas, "populations and personas by content address"),
		stream(o, jetstream.StreamConfig{
			Name:               subjects.StreamHub,
			Description:        "what was said in hubs",
			Subjects:           []string{subjects.StreamHubSubject},
			AllowAtomicPublish: true,
		}, unlimited),
		// The log is the truth: it refuses new records rather than dropping old
		// ones, and forgets nothing by age.
		stream(o, jetstream.StreamConfig{
			Name:               subjects.StreamLog,
			Description:        "the run log: what happened in every run, in order",
			Subjects:           []string{subjects.StreamLogSubject},
			MaxBytes:           o.MaxBytes,
			AllowAtomicPublish: true,
		}, sizes(o.MaxBytes)),
	}
}

// hostsStorage is where heartbeats are kept. A single server keeps them in memory: none of them means anything after its
// restart. The servers of a cluster must not: one that restarts would come back with nothing, and when the next one restarts
// before it has caught up, a majority has forgotten what it agreed on and the bucket takes nothing any more.
func hostsStorage(o Options) jetstream.StorageType {
	if o.clustered {
		return jetstream.FileStorage
	}
	return jetstream.MemoryStorage
}

// stream completes a stream's settings with what all streams have in common.
func stream(o Options, cfg jetstream.StreamConfig, room []int64) resource {
	cfg.Retention = jetstream.LimitsPolicy
	cfg.Storage = jetstream.FileStorage
	cfg.Discard = jetstream.DiscardNew
	cfg.Replicas = o.Replicas
	cfg.DenyDelete = true
	cfg.AllowDirect = true
	cfg.Duplicates = dedupWindow
	cfg.MaxMsgs, cfg.MaxMsgsPerSubject, cfg.MaxConsumers, cfg.MaxMsgSize = -1, -1, -1, -1
	return resource{
		want: cfg,
		room: room,
		create: func(ctx context.Context, js jetstream.JetStream, maxBytes int64) error {
			sized := cfg
			sized.MaxBytes = maxBytes
			_, err := js.CreateStream(ctx, sized)
			return err
		},
	}
}

// bucket is a key-value bucket that keeps the last value of a key.
func bucket(o Options, cfg jetstream.KeyValueConfig) resource {
	cfg.History = 1
	cfg.Replicas = o.Replicas
	return resource{
		want: jetstream.StreamConfig{
			Name:                   "KV_" + cfg.Bucket,
			Subjects:               []string{"$KV." + cfg.Bucket + ".>"},
			Storage:                cfg.Storage,
			Discard:                jetstream.DiscardNew,
			Replicas:               cfg.Replicas,
			MaxAge:                 cfg.TTL,
			MaxMsgsPerSubject:      1,
			DenyDelete:             true,
			AllowDirect:            true,
			SubjectDeleteMarkerTTL: cfg.LimitMarkerTTL,
		},
		room: unlimited,
		create: func(ctx context.Context, js jetstream.JetStream, _ int64) error {
			_, err := js.CreateKeyValue(ctx, cfg)
			return err
		},
	}
}

// store is an object store.
func store(o Options, name, description string) resource {
	cfg := jetstream.ObjectStoreConfig{
		Bucket: name, Description: description, Storage: jetstream.FileStorage, Replicas: o.Replicas,
	}
	return resource{
		want: jetstream.StreamConfig{
			Name:        "OBJ_" + name,
			Subjects:    []string{"$O." + name + ".C.>", "$O." + name + ".M.>"},
			Storage:     cfg.Storage,
			Discard:     jetstream.DiscardNew,
			Replicas:    cfg.Replicas,
			AllowDirect: true,
		},
		room: unlimited,
		create: func(ctx context.Context, js jetstream.JetStream, _ int64) error {
			_, err := js.CreateObjectStore(ctx, cfg)
			return err
		},
	}
}

// unlimited is the room of what reserves none; the server's storage bounds it.
var unlimited = []int64{-1}
