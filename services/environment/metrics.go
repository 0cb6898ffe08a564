package environment

import "github.com/prometheus/client_golang/prometheus"

var (
	descTrees    = prometheus.NewDesc("myriad_environment_trees", "Trees of environments that this process has in memory.", nil, nil)
	descWaiting  = prometheus.NewDesc("myriad_environment_waiting_bytes", "Bytes of calls to environments that wait.", nil, nil)
	descHubs     = prometheus.NewDesc("myriad_hub_open", "Hubs that this process has in memory.", nil, nil)
	descHubBytes = prometheus.NewDesc("myriad_hub_waiting_bytes", "Bytes of requests to hubs that wait.", nil, nil)
)

// Describe names what Collect gives.
func (s *Service) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descTrees, descWaiting, descHubs, descHubBytes} {
		ch <- d
	}
}

// Collect gives the figures of this moment.
func (s *Service) Collect(ch chan<- prometheus.Metric) {
	trees, waiting := s.engine.Load()
	hubs, hubBytes := s.hubs.Load()
	for d, v := range map[*prometheus.Desc]int64{descTrees: int64(trees), descWaiting: waiting, descHubs: int64(hubs), descHubBytes: int64(hubBytes)} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
}
