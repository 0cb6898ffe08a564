package hubs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Times of the lease. Nobody's clock is compared with another's: a lease is lost when an observer that was connected
// throughout has seen no new revision for leaseTTL, and its holder lets go of it before that can be.
const (
	leaseRenew  = time.Second
	leaseLetGo  = 2500 * time.Millisecond // since the last renewal that was acknowledged was sent
	leaseTTL    = 4 * time.Second
	leaseLook   = 500 * time.Millisecond
	leaseAnswer = time.Second // for one request
)

// lease is the right to carry what was said to those who do not read the stream.
type lease struct {
	kv    jetstream.KeyValue
	owner string
	value []byte

	revision uint64    // seen last
	since    time.Time // when it was seen first; zero if not connected since
}

func newLease(kv jetstream.KeyValue, owner string) (*lease, error) {
	value, err := json.Marshal(map[string]string{"owner": owner})
	return &lease{kv: kv, owner: owner, value: value}, err
}

// acquire waits until the lease is this server's.
func (l *lease) acquire(ctx context.Context) error {
	for {
		got, err := l.try(ctx)
		if err != nil {
			l.since = time.Time{} // it was not looked at
		}
		if got {
			return nil
		}
		if err := pause(ctx, leaseLook); err != nil {
			return err
		}
	}
}

func (l *lease) try(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseAnswer)
	defer cancel()
	e, err := l.kv.Get(ctx, leaseKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		l.revision, err = l.kv.Create(ctx, leaseKey, l.value)
		return err == nil, err
	}
	if err != nil {
		return false, err
	}
	if e.Revision() != l.revision || l.since.IsZero() {
		l.revision, l.since = e.Revision(), time.Now()
	}
	if !bytes.Equal(e.Value(), l.value) && time.Since(l.since) < leaseTTL {
		return false, nil
	}
	revision, err := l.kv.Update(ctx, leaseKey, l.value, l.revision)
	if err != nil {
		return false, err
	}
	l.revision = revision
	return true, nil
}

// hold renews the lease until it may be another's or ctx is done, and then gives it back if it can.
func (l *lease) hold(ctx context.Context) {
	sure := time.Now()
	for left := leaseLetGo; left > 0; left = leaseLetGo - time.Since(sure) {
		if pause(ctx, min(leaseRenew, left)) != nil {
			l.release(ctx)
			return
		}
		sent := time.Now()
		short, cancel := context.WithDeadline(ctx, sure.Add(leaseLetGo))
		revision, err := l.kv.Update(short, leaseKey, l.value, l.revision)
		cancel()
		if err == nil {
			l.revision, sure = revision, sent
		} else if conflict(err) && !l.mine(ctx) {
			return
		}
	}
}

// mine looks whether the lease is this server's after all: the acknowledgement of a renewal may have been lost.
func (l *lease) mine(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, leaseAnswer)
	defer cancel()
	e, err := l.kv.Get(ctx, leaseKey)
	if err != nil || !bytes.Equal(e.Value(), l.value) {
		return false
	}
	l.revision = e.Revision()
	return true
}

// conflict reports whether a key was not updated because it has another revision.
func conflict(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return errors.Is(err, jetstream.ErrKeyExists) || ok && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// release lets another server have the lease at once.
func (l *lease) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseAnswer)
	defer cancel()
	_ = l.kv.Delete(ctx, leaseKey, jetstream.LastRevision(l.revision)) // if it fails, the others wait for leaseTTL
}
