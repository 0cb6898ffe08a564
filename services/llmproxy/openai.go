package llmproxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openai/openai-go/v3"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// openaiProvider sends calls to model servers. Calls with the same model wait in a pool; whenever a place at an
// endpoint is free, the next call of a pool that uses it takes off. All fields below mu are guarded by it.
type openaiProvider struct {
	log    *slog.Logger
	cfg    Config
	keys   keyring
	client *http.Client
	timers *timers

	mu        sync.Mutex
	pools     map[string]*pool
	order     []*pool // pools take turns
	endpoints map[string]*endpoint
	waking    bool // a timer will look again at endpoints that are down
	flights   sync.WaitGroup
}

// spec is a model as its calls need it.
type spec struct {
	id        string
	endpoints []seat
	params    openai.ChatCompletionNewParams // without messages
	timeout   time.Duration
	limit     int // attempts in flight per endpoint
}

// seat is an endpoint that a model names, and the key it gets.
type seat struct{ url, key string }

// pool is the calls of one model.
type pool struct {
	spec      *spec
	queue     fairQueue
	endpoints []*endpoint
	tried     map[*endpoint]bool
	busy      int       // calls not finished: waiting, in flight, or between attempts
	down      time.Time // since when no endpoint could be asked; zero: one can
	last      string    // the last failure, for calls that are given up without an attempt
	warned    string    // the last failure that was logged
}

func newOpenAI(log *slog.Logger, cfg Config, keys keyring, t *timers) *openaiProvider {
	return &openaiProvider{
		log: log, cfg: cfg, keys: keys, client: newHTTPClient(), timers: t,
		pools: map[string]*pool{}, endpoints: map[string]*endpoint{},
	}
}

func (o *openaiProvider) prepare(m *scenario.Model, _ *llm.Facts, purpose uint8) (player, error) {
	if len(m.Endpoints) == 0 || m.Model == "" {
		return nil, fmt.Errorf("%w: it needs endpoints and a model name", errModel)
	}
	s := &spec{timeout: time.Duration(m.Timeout), limit: m.Concurrency}
	for _, raw := range m.Endpoints {
		u, err := endpointURL(raw, o.cfg.AllowHosts)
		if err != nil {
			return nil, err
		}
		key, err := o.keys.key(u, m.APIKeyEnv)
		if err != nil {
			return nil, err
		}
		if at := (seat{strings.TrimRight(u.String(), "/"), key}); !slices.Contains(s.endpoints, at) {
			s.endpoints = append(s.endpoints, at)
		}
	}
	if s.timeout <= 0 {
		s.timeout = o.cfg.Timeout
	}
	if s.limit <= 0 {
		s.limit = o.cfg.Concurrency
	}
	s.params = chatParams(m, purpose)
	s.id = fmt.Sprintf("%q %q %v %v %d %d %d", m.Model, s.endpoints, value(m.Temperature), value(m.TopP), m.MaxTokens, s.limit, s.timeout)
	return remote{o, s}, nil
}

func value(p *float64) any {
	if p == nil {
		return "default"
	}
	return *p
}

func chatParams(m *scenario.Model, purpose uint8) openai.ChatCompletionNewParams {
	p := openai.ChatCompletionNewParams{Model: m.Model}
	if m.Temperature != nil {
		p.Temperature = openai.Float(*m.Temperature)
	}
	if m.TopP != nil {
		p.TopP = openai.Float(*m.TopP)
	}
	if purpose == llm.PurposeExtract {
		// Reading a value out of a text is not a place for variety.
		p.Temperature = openai.Float(0)
	}
	if m.MaxTokens > 0 {
		p.MaxTokens = openai.Int(int64(m.MaxTokens))
		if openAIOnly(m.Endpoints) {
			// OpenAI's newer models refuse the older name; other servers may not know the newer.
			p.MaxTokens, p.MaxCompletionTokens = p.MaxCompletionTokens, p.MaxTokens
		}
	}
	return p
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
	spec     *spec
}

func (remote) reads() bool { return true }

// play queues the calls of x, unless so many of the model wait already that they would take the places of others.
func (r remote) play(ctx context.Context, x *exchange) {
	if !r.provider.take(ctx, r.spec, x) {
		x.end(llm.RefusedBusy)
	}
}

func (o *openaiProvider) take(ctx context.Context, s *spec, x *exchange) bool {
	n := len(x.asks)
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.pool(s)
	if p.busy > 0 && p.busy+n > o.cfg.ModelCalls { // as with the roll, one request always gets in
		return false
	}
	p.queue.add(x)
	p.busy += n
	o.pump(ctx)
	return true
}

// pool finds or makes the pool of a model. A pool lives while it has calls.
func (o *openaiProvider) pool(s *spec) *pool {
	if p, ok := o.pools[s.id]; ok {
		return p
	}
	p := &pool{spec: s, tried: map[*endpoint]bool{}}
	for _, at := range s.endpoints {
		id := at.url + "\x00" + at.key
		e, ok := o.endpoints[id]
		if !ok {
			e = newEndpoint(o.log, o.cfg, id, at.url, at.key, o.client)
			o.endpoints[id] = e
		}
		e.pools++
		p.endpoints = append(p.endpoints, e)
	}
	o.pools[s.id] = p
	o.order = append(o.order, p)
	return p
}

// finish counts calls of a pool that have their result, and drops the pool after the last.
func (o *openaiProvider) finish(p *pool, calls int) {
	p.busy -= calls
	if p.busy > 0 {
		return
	}
	delete(o.pools, p.spec.id)
	o.order = slices.DeleteFunc(o.order, func(q *pool) bool { return q == p })
	for _, e := range p.endpoints {
		if e.pools--; e.pools == 0 {
			delete(o.endpoints, e.id)
		}
	}
}

// close waits for the attempts in flight, whose context has ended, and drops idle connections.
func (o *openaiProvider) close() {
	o.flights.Wait()
	o.client.CloseIdleConnections()
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.pools)
	clear(o.endpoints)
	o.order = nil
}
