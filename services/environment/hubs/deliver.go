package hubs

import (
	"context"
	"strings"
	"sync"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// bucketSubject is what the keys of the bucket of environments are published under.
const bucketSubject = "$KV." + subjects.BucketEnv + "."

// deliver does the duties for all hubs whenever this server has the lease.
func (s *Server) deliver(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.tasks.Go(func() {
		select {
		case <-s.quit:
			cancel()
		case <-ctx.Done():
		}
	})
	for ctx.Err() == nil && !s.nc.IsClosed() {
		l, err := newLease(s.kv, s.id)
		if err != nil {
			s.log.Error("no deliveries", "error", err)
			return
		}
		if l.acquire(ctx) != nil {
			return
		}
		s.log.Debug("delivers for all hubs")
		s.serveDuties(ctx, l)
	}
}

// serveDuties does all duties until the lease is lost. It gives the lease back only when nothing is done any more.
func (s *Server) serveDuties(ctx context.Context, l *lease) {
	work, stop := context.WithCancel(ctx)
	defer stop()
	held, letGo := context.WithCancel(context.WithoutCancel(ctx))
	defer letGo()
	var holding sync.WaitGroup
	holding.Go(func() {
		l.hold(held)
		stop()
	})
	s.watchDuties(work)
	letGo()
	holding.Wait()
}

// watchDuties has a post for each duty there is and each that comes, and ends those of duties that are removed. It returns
// when all have written down how far they came.
func (s *Server) watchDuties(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	posts := map[string]context.CancelFunc{}
	filter := []string{bucketSubject + dutyPrefix + ">"}
	err := runlog.FollowStream(ctx, s.js, "KV_"+subjects.BucketEnv, 0, filter, nil, func(e runlog.Entry) error {
		key := strings.TrimPrefix(e.Subject, bucketSubject)
		end, running := posts[key]
		switch {
		case len(e.Data) == 0: // removed
			if running {
				end()
				delete(posts, key)
			}
		case !running:
			p, err := newPost(s, key, e)
			if err != nil {
				s.log.Warn("a duty that cannot be read", "key", key, "error", err)
				return nil
			}
			if p.duty.Mode == modeHear {
				return nil
			}
			own, end := context.WithCancel(ctx)
			posts[key] = end
			all.Go(func() { p.serve(own) })
		}
		return nil
	})
	for _, end := range posts {
		end()
	}
	if err != nil && ctx.Err() == nil && !s.nc.IsClosed() {
		s.log.Error("deliveries interrupted", "error", err)
	}
}
