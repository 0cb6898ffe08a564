package llmproxy

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/sony/gobreaker/v2"
)

// What an attempt says about its endpoint.
var (
	errSick    = errors.New("the endpoint fails")
	errNoSigns = errors.New("nothing learnt about the endpoint") // overloaded, odd answer, or given up by us
)

// endpoint is one base URL with the key that goes there. Its fields are guarded by the provider's lock.
type endpoint struct {
	id      string
	url     string
	key     string // never logged; removed from every error
	chat    openai.ChatCompletionService
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	flying  int // attempts in progress
	pools   int // pools that use it
}

func newEndpoint(log *slog.Logger, cfg Config, id, url, key string, client *http.Client) *endpoint {
	// The service is made from options alone. openai.NewClient would add key, organisation and headers from the
	// environment, for whatever host.
	opts := []option.RequestOption{option.WithBaseURL(url), option.WithHTTPClient(client), option.WithMaxRetries(0)}
	if key != "" {
		opts = append(opts, option.WithAPIKey(key))
	}
	return &endpoint{
		id: id, url: url, key: key, chat: openai.NewChatCompletionService(opts...),
		breaker: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Name: url, Timeout: cfg.BreakerWait,
			ReadyToTrip: func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= cfg.BreakerFailures },
			IsExcluded:  func(err error) bool { return errors.Is(err, errNoSigns) },
			OnStateChange: func(name string, from, to gobreaker.State) {
				switch {
				case to == gobreaker.StateOpen && from == gobreaker.StateClosed:
					log.Warn("model server is down; its calls wait", "endpoint", name)
				case to == gobreaker.StateClosed:
					log.Info("model server is back", "endpoint", name)
				}
			},
		}),
	}
}

// flight is leave to make one attempt at an endpoint. Report must be called once.
type flight struct {
	to     *endpoint
	probe  bool // a test whether the endpoint is back
	report func(error)
}

// board takes a place at the endpoint of the pool with the least work. down says that there are free places, but at
// endpoints that are down only.
func (p *pool) board() (f flight, down, ok bool) {
	defer clear(p.tried)
	for {
		var best *endpoint
		for _, e := range p.endpoints {
			if e.flying < p.spec.limit && !p.tried[e] && (best == nil || e.flying < best.flying) {
				best = e
			}
		}
		if best == nil {
			return flight{}, len(p.tried) > 0, false
		}
		report, err := best.breaker.Allow()
		if err == nil {
			best.flying++
			return flight{to: best, probe: best.breaker.State() == gobreaker.StateHalfOpen, report: report}, false, true
		}
		p.tried[best] = true
	}
}

// hostOf is what errors and logs may say of an endpoint.
func hostOf(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		return u.Host
	}
	return "?"
}
