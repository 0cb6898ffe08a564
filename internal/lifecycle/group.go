package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Service is a part of the program with a beginning and an end.
type Service interface {
	// Start returns once the service works, or with an error and nothing left
	// running. The context bounds starting only; it does not end the service.
	Start(ctx context.Context) error
	// Stop returns once nothing of the service runs. The context bounds how
	// long it may take to finish work; when it ends, Stop drops the rest.
	Stop(ctx context.Context) error
}

// Failer is a Service that can fail while it runs. It sends one error when that
// happens. A channel closed without an error means that nothing can fail any more.
type Failer interface {
	Failed() <-chan error
}

// Group is a list of services and itself a Service. Its methods are safe for
// concurrent use; Start and Stop wait for each other.
type Group struct {
	log   *slog.Logger
	grace time.Duration

	mu      sync.Mutex
	members []member
	running int // members[:running] are started
	started bool
}

type member struct {
	name    string
	service Service
}

// NewGroup makes an empty group. Grace bounds stopping where no caller's
// context does: after a failed start, and at the end of Run.
func NewGroup(log *slog.Logger, grace time.Duration) *Group {
	return &Group{log: log, grace: grace}
}

// Add appends a service. What it depends on must have been added before. A
// service added after Start is started by nothing, so add all of them first.
func (g *Group) Add(name string, s Service) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = append(g.members, member{name, s})
}

// Start starts the services in the order they were added. When one fails, those
// already started are stopped, and all errors are returned: ErrStart first.
func (g *Group) Start(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.started {
		return fmt.Errorf("%w: already started", ErrState)
	}
	for _, m := range g.members {
		if err := g.startOne(ctx, m); err != nil {
			return errors.Join(err, g.undo(ctx))
		}
		g.running++
	}
	g.started = true
	return nil
}

// undo stops what a failed Start had started.
func (g *Group) undo(ctx context.Context) error {
	ctx, cancel := g.graceful(ctx)
	defer cancel()
	return g.stopAll(ctx)
}

func (g *Group) startOne(ctx context.Context, m member) error {
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrStart, m.name, err)
	}
	begun := time.Now()
	if err := m.service.Start(ctx); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrStart, m.name, err)
	}
	g.log.Debug("started", "service", m.name, "took", time.Since(begun))
	return nil
}

// Stop stops the services in the opposite order, each after the one before it
// is done. A service that has not stopped when ctx ends is left behind and
// named by ErrStopTimeout, and the others are still told to stop. Stopping a
// group that does not run does nothing. All errors are returned, joined.
func (g *Group) Stop(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.started = false
	return g.stopAll(ctx)
}

// stopAll stops what is started; the caller holds the lock.
func (g *Group) stopAll(ctx context.Context) error {
	var errs []error
	for _, m := range slices.Backward(g.members[:g.running]) {
		errs = append(errs, g.stopOne(ctx, m))
	}
	g.running = 0
	return errors.Join(errs...)
}

// stopOne waits for a service to stop, or for ctx. Stop runs aside because a
// stuck one must not keep the process from ending.
func (g *Group) stopOne(ctx context.Context, m member) error {
	begun := time.Now()
	done := make(chan error, 1)
	go func() { done <- m.service.Stop(ctx) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		// Both may be ready; what has stopped is not late.
		select {
		case err = <-done:
		default:
			return fmt.Errorf("%w: %s after %v", ErrStopTimeout, m.name, time.Since(begun).Round(time.Millisecond))
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrStop, m.name, err)
	}
	g.log.Debug("stopped", "service", m.name, "took", time.Since(begun))
	return nil
}

// graceful makes the context for stopping when ctx may already be over.
func (g *Group) graceful(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), g.grace)
}
