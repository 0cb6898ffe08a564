package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// defaultLogBytes is the room the run log asks for first. The server
	// reserves it, so a smaller disk gets the largest half that fits.
	defaultLogBytes = 64 << 30
	// minLogBytes is the least room worth starting with.
	minLogBytes = 64 << 20
	// dedupWindow is how long the server remembers message ids: longer than a
	// publisher keeps retrying through a broker restart.
	dedupWindow = 2 * time.Minute
	// hostTTL is how long a host's heartbeat is kept. Nobody may take a host for
	// dead because it is gone: that is judged by its silence (internal/hosts).
	hostTTL = 10 * time.Minute
	// hostMarkerTTL is how long the marker of an expired heartbeat stays; the
	// server's minimum.
	hostMarkerTTL = time.Second
	// askWait is how long one attempt at one stream may take.
	askWait = 2 * time.Second
	// askTimes is how often it is tried.
	askTimes = 5
	// gatherTimes is how often a cluster is asked that has no leader yet, or not
	// all of its servers; askPause is the pause between.
	gatherTimes = 60
	askPause    = 500 * time.Millisecond
	// clusterReplicas is how many servers of a cluster hold each stream: with
	// three, any one can be lost.
	clusterReplicas = 3
)

// Options says how streams and buckets are created. The zero value is right for
// one server.
type Options struct {
	// Replicas is how many servers of a cluster hold each stream. 0 means 3 where
	// the server belongs to a cluster, else 1. Existing streams with fewer get as
	// many.
	Replicas int
	// MaxBytes is the room of the run log in bytes. 0 takes 64 GiB, or as many
	// halvings of it as the server's storage needs. Only the run log reserves
	// storage.
	MaxBytes int64
	// HostTTL is how long a heartbeat in the hosts bucket is kept, at least a
	// second; 0 means 10 minutes.
	HostTTL time.Duration

	clustered bool // set by Provision
}

// Provision creates the streams, buckets and object stores all services share,
// and checks those that exist. It may run any number of times, by several
// services at once. An existing stream keeps its size when MaxBytes is 0; one of
// an older version gets the abilities that it lacks and that a server can add.
// In a cluster it waits half a minute for a leader and for enough servers.
// Errors: ErrStreamMismatch, ErrNoSpace, ErrNoReplicas, or the server's.
func Provision(ctx context.Context, js jetstream.JetStream, o Options) error {
	o.clustered = js.Conn().ConnectedClusterName() != ""
	switch {
	case o.Replicas == 0 && o.clustered:
		o.Replicas = clusterReplicas
	case o.Replicas == 0:
		o.Replicas = 1
	}
	if o.HostTTL == 0 {
		o.HostTTL = hostTTL
	}
	for _, r := range resources(o) {
		if err := r.persist(ctx, js); err != nil {
			return fmt.Errorf("provision %s: %w", r.want.Name, err)
		}
	}
	return nil
}

// resource is one stream, or the stream beneath a bucket or object store.
type resource struct {
	// want is what the stream must look like; only what compare reads is set
	// for buckets.
	want jetstream.StreamConfig
	// create makes it with the given room in bytes.
	create func(ctx context.Context, js jetstream.JetStream, maxBytes int64) error
	// room lists the sizes to try, in bytes; one entry for a fixed size.
	room []int64
}

// persist is ensure, asked again when no answer comes: a server that is starting
// or overloaded drops requests of this kind, and asking twice does no harm. A
// cluster that is still gathering is given more time.
func (r resource) persist(ctx context.Context, js jetstream.JetStream) error {
	silent, gathering := 0, 0
	for {
		attempt, cancel := context.WithTimeout(ctx, askWait)
		err := r.ensure(attempt, js)
		cancel()
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case errors.Is(err, context.DeadlineExceeded):
			if silent++; silent >= askTimes {
				return err
			}
			continue
		case alone(err):
			return fmt.Errorf("%w: it is alone: %w; unset MYRIAD_NATS_REPLICAS", ErrNoReplicas, err)
		case !incomplete(err):
			return err
		}
		if gathering++; gathering >= gatherTimes {
			return fmt.Errorf("%w: %w; start the missing servers, or set MYRIAD_NATS_REPLICAS to how many there are", ErrNoReplicas, err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(askPause):
		}
	}
}

// incomplete recognises what the servers of a cluster say as long as it has no
// leader, or too few of them are there to hold a stream.
func incomplete(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case codeNoPeers:
		return !outOfSpace(api)
	case codeUnavailable, codeNotLeader, codeNoMetaLeader, codeOffline:
		return true
	}
	return false
}

// alone reports whether several copies were asked of a server without a cluster.
func alone(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == codeAlone
}

// Codes of the server.
const (
	codeAlone        = 10074 // replicas > 1 not supported in non-clustered mode
	codeNoPeers      = 10005 // no suitable peers for placement
	codeUnavailable  = 10008 // JetStream is temporarily unavailable
	codeNotLeader    = 10009 // the server does not lead the cluster
	codeNoMetaLeader = 10010
	codeOffline      = 10118 // the stream is offline
)

// outOfSpace reports whether servers were unsuitable because they are full. The
// code is the same as when they are away; only the words tell.
func outOfSpace(api *jetstream.APIError) bool {
	return strings.Contains(api.Description, "insufficient storage") && !strings.Contains(api.Description, "offline")
}

// ensure makes the resource unless it is there, and then checks it. When
// another service makes it at the same moment, that one's is checked.
func (r resource) ensure(ctx context.Context, js jetstream.JetStream) error {
	found, err := r.check(ctx, js)
	if found || err != nil {
		return err
	}
	for _, maxBytes := range r.room {
		err = r.create(ctx, js, maxBytes)
		if !noSpace(err) {
			break
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse):
		_, err = r.check(ctx, js)
		return err
	case noSpace(err):
		return fmt.Errorf("%w: tried down to %d MiB: %w; free disk space or raise the server's storage limit",
			ErrNoSpace, max(r.room[len(r.room)-1], 0)>>20, err)
	default:
		return err
	}
}

// check reports whether the stream exists, and whether it is as wanted, or was
// made so.
func (r resource) check(ctx context.Context, js jetstream.JetStream) (found bool, err error) {
	s, err := js.Stream(ctx, r.want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	got := s.CachedInfo().Config
	upgraded, missing := upgrade(got, r.want)
	if err := compare(upgraded, r.want); err != nil || !missing {
		return true, err
	}
	s, err = js.UpdateStream(ctx, upgraded)
	if err != nil {
		return true, err
	}
	return true, compare(s.CachedInfo().Config, r.want)
}

// noSpace recognises the server's ways to say that a reservation does not fit:
// account limit, no cluster peer, insufficient resources, insufficient storage.
func noSpace(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case 10002, 10023, 10047:
		return true
	case codeNoPeers:
		return outOfSpace(api)
	}
	return false
}

// sizes lists the sizes to try for the run log: only want if it is given, else
// the default and its halves.
func sizes(want int64) []int64 {
	if want > 0 {
		return []int64{want}
	}
	var all []int64
	for n := int64(defaultLogBytes); n >= minLogBytes; n /= 2 {
		all = append(all, n)
	}
	return all
}
