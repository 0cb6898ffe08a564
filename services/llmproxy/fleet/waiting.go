package fleet

import "github.com/prometheus/client_golang/prometheus"

var descQueued = prometheus.NewDesc("myriad_llmproxy_calls_queued", "Calls that wait for a place at a model server.", nil, nil)

// queued counts, when asked, the calls that wait for a place. It is what more llmproxies or more servers would shorten.
type queued struct{ fleet *Fleet }

// Describe names what Collect gives.
func (q queued) Describe(ch chan<- *prometheus.Desc) { ch <- descQueued }

// Collect adds up the pools.
func (q queued) Collect(ch chan<- prometheus.Metric) {
	q.fleet.mu.Lock()
	n := 0
	for _, p := range q.fleet.order {
		n += p.queue.waiting
	}
	q.fleet.mu.Unlock()
	ch <- prometheus.MustNewConstMetric(descQueued, prometheus.GaugeValue, float64(n))
}
