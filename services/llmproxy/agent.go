package llmproxy

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/modelserver"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/llmproxy/fleet"
)

// agentProvider has calls answered by code agents: programs of somebody's own, reached on the bus. A code agent is to the
// fleet what a model server is, so calls to it are bounded, fair between runs, tried again, and wait while nobody is there.
type agentProvider struct {
	log      *slog.Logger
	cfg      Config
	queue    *queue
	patience time.Duration // see agentServer

	fleet    *fleet.Fleet    // nil before start
	promises *promise.Holder // the same
}

// start lets calls go out.
func (p *agentProvider) start(ctx context.Context, nc *nats.Conn) error {
	c := p.cfg
	var err error
	if p.promises, err = promise.NewHolder(nc, p.log); err != nil {
		return fmt.Errorf("llmproxy: %w", err)
	}
	asker := &agentServer{nc: nc, promises: p.promises, patience: p.patience}
	f, err := fleet.New(fleet.Config{
		ModelCalls: c.ModelCalls, Concurrency: c.Concurrency, MaxConcurrency: c.MaxConcurrency, MaxBatch: 1, BatchMaxTokens: c.BatchMaxTokens,
		SpillFactor: c.SpillFactor, MaxAttempts: c.MaxAttempts, RetryFor: c.RetryFor, Backoff: c.Backoff, BackoffMax: c.BackoffMax,
		RetryAfterMax: c.RetryAfterMax, BreakerFailures: c.BreakerFailures, BreakerWait: c.BreakerWait, DownAfter: c.DownAfter,
		Dial: func(fleet.Endpoint) fleet.Server { return asker }, // each call names its subject
	}, p.log, costless{}, outages{nc, p.log, nuid.Next()})
	if err != nil {
		return fmt.Errorf("llmproxy: %w", err)
	}
	if err := f.Start(ctx); err != nil {
		return fmt.Errorf("llmproxy: %w", err)
	}
	p.fleet = f
	return nil
}

// close cancels the calls in flight and returns when all goroutines have ended.
func (p *agentProvider) close() {
	if p.fleet != nil {
		p.fleet.Stop()
	}
	if p.promises != nil {
		p.promises.Close()
	}
}

func (p *agentProvider) prepare(m *scenario.Model, f *llm.Facts, purpose uint8) (player, error) {
	if m.Host == "" || m.Agent == "" {
		return nil, fmt.Errorf("%w: it needs a host and an agent", errModel)
	}
	s := seat{
		provider: p, name: m.Name, address: subjects.CodeAddress(m.Host, m.Agent), host: m.Host,
		timeout: time.Duration(m.Timeout), concurrency: m.Concurrency,
	}
	if s.timeout <= 0 {
		s.timeout = p.cfg.Timeout
	}
	var err error
	if s.task, err = newTask(f, purpose); err != nil {
		return nil, err
	}
	return s, nil
}

// seat is a player that is a code agent.
type seat struct {
	provider    *agentProvider
	name        string // of the model
	address     subjects.Address
	host        string
	timeout     time.Duration
	concurrency int
	task        task
}

func (seat) reads() bool { return true }

// play hands the calls of x to the fleet, unless so many wait for the agent already that they would take the places of
// others.
func (s seat) play(_ context.Context, x *exchange) {
	req := &fleet.Request{
		Run: x.run, Round: x.round, Purpose: x.purpose, System: x.system, Len: len(x.asks),
		Messages: func(i int) []llm.Message { return s.task.messages(x, s.address, i) },
		Bytes:    func(int) (int, int) { return 0, 0 }, // nothing is spent
		Agent:    func(i int) uint64 { return x.asks[i].Agent },
		Complete: func(i int, c fleet.Completion) { x.complete(completion{i, c}) },
		Refuse:   func(why string) { s.provider.queue.push(func() { x.giveUp(why) }) },
		Retried:  func(n int) { x.series.retries.Add(float64(n)) },
	}
	if x.deadline > 0 {
		req.Deadline = time.UnixMilli(x.deadline)
	}
	if !s.provider.fleet.Submit(s.spec(x.run), req) {
		x.end(llm.RefusedBusy)
	}
}

// spec says to the fleet where the calls of a run go. An agent is another one in each run, and may be there in one of them
// and not in the other.
func (s seat) spec(run string) *fleet.Spec {
	at := fleet.Endpoint{URL: "nats://" + subjects.Encode(s.host) + "/" + subjects.At(run, s.address, subjects.VerbReply)}
	return &fleet.Spec{
		Name: s.name, Params: modelserver.Params{Model: string(s.address)}, Endpoints: []fleet.Endpoint{at},
		Timeout: s.timeout, Concurrency: s.concurrency,
	}
}

// costless is the ledger of players that spend nothing.
type costless struct{}

// Reserve implements fleet.Ledger.
func (costless) Reserve(string, string, llm.Budget, usage.Amount, func()) (fleet.Hold, error) {
	return costless{}, nil
}

// Add implements fleet.Ledger.
func (costless) Add(string, string, usage.Use) {}

// Settle implements fleet.Hold.
func (costless) Settle(usage.Use) {}
