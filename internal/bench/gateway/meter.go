package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/myriad-sim/myriad/internal/bench"
)

// meter counts calls and their ends.
type meter struct {
	sent, answered, twice, failed atomic.Int64

	mu   sync.Mutex
	why  string    // the first failure
	from time.Time // times of calls are kept that were sent after it; zero: none are
	took []float64 // seconds
}

// fail counts n calls that ended without a completion.
func (m *meter) fail(n int, why string) {
	m.failed.Add(int64(n))
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.why == "" {
		m.why = why
	}
}

// timed keeps how long n calls took that were sent at a moment.
func (m *meter) timed(sent time.Time, n int) {
	took := time.Since(sent).Seconds()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.from.IsZero() || sent.Before(m.from) {
		return
	}
	for range n {
		m.took = append(m.took, took)
	}
}

// window lets what was started warm up, and returns the completions a second of the time that follows.
func (m *meter) window(ctx context.Context, l *Load) (float64, error) {
	if err := wait(ctx, l.Warm); err != nil {
		return 0, err
	}
	before, began := m.answered.Load(), time.Now()
	if l.Rate > 0 {
		m.mu.Lock()
		m.from = began
		m.mu.Unlock()
	}
	if err := wait(ctx, l.For); err != nil {
		return 0, err
	}
	return float64(m.answered.Load()-before) / time.Since(began).Seconds(), nil
}

// figures are what came of all calls, once the last has ended. Calls that got lost are an error.
func (m *meter) figures() (bench.Figures, error) {
	sent, answered, twice, failed := m.sent.Load(), m.answered.Load(), m.twice.Load(), m.failed.Load()
	m.mu.Lock()
	defer m.mu.Unlock()
	if answered != sent || twice > 0 || failed > 0 {
		return nil, fmt.Errorf("%w: %d calls sent, %d answered, %d of them twice, %d failed: %s", bench.ErrLost, sent, answered, twice, failed, m.why)
	}
	out := bench.Figures{Sent: float64(sent), Answered: float64(answered), Lost: float64(sent - answered), Twice: float64(twice)}
	if len(m.took) > 0 {
		slices.Sort(m.took)
		out[P50], out[P99] = m.took[len(m.took)/2], m.took[len(m.took)*99/100]
	}
	return out, nil
}

// wait waits for a time, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pace calls fire a number of times a second until ctx ends. When it is late it catches up.
func pace(ctx context.Context, perSecond float64, fire func()) {
	every := time.Duration(float64(time.Second) / perSecond)
	for next := time.Now(); ; next = next.Add(every) {
		if ahead := time.Until(next); ahead > 0 {
			if wait(ctx, ahead) != nil {
				return
			}
		} else if ctx.Err() != nil {
			return
		}
		fire()
	}
}
