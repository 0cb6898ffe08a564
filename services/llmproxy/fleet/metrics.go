package fleet

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/myriad-sim/myriad/internal/modelserver"
)

// metrics are what the fleet counts, by the endpoint's host and the scenario's name of the model.
type metrics struct {
	up, limit *prometheus.GaugeVec
	inFlight  *prometheus.GaugeVec
	batches   *prometheus.HistogramVec
	retries   *prometheus.CounterVec
	hedges    *prometheus.CounterVec
	spills    *prometheus.CounterVec
	shared    *prometheus.CounterVec
	queued    queued
}

// series are the metrics of an endpoint and a model, looked up once.
type series struct {
	inFlight       prometheus.Gauge
	batches        prometheus.Observer
	hedges, spills prometheus.Counter
	retries        *prometheus.CounterVec // by kind
}

func newMetrics(f *Fleet) *metrics {
	name := func(s string) string { return prometheus.BuildFQName("myriad", "llmproxy", s) }
	at, by := []string{"endpoint"}, []string{"endpoint", "model"}
	return &metrics{
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name("endpoint_up"),
			Help: "1 while a model server can be asked, 0 while it is down."}, at),
		limit: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name("endpoint_limit"),
			Help: "Conversations that a model server is given at a time."}, at),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name("endpoint_in_flight"),
			Help: "Conversations that a model server works on."}, by),
		batches: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name("batch_conversations"),
			Help: "Conversations in a batch.", Buckets: prometheus.ExponentialBuckets(2, 2, 9)}, by),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name("endpoint_retries_total"),
			Help: "Calls asked again, by what went wrong."}, append(by, "kind")),
		hedges: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name("hedges_total"),
			Help: "Slow calls asked a second time, by where."}, by),
		spills: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name("spills_total"),
			Help: "Calls that went to another model server than the home of their system prompt, by where."}, by),
		shared: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name("shared_total"),
			Help: "Calls that took the answer to an equal call."}, []string{"model"}),
		queued: queued{f},
	}
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.up, m.limit, m.inFlight, m.batches, m.retries, m.hedges, m.spills, m.shared, m.queued}
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
			return fmt.Errorf("fleet: register metrics: %w", err)
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

// forget drops the gauges of an endpoint that is known no more.
func (m *metrics) forget(e *endpoint) {
	gone := prometheus.Labels{"endpoint": e.host}
	m.up.DeletePartialMatch(gone)
	m.limit.DeletePartialMatch(gone)
	m.inFlight.DeletePartialMatch(gone)
}

// series finds the metrics of an endpoint and a model. f.mu is held.
func (f *Fleet) series(e *endpoint, s *Spec) *series {
	if found, ok := e.series[s.Name]; ok {
		return found
	}
	m := f.metrics
	made := &series{
		inFlight: m.inFlight.WithLabelValues(e.host, s.Name),
		batches:  m.batches.WithLabelValues(e.host, s.Name),
		hedges:   m.hedges.WithLabelValues(e.host, s.Name),
		spills:   m.spills.WithLabelValues(e.host, s.Name),
		retries:  m.retries.MustCurryWith(prometheus.Labels{"endpoint": e.host, "model": s.Name}),
	}
	e.series[s.Name] = made
	return made
}

func (s *series) retried(k modelserver.Kind, calls int) {
	s.retries.WithLabelValues(k.String()).Add(float64(calls))
}
