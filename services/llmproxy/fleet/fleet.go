package fleet

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Fleet sends calls to model servers. Make one with New; Start and Stop are called once each, Submit between them by any
// goroutine.
type Fleet struct {
	cfg     Config
	log     *slog.Logger
	ledger  Ledger
	news    Reporter
	metrics *metrics

	cancel  context.CancelFunc
	running sync.WaitGroup // the pump
	crew    crew           // makes attempts, which the pump starts
	looks   sync.WaitGroup // probes and readings of loads, which the pump starts
	wake    chan struct{}  // the pump looks again

	// Guarded by mu, and so is everything that is reached from here.
	mu        sync.Mutex
	stopped   bool
	pools     map[string]*pool
	order     []*pool // pools take turns
	turnOf    int
	endpoints map[Endpoint]*endpoint
	alarms    alarms
	shares    map[string]*shares // by run
	probes    []*endpoint        // the pump is to test them
	reads     []*endpoint        // the pump is to read their load
	hedges    []*flight          // the pump is to ask them a second time when there is a place
	tidings   []tiding           // the pump is to tell them
}

// ErrConfig: a number of the configuration is not more than zero, or something in it is missing.
var ErrConfig = errors.New("fleet: bad configuration")

// New makes a fleet that does nothing before Start.
func New(cfg Config, log *slog.Logger, ledger Ledger, news Reporter) (*Fleet, error) {
	if min(cfg.ModelCalls, cfg.Concurrency, cfg.MaxConcurrency, cfg.MaxBatch, cfg.BatchMaxTokens, cfg.MaxAttempts, cfg.BreakerFailures) <= 0 ||
		min(cfg.RetryFor, cfg.Backoff, cfg.BackoffMax, cfg.RetryAfterMax, cfg.BreakerWait, cfg.DownAfter) <= 0 ||
		!(cfg.SpillFactor > 0) || cfg.Dial == nil {
		return nil, ErrConfig
	}
	f := &Fleet{
		cfg: cfg, log: log, ledger: ledger, news: news, wake: make(chan struct{}, 1),
		pools: map[string]*pool{}, endpoints: map[Endpoint]*endpoint{}, shares: map[string]*shares{},
	}
	f.metrics = newMetrics(f)
	return f, nil
}

// Start lets calls take off, until Stop; ctx bounds nothing but is what attempts inherit their values from.
func (f *Fleet) Start(ctx context.Context) error {
	if err := f.metrics.register(f.cfg.Registerer); err != nil {
		return err
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.cancel = cancel
	f.running.Go(func() { f.run(work) })
	return nil
}

// Stop cancels all attempts and returns when every goroutine has ended. Calls without a completion get none: they are
// neither completed nor refused.
func (f *Fleet) Stop() {
	if f.cancel == nil {
		return
	}
	f.mu.Lock()
	f.stopped = true
	f.mu.Unlock()
	f.cancel()
	f.running.Wait()
	f.crew.wait()
	f.looks.Wait()
	f.metrics.unregister(f.cfg.Registerer)
}

// kick makes the pump look again. It never blocks.
func (f *Fleet) kick() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run is the pump.
func (f *Fleet) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		rest, due := f.turn(ctx)
		if due {
			timer.Reset(rest)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
		case <-f.wake:
		case <-timer.C:
		}
	}
}

// turn does all that can be done now, and returns when something is due next.
func (f *Fleet) turn(ctx context.Context) (time.Duration, bool) {
	f.mu.Lock()
	now := time.Now()
	f.ring(now)
	f.hedges = slices.DeleteFunc(f.hedges, func(fl *flight) bool { return f.hedge(ctx, fl, now) })
	f.pump(ctx, now)
	f.errands(ctx)
	tidings := f.tidings
	f.tidings = nil
	rest, due := f.quiet(now)
	f.mu.Unlock()
	for _, t := range tidings {
		t.tell(f.news)
	}
	return rest, due
}

// pump lets calls take off while there are places for them, a pool at a time in turn. f.mu is held.
func (f *Fleet) pump(ctx context.Context, now time.Time) {
	for stuck := 0; stuck < len(f.order) && ctx.Err() == nil; {
		p := f.order[f.turnOf%len(f.order)]
		f.turnOf++
		if !f.launch(ctx, p, now) {
			stuck++
			continue
		}
		stuck = 0
	}
}

// errands starts what alarms asked for. f.mu is held.
func (f *Fleet) errands(ctx context.Context) {
	for _, e := range f.probes {
		f.looks.Go(func() { f.probe(ctx, e) })
	}
	for _, e := range f.reads {
		f.looks.Go(func() { f.readLoad(ctx, e) })
	}
	f.probes, f.reads = nil, nil
}
