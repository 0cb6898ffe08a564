package agenthost

import "github.com/prometheus/client_golang/prometheus"

// Metrics of a host. They are computed when they are asked for: nothing is counted on the way of an agent.
var (
	descAgents   = describe("agents", "Agents that this host owns: those of populations and those that are code.")
	descCode     = describe("code_agents", "Code agents that live on this host.")
	descRuns     = describe("runs", "Runs that this host has a part in or keeps for questions to their agents.")
	descShards   = describe("shards", "Shards of agents that this host owns.")
	descQueued   = describe("agents_queued", "Agents of open rounds that have something to answer and whose turn has not begun.")
	descInFlight = describe("agents_in_flight", "Agents that wait for a model.")
	descLimit    = describe("agents_in_flight_limit", "Agents that may wait for a model at once.")
	descBytes    = describe("request_bytes", "Bytes of requests to models without an answer.")
	descRecords  = describe("records_unacknowledged", "Records on their way to the run log.")
)

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("myriad", "agenthost", name), help, nil, nil)
}

// Describe names what Collect gives.
func (s *Service) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descAgents, descCode, descRuns, descShards, descQueued, descInFlight, descLimit, descBytes, descRecords} {
		ch <- d
	}
}

// Collect gives the figures of this moment. It may be called between Start and Stop, by any goroutine.
func (s *Service) Collect(ch chan<- prometheus.Metric) {
	s.mu.Lock()
	runs := make([]*run, 0, len(s.runs))
	for _, h := range s.runs {
		runs = append(runs, h.run)
	}
	s.mu.Unlock()
	code := s.code.Agents()
	agents, shards, queued := code, 0, 0
	for _, r := range runs {
		asking := r.asking() != nil
		for _, sh := range r.owned() {
			shards++
			agents += sh.n
			if asking {
				sh.mu.Lock()
				queued += sh.todo
				sh.mu.Unlock()
			}
		}
	}
	for d, v := range map[*prometheus.Desc]int64{
		descAgents: int64(agents), descCode: int64(code), descRuns: int64(len(runs)), descShards: int64(shards), descQueued: int64(queued),
		descInFlight: s.flight.inUse(), descLimit: int64(s.cfg.InFlight), descBytes: s.asker.bytes.inUse(),
		descRecords: int64(len(s.appender.places)),
	} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
}
