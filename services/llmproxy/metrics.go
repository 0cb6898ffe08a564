package llmproxy

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the service counts, by provider and model (the name in the scenario).
type metrics struct {
	calls    *prometheus.CounterVec
	retries  *prometheus.CounterVec
	tokens   *prometheus.CounterVec
	inFlight *prometheus.GaugeVec
	latency  *prometheus.HistogramVec
}

// series are the metrics of one model, looked up once and not once a call.
type series struct {
	answered, failed    prometheus.Counter
	retries             prometheus.Counter
	tokensIn, tokensOut prometheus.Counter
	inFlight            prometheus.Gauge
	latency             prometheus.Observer
}

func newMetrics() *metrics {
	by := []string{"provider", "model"}
	name := func(s string) string { return prometheus.BuildFQName("myriad", "llmproxy", s) }
	return &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name("calls_total"),
			Help: "Calls finished; outcome is answered or failed."}, append(by, "outcome")),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name("retries_total"),
			Help: "Attempts repeated because a model server failed."}, by),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name("tokens_total"),
			Help: "Tokens as reported by model servers; direction is in or out."}, append(by, "direction")),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name("calls_in_flight"),
			Help: "Calls accepted and not finished."}, by),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name("request_seconds"),
			Help:    "Time from accepting a request to its last result.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 10)}, by),
	}
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.calls, m.retries, m.tokens, m.inFlight, m.latency}
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	for i, c := range m.all() {
		if err := r.Register(c); err != nil {
			for _, mine := range m.all()[:i] {
				r.Unregister(mine)
			}
			return fmt.Errorf("llmproxy: register metrics: %w", err)
		}
	}
	return nil
}

func (m *metrics) unregister(r prometheus.Registerer) {
	if r == nil {
		return
	}
	for _, c := range m.all() {
		r.Unregister(c)
	}
}

func (m *metrics) series(provider, model string) *series {
	return &series{
		answered:  m.calls.WithLabelValues(provider, model, "answered"),
		failed:    m.calls.WithLabelValues(provider, model, "failed"),
		retries:   m.retries.WithLabelValues(provider, model),
		tokensIn:  m.tokens.WithLabelValues(provider, model, "in"),
		tokensOut: m.tokens.WithLabelValues(provider, model, "out"),
		inFlight:  m.inFlight.WithLabelValues(provider, model),
		latency:   m.latency.WithLabelValues(provider, model),
	}
}
