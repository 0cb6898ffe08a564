package coordinator

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// metrics are the coordinator's own. They have a registry of their own, so that several coordinators of one process do
// not meet in the process-wide one; what is served has both.
type metrics struct {
	svc      *Service
	registry *prometheus.Registry
	rounds   prometheus.Counter
	answers  prometheus.Counter
	runs     *prometheus.Desc
	hosts    *prometheus.Desc
	answered *prometheus.Desc
	expected *prometheus.Desc
}

func newMetrics(s *Service) *metrics {
	m := &metrics{
		svc:      s,
		registry: prometheus.NewRegistry(),
		rounds:   prometheus.NewCounter(prometheus.CounterOpts{Name: "myriad_rounds_closed_total", Help: "Rounds closed since the coordinator started."}),
		answers:  prometheus.NewCounter(prometheus.CounterOpts{Name: "myriad_answers_accepted_total", Help: "Answers accepted in rounds closed since the coordinator started."}),
		runs:     prometheus.NewDesc("myriad_runs", "Runs by state.", []string{"state"}, nil),
		hosts:    prometheus.NewDesc("myriad_hosts", "Agent hosts that show signs of life.", nil, nil),
		answered: prometheus.NewDesc("myriad_round_answered", "Answers so far in the open rounds of running runs.", nil, nil),
		expected: prometheus.NewDesc("myriad_round_expected", "Answers that the open rounds of running runs need.", nil, nil),
	}
	m.registry.MustRegister(m)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(prometheus.Gatherers{prometheus.DefaultGatherer, m.registry}, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, // while the broker is away the rest is still worth having
	})
}

// Describe names what Collect gives.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.runs, m.hosts, m.answered, m.expected} {
		ch <- d
	}
	m.rounds.Describe(ch)
	m.answers.Describe(ch)
}

// Collect counts runs and hosts.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.rounds.Collect(ch)
	m.answers.Collect(ch)
	ch <- prometheus.MustNewConstMetric(m.hosts, prometheus.GaugeValue, float64(len(m.svc.living())))
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	list, err := m.svc.current(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(m.runs, err)
		return
	}
	states := map[string]int{"created": 0, "running": 0, "paused": 0, "finished": 0, "failed": 0, "cancelled": 0}
	answered, expected := 0, 0
	for _, i := range list {
		states[i.State]++
		if i.State == "running" {
			answered, expected = answered+i.Answered, expected+i.Expected
		}
	}
	ch <- prometheus.MustNewConstMetric(m.answered, prometheus.GaugeValue, float64(answered))
	ch <- prometheus.MustNewConstMetric(m.expected, prometheus.GaugeValue, float64(expected))
	for state, n := range states {
		ch <- prometheus.MustNewConstMetric(m.runs, prometheus.GaugeValue, float64(n), state)
	}
}

// Describe names what Collect gives.
func (s *Service) Describe(ch chan<- *prometheus.Desc) { s.metrics.Describe(ch) }

// Collect gives the coordinator's metrics of this moment. It may be called between Start and Stop, by any goroutine.
func (s *Service) Collect(ch chan<- prometheus.Metric) { s.metrics.Collect(ch) }

// count reads closed records as they are appended, until ctx is done.
func (m *metrics) count(ctx context.Context) {
	const again = time.Second
	next := uint64(0)
	for ctx.Err() == nil {
		if err := m.follow(ctx, &next); err != nil && ctx.Err() == nil {
			m.svc.log.Warn("closed rounds are not counted, trying again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

func (m *metrics) follow(ctx context.Context, next *uint64) error {
	if *next == 0 {
		stream, err := m.svc.js.Stream(ctx, subjects.StreamLog)
		if err != nil {
			return fmt.Errorf("stream %s: %w", subjects.StreamLog, err)
		}
		*next = stream.CachedInfo().State.LastSeq + 1
	}
	return runlog.Follow(ctx, m.svc.js, *next, []string{subjects.AnyRunCtlKind(subjects.KindClosed)}, nil, func(e runlog.Entry) error {
		*next = e.Seq + 1
		var c runlog.Closed
		_, body, err := runlog.Decode(e.Data)
		if err == nil {
			err = msgpack.Unmarshal(body, &c)
		}
		if err == nil { // whoever drives the run reports a damaged record
			m.rounds.Inc()
			m.answers.Add(float64(c.Accepted))
		}
		return nil
	})
}
