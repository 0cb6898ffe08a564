package llmproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/modelserver"
	"github.com/myriad-sim/myriad/internal/reading"
	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/llmproxy/fleet"
)

// openaiProvider has calls answered by model servers: it says what a call needs, the fleet does the rest.
type openaiProvider struct {
	log    *slog.Logger
	cfg    Config
	keys   keyring
	prices usage.Prices
	client *http.Client
	queue  *queue

	book  *usage.Book // nil before start
	fleet *fleet.Fleet
}

func newOpenAI(log *slog.Logger, cfg Config, q *queue) (*openaiProvider, error) {
	keys, err := newKeyring(cfg.KeyHosts)
	if err != nil {
		return nil, err
	}
	o := &openaiProvider{log: log, cfg: cfg, keys: keys, client: modelserver.NewHTTPClient(), queue: q}
	if cfg.Prices != "" {
		if o.prices, err = usage.LoadPrices(cfg.Prices); err != nil {
			return nil, fmt.Errorf("%w: %sPRICES: %w", ErrConfig, EnvPrefix, err)
		}
	}
	return o, nil
}

// start opens the account of what runs spend and lets calls take off. ctx bounds starting only.
func (o *openaiProvider) start(ctx context.Context, nc *nats.Conn) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("llmproxy: jetstream: %w", err)
	}
	kv, err := js.KeyValue(ctx, subjects.BucketUsage)
	if err != nil {
		return fmt.Errorf("llmproxy: bucket %s: %w", subjects.BucketUsage, err)
	}
	id := nuid.Next()
	book := usage.NewBook(kv, id, o.log)
	book.In(o.prices.Currency)
	f, err := fleet.New(o.fleetConfig(), o.log, fleet.Books(book), outages{nc, o.log, id})
	if err != nil {
		return fmt.Errorf("llmproxy: %w", err)
	}
	if err := book.Start(ctx); err != nil {
		return fmt.Errorf("llmproxy: %w", err)
	}
	o.book = book
	if err := f.Start(ctx); err != nil {
		return fmt.Errorf("llmproxy: %w", err)
	}
	o.fleet = f
	return nil
}

func (o *openaiProvider) fleetConfig() fleet.Config {
	c := o.cfg
	return fleet.Config{
		ModelCalls: c.ModelCalls, Concurrency: c.Concurrency, MaxConcurrency: c.MaxConcurrency, MaxBatch: c.MaxBatch,
		BatchMaxTokens: c.BatchMaxTokens, Affinity: c.Affinity, SpillFactor: c.SpillFactor, MaxAttempts: c.MaxAttempts, RetryFor: c.RetryFor,
		Backoff: c.Backoff, BackoffMax: c.BackoffMax, RetryAfterMax: c.RetryAfterMax, BreakerFailures: c.BreakerFailures,
		BreakerWait: c.BreakerWait, DownAfter: c.DownAfter, Registerer: c.Registerer,
		Dial: func(e fleet.Endpoint) fleet.Server {
			return modelserver.New(modelserver.Settings{URL: e.URL, Key: e.Key, HTTP: o.client})
		},
	}
}

// bookTime bounds the last entries of the account when the service stops.
const bookTime = 5 * time.Second

// close cancels the calls in flight, and returns when all goroutines have ended and what was spent is in the account.
func (o *openaiProvider) close(ctx context.Context, connected bool) error {
	if o.fleet != nil {
		o.fleet.Stop()
	}
	o.client.CloseIdleConnections()
	if o.book == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, bookTime)
	defer cancel()
	if !connected {
		cancel() // what is not in the account stays reserved there, and counts as spent
	}
	err := o.book.Stop(ctx)
	if !connected && err != nil {
		o.log.Warn("what was spent last is not in the account", "error", err)
		return nil
	}
	return err
}

func (o *openaiProvider) prepare(m *scenario.Model, f *llm.Facts, purpose uint8) (player, error) {
	if len(m.Endpoints) == 0 || m.Model == "" {
		return nil, fmt.Errorf("%w: it needs endpoints and a model name", errModel)
	}
	s := &fleet.Spec{
		Name: m.Name, Timeout: time.Duration(m.Timeout), Concurrency: m.Concurrency, ShareIdentical: m.ShareIdentical, Hedge: m.Hedge,
	}
	for _, raw := range m.Endpoints {
		u, err := o.cfg.endpointURL(raw)
		if err != nil {
			return nil, err
		}
		key, err := o.keys.key(u, m.APIKeyEnv)
		if err != nil {
			return nil, err
		}
		if at := (fleet.Endpoint{URL: strings.TrimRight(u.String(), "/"), Key: key}); !slices.Contains(s.Endpoints, at) {
			s.Endpoints = append(s.Endpoints, at)
		}
	}
	if s.Timeout <= 0 {
		s.Timeout = o.cfg.Timeout
	}
	var priced bool
	s.Price, priced = o.prices.Of(m.Model)
	var err error
	if s.Params, err = chatParams(m, f, purpose); err != nil {
		return nil, err
	}
	return remote{o, s, priced}, nil
}

// chatParams is what a server is told beside the messages.
func chatParams(m *scenario.Model, f *llm.Facts, purpose uint8) (modelserver.Params, error) {
	p := modelserver.Params{
		Model: m.Model, Temperature: m.Temperature, TopP: m.TopP, MaxTokens: max(m.MaxTokens, 0),
		// OpenAI's newer models refuse the older name; other servers may not know the newer.
		NewerMaxTokens: openAIOnly(m.Endpoints),
	}
	switch purpose {
	case llm.PurposeExtract:
		// Reading a value out of a text is not a place for variety.
		p.Temperature = new(float64)
	case llm.PurposeAnswer, llm.PurposeReask:
		if m.Structured == "" || f.Type == "" {
			break
		}
		spec := reading.Spec{
			ID: f.Question, Type: f.Type, Min: f.Min, Max: f.Max, Decimals: f.Decimals, Points: f.Points, Choices: f.Choices, Language: f.Language, Tags: f.Tags,
		}
		var err error
		if p.ResponseFormat, p.StructuredOutputs, err = reading.StructuredFor(m.Structured, spec, f.Schema); err != nil {
			return p, fmt.Errorf("%w: structured: %w", errFacts, err)
		}
	}
	return p, nil
}

func openAIOnly(endpoints []string) bool {
	return !slices.ContainsFunc(endpoints, func(raw string) bool {
		u, err := url.Parse(raw)
		return err != nil || u.Hostname() != "api.openai.com"
	})
}

// remote is a player at model servers.
type remote struct {
	provider *openaiProvider
	spec     *fleet.Spec
	priced   bool
}

func (remote) reads() bool { return true }

// play hands the calls of x to the fleet, unless so many of the model wait already that they would take the places of
// others.
func (r remote) play(_ context.Context, x *exchange) {
	req, err := r.request(x)
	if err != nil {
		x.end(err.Error())
		return
	}
	if !r.provider.fleet.Submit(r.spec, req) {
		x.end(llm.RefusedBusy)
	}
}

var errNoPrice = errors.New("the budget is in money and the price of the model is not known; whoever runs llmproxy can state it")

func (r remote) request(x *exchange) (*fleet.Request, error) {
	req := &fleet.Request{
		Run: x.run, Round: x.round, Purpose: x.purpose, System: x.system, Len: len(x.asks),
		Messages: func(i int) []llm.Message { return x.body.Messages(x.asks[i]) },
		Bytes:    func(i int) (int, int) { return length(x.body.Messages(x.asks[i])) },
		Agent:    func(i int) uint64 { return x.asks[i].Agent },
		Complete: func(i int, c fleet.Completion) { x.complete(completion{i, c}) },
		// Who hears of it waits for the bus, which nobody may under the fleet's lock.
		Refuse:  func(why string) { r.provider.queue.push(func() { x.giveUp(why) }) },
		Retried: func(n int) { x.series.retries.Add(float64(n)) },
	}
	if x.deadline > 0 {
		req.Deadline = time.UnixMilli(x.deadline)
	}
	if x.budget == "" {
		return req, nil
	}
	b, err := llm.DecodeBudget([]byte(x.budget))
	if err != nil {
		return nil, fmt.Errorf("bad budget: %w", err)
	}
	if !r.priced && (b.Run.Micros > 0 || b.Model.Micros > 0) {
		return nil, fmt.Errorf("model %q: %w in the file of %sPRICES", r.spec.Name, errNoPrice, EnvPrefix)
	}
	req.Budget = &b
	return req, nil
}
