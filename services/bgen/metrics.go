package bgen

import "github.com/prometheus/client_golang/prometheus"

var (
	descAdmitted = prometheus.NewDesc("myriad_bgen_requests", "Requests for populations in work or waiting.", nil, nil)
	descRequests = prometheus.NewDesc("myriad_bgen_requests_total",
		"Requests for populations; outcome is drawn, reused, refused or failed.", []string{"outcome"}, nil)
	descDrawn = prometheus.NewDesc("myriad_bgen_agents_drawn_total", "Agents of all populations drawn.", nil, nil)
)

// Describe names what Collect gives.
func (s *Service) Describe(ch chan<- *prometheus.Desc) {
	ch <- descAdmitted
	ch <- descRequests
	ch <- descDrawn
}

// Collect gives the figures since the start.
func (s *Service) Collect(ch chan<- prometheus.Metric) {
	s.mu.Lock()
	admitted := s.admitted
	s.mu.Unlock()
	u := s.usage.read()
	ch <- prometheus.MustNewConstMetric(descAdmitted, prometheus.GaugeValue, float64(admitted))
	ch <- prometheus.MustNewConstMetric(descDrawn, prometheus.CounterValue, float64(u.Agents))
	for outcome, n := range map[string]int64{"drawn": u.Drawn, "reused": u.Reused, "refused": u.Refused, "failed": u.Failed} {
		ch <- prometheus.MustNewConstMetric(descRequests, prometheus.CounterValue, float64(n), outcome)
	}
}
