package engine

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// projectEach is how often a tree that changes is put into the bucket of environments; large ones less often, so that no more
// than a twentieth of the time goes there.
const projectEach = 200 * time.Millisecond

// projection is when a tree is put into the bucket next.
type projection struct {
	dirty bool
	due   time.Time
	last  time.Time
	pause time.Duration
	mu    sync.Mutex // one at a time
	done  sync.WaitGroup
}

func (p *projection) changed(now time.Time) {
	if p.dirty {
		return
	}
	p.dirty, p.due = true, p.last.Add(max(p.pause, projectEach))
	if p.due.Before(now) {
		p.due = now
	}
}

func (p *projection) wanted(now time.Time) bool { return p.dirty && !now.Before(p.due) }

// projected is the value of a tree in the bucket of environments, under the key <run>.env.<root> of encoded parts.
type projected struct {
	Run  string `json:"run"`
	Env  string `json:"env"`
	Seq  uint64 `json:"seq"`            // of the log record it is the projection of
	Tree any    `json:"tree,omitempty"` // as the function export gives it; missing where it is too large for a value
}

// project puts the tree, of which all is on disk, into the bucket. The log is the truth: a failure costs readers freshness.
func (a *actor) project(ctx context.Context) {
	begun := time.Now()
	seq, exists := a.tree.Seq(), a.tree.Exists()
	out := projected{Run: a.key.run, Env: a.key.root, Seq: seq, Tree: a.tree.Export(a.key.root)}
	data, err := json.Marshal(out)
	if err == nil && len(data) > int(a.e.nc.MaxPayload())-envelope {
		out.Tree = nil
		data, err = json.Marshal(out)
	}
	a.view.dirty, a.view.last, a.view.pause = false, time.Now(), 20*time.Since(begun)
	if err != nil {
		a.log.Warn("environment not projected", "error", err)
		return
	}
	a.view.done.Go(func() {
		a.view.mu.Lock()
		defer a.view.mu.Unlock()
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		if err := a.e.put(ctx, subjects.Encode(a.key.run)+".env."+subjects.Encode(a.key.root), seq, exists, data); err != nil && ctx.Err() == nil {
			a.log.Warn("environment not projected", "error", err)
		}
	})
}

// put stores a projection unless a later one is there.
func (e *Engine) put(ctx context.Context, key string, seq uint64, exists bool, data []byte) error {
	for {
		var revision uint64
		entry, err := e.kv.Get(ctx, key)
		switch {
		case err == nil:
			var have projected
			if json.Unmarshal(entry.Value(), &have) == nil && have.Seq > seq {
				return nil
			}
			revision = entry.Revision()
		case !errors.Is(err, jetstream.ErrKeyNotFound):
			return err
		case !exists:
			return nil
		}
		switch {
		case !exists:
			err = e.kv.Delete(ctx, key, jetstream.LastRevision(revision))
		case revision == 0:
			_, err = e.kv.Create(ctx, key, data)
		default:
			_, err = e.kv.Update(ctx, key, data, revision)
		}
		var api *jetstream.APIError
		if errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
			continue // another engine was faster
		}
		return err
	}
}
