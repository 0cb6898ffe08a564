package llmproxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/myriad-sim/myriad/internal/modelserver"
)

const (
	// keepLacking is how long it is remembered that an endpoint does not offer a path: it may be replaced by one that does.
	keepLacking = time.Minute
	// keepSeats bounds the endpoints that are remembered.
	keepSeats = 256
)

// forwardSeat is what is known of an endpoint. All but the server is guarded by the forwarder's lock.
type forwardSeat struct {
	server  *modelserver.Server
	host    string
	busy    int
	lacking map[forwardLack]forwardMiss
}

// forwardLack is what an endpoint may not offer. Servers say 404 of a path and of a model alike.
type forwardLack struct{ path, model string }

type forwardMiss struct {
	until time.Time
	why   string
}

// forwarded is a response, and whose it is.
type forwarded struct {
	modelserver.Forwarded
	host string
}

// deliver makes a call at one endpoint after the other until one answers. Those that offer it and cannot do it now are
// asked again after a pause, as often as the configuration says, until ctx ends.
func (f *forwarder) deliver(ctx context.Context, c *forwardCall) (forwarded, error) {
	budget, err := f.budget(ctx, c)
	if err != nil {
		return forwarded{}, err
	}
	pause := &backoff.ExponentialBackOff{
		InitialInterval: f.cfg.Backoff, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: f.cfg.BackoffMax,
	}
	pause.Reset()
	p := &passage{f: f, c: c, budget: budget}
	for turn := 1; ; turn++ {
		got, err := p.around(ctx)
		if err == nil {
			return got, nil
		}
		if !p.again || turn >= f.cfg.MaxAttempts || !rest(ctx, max(pause.NextBackOff(), min(p.after, f.cfg.RetryAfterMax))) {
			p.giveUp()
			if p.attempts > 1 {
				err = fmt.Errorf("given up after %d attempts: %w", p.attempts, err)
			}
			return forwarded{}, err
		}
	}
}

// rest returns false if ctx ends before d has passed, or would.
func rest(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// around asks the endpoints that may offer the call in turn, the least busy first. An error is the last of them; p.again
// says whether another turn may help.
func (p *passage) around(ctx context.Context) (forwarded, error) {
	p.again, p.after = false, 0
	seats, missing := p.f.offering(p.c)
	var last error
	for _, s := range seats {
		got, err := p.attempt(ctx, s)
		if err == nil {
			return forwarded{got, s.host}, nil
		}
		failed, ok := errors.AsType[*modelserver.Error](err)
		switch {
		case !ok || ctx.Err() != nil:
			p.again = false
			return forwarded{}, err
		case failed.Kind == modelserver.Lacking:
			p.f.lacks(s, p.c, failed.Text)
			missing = append(missing, failed.Text)
			continue
		case !p.mayRepeat(failed):
			p.again = false
			return forwarded{}, err
		}
		last, p.again, p.after = err, true, max(p.after, failed.After)
	}
	if last == nil {
		return forwarded{}, fmt.Errorf("no endpoint of model %q offers %q: %s", p.c.name, p.c.path, strings.Join(missing, "; "))
	}
	return forwarded{}, last
}

// mayRepeat reports whether a call that failed may be made again, here or elsewhere. What is not known to be harmless is
// repeated only when the server has done nothing.
func (p *passage) mayRepeat(e *modelserver.Error) bool {
	switch e.Kind {
	case modelserver.Unreached, modelserver.Overloaded:
		return true
	case modelserver.Lost, modelserver.Failing, modelserver.Malformed:
		if errors.Is(e, modelserver.ErrTooLarge) {
			return false
		}
		return p.c.repeatable() || e.Status == http.StatusServiceUnavailable
	case modelserver.Rejected, modelserver.Forbidden, modelserver.Lacking:
	}
	return false
}

// offering returns the endpoints of a call that are not known to lack it, the least busy first, and what the others said.
func (f *forwarder) offering(c *forwardCall) (seats []*forwardSeat, missing []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, at := range c.places {
		s := f.seat(at)
		if miss, ok := s.lacking[forwardLack{c.path, c.served}]; ok && time.Now().Before(miss.until) {
			missing = append(missing, miss.why)
			continue
		}
		seats = append(seats, s)
	}
	slices.SortStableFunc(seats, func(a, b *forwardSeat) int { return cmp.Compare(a.busy, b.busy) })
	return seats, missing
}

// seat finds or makes what is known of an endpoint. f.mu is held.
func (f *forwarder) seat(at forwardPlace) *forwardSeat {
	if s, ok := f.seats[at]; ok {
		return s
	}
	if len(f.seats) >= keepSeats {
		for at, s := range f.seats {
			if s.busy == 0 {
				delete(f.seats, at)
			}
		}
	}
	s := &forwardSeat{
		server:  modelserver.New(modelserver.Settings{URL: at.url, Key: at.key, HTTP: f.client}),
		host:    hostName(at.url),
		lacking: map[forwardLack]forwardMiss{},
	}
	f.seats[at] = s
	return s
}

// lacks remembers that an endpoint does not offer a call.
func (f *forwarder) lacks(s *forwardSeat, c *forwardCall, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(s.lacking) >= keepSeats {
		clear(s.lacking)
	}
	s.lacking[forwardLack{c.path, c.served}] = forwardMiss{time.Now().Add(keepLacking), why}
}

// call makes one attempt at an endpoint.
func (f *forwarder) call(ctx context.Context, s *forwardSeat, c *forwardCall) (modelserver.Forwarded, error) {
	f.mu.Lock()
	s.busy++
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		s.busy--
		f.mu.Unlock()
	}()
	return s.server.Forward(ctx, c.path, c.body, f.most())
}

func hostName(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "" // it was checked
	}
	return u.Host
}
