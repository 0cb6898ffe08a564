package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Run starts the group, waits until ctx ends or a service fails, and stops the
// group within its grace. It returns nil when ctx ended and everything stopped
// cleanly; otherwise ErrStart, or ErrFailed naming the first service that
// failed, joined with what went wrong while stopping.
func (g *Group) Run(ctx context.Context) error {
	if err := g.Start(ctx); err != nil {
		return err
	}
	failure := g.Wait(ctx)
	if failure != nil {
		g.log.Error("stopping after a failure", "error", failure)
	}
	sctx, cancel := g.graceful(ctx)
	defer cancel()
	return errors.Join(failure, g.Stop(sctx))
}

// Wait returns when ctx ends, with nil, or when a service of a started group fails, with ErrFailed naming it.
func (g *Group) Wait(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var failed sync.Once
	var failure error
	var watchers sync.WaitGroup
	for _, m := range g.list() {
		f, ok := m.service.(Failer)
		if !ok {
			continue
		}
		watchers.Go(func() {
			select {
			case <-ctx.Done():
			case err := <-f.Failed():
				if err == nil {
					return
				}
				failed.Do(func() { failure = fmt.Errorf("%w: %s: %w", ErrFailed, m.name, err) })
				cancel(failure)
			}
		})
	}
	<-ctx.Done()
	watchers.Wait()
	return failure
}

func (g *Group) list() []member {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.members
}
