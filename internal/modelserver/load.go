package modelserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Load reads what the server says about its work, from /metrics beside the base path. It knows the metrics of vLLM, by
// their present and their older names. It returns ErrNoMetrics if there are none, and then at once for later calls
// until Healthy finds the server back. Other errors are of type *Error.
func (s *Server) Load(ctx context.Context) (Load, error) {
	if s.noMetrics.Load() {
		return Load{}, ErrNoMetrics
	}
	if s.broken != "" {
		return Load{}, s.unusable()
	}
	got, err := s.exchange(ctx, &s.metrics, nil)
	switch {
	case silent(err):
		s.noMetrics.Store(true)
		return Load{}, ErrNoMetrics
	case err != nil:
		return Load{}, err
	}
	load, err := parseLoad(got.body)
	switch {
	case errors.Is(err, ErrNoMetrics):
		s.noMetrics.Store(true)
		return Load{}, err
	case err != nil:
		return Load{}, s.malformed(got.status, err)
	}
	return load, nil
}

// Names of the metrics, the present one first. The older ones are those of vLLM before its version 1 engine was the only
// one, when the cache could only be on a GPU.
var (
	runningNames = []string{"vllm:num_requests_running"}
	waitingNames = []string{"vllm:num_requests_waiting"}
	cacheNames   = []string{"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"}
	queriesNames = []string{"vllm:prefix_cache_queries_total", "vllm:prefix_cache_queries", "vllm:gpu_prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries"}
	hitsNames    = []string{"vllm:prefix_cache_hits_total", "vllm:prefix_cache_hits", "vllm:gpu_prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits"}
)

// parseLoad reads the text format of Prometheus.
func parseLoad(text []byte) (Load, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(wanted(text)))
	if err != nil {
		return Load{}, fmt.Errorf("metrics: %w", err)
	}
	var l Load
	for _, of := range []struct {
		to    *float64
		names []string
		join  func(a, b float64) float64
	}{
		{&l.Running, runningNames, sum},
		{&l.Waiting, waitingNames, sum},
		{&l.CacheUsage, cacheNames, math.Max},
		{&l.PrefixQueries, queriesNames, sum},
		{&l.PrefixHits, hitsNames, sum},
	} {
		for _, name := range of.names {
			f := families[name]
			if f == nil {
				continue
			}
			for _, m := range f.Metric {
				v := valueOf(m)
				if !(v >= 0) || math.IsInf(v, 1) {
					return Load{}, fmt.Errorf("metrics: %s is %v", name, v)
				}
				*of.to = of.join(*of.to, v)
			}
			break
		}
	}
	if families[runningNames[0]] == nil {
		return Load{}, ErrNoMetrics
	}
	l.CacheUsage = min(l.CacheUsage, 1)
	return l, nil
}

func sum(a, b float64) float64 { return a + b }

func valueOf(m *dto.Metric) float64 {
	switch {
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Untyped != nil:
		return m.Untyped.GetValue()
	}
	return math.NaN()
}

// wanted keeps the lines of the metrics that are read: a server has thousands of others, and is asked each second.
func wanted(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		name := bytes.TrimPrefix(line, []byte("# TYPE "))
		if end := bytes.IndexAny(name, "{ \t"); end > 0 && isWanted(name[:end]) {
			out = append(out, line...)
		}
	}
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	return out
}

func isWanted(name []byte) bool {
	for _, names := range [][]string{runningNames, waitingNames, cacheNames, queriesNames, hitsNames} {
		if slices.Contains(names, string(name)) {
			return true
		}
	}
	return false
}
