package modelserver

import (
	"io"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

const presentMetrics = `# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 4.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} 0.0
vllm:num_requests_waiting{engine="1",model_name="m"} 1.5e+01
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.5
# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 1000.0
# TYPE vllm:prefix_cache_queries_created gauge
vllm:prefix_cache_queries_created{engine="0",model_name="m"} 1.7e+09
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 900.0
# TYPE vllm:e2e_request_latency_seconds histogram
vllm:e2e_request_latency_seconds_bucket{le="0.3",model_name="m"} nonsense
python_gc_objects_collected_total{generation="0"} 11.0
`

const olderMetrics = `vllm:num_requests_running{model_name="m"} 1
vllm:num_requests_waiting{model_name="m"} 2
vllm:gpu_cache_usage_perc{model_name="m"} 1.02
vllm:gpu_prefix_cache_queries_total{model_name="m"} 7
vllm:gpu_prefix_cache_hits_total{model_name="m"} 6`

func TestParseLoad(t *testing.T) {
	present := Load{Running: 7, Waiting: 15, CacheUsage: 0.5, PrefixQueries: 1000, PrefixHits: 900}
	got, err := parseLoad([]byte(presentMetrics))
	require.NoError(t, err)
	require.Equal(t, present, got)
	got, err = parseLoad([]byte(olderMetrics))
	require.NoError(t, err)
	require.Equal(t, Load{Running: 1, Waiting: 2, CacheUsage: 1, PrefixQueries: 7, PrefixHits: 6}, got)
	got, err = parseLoad([]byte(presentMetrics + strings.ReplaceAll(olderMetrics, "vllm:num", "old:num")))
	require.NoError(t, err)
	require.Equal(t, present, got, "with both names the present one counts")
	for _, bad := range []string{"vllm:num_requests_running NaN\n", "vllm:num_requests_running -1\n", "vllm:num_requests_running +Inf\n", "vllm:num_requests_running{ 3\n", "# TYPE vllm:num_requests_running summary\nvllm:num_requests_running 3\n"} {
		_, err = parseLoad([]byte(bad))
		require.Error(t, err, bad)
		require.NotErrorIs(t, err, ErrNoMetrics)
	}
	for _, other := range []string{"", "llamacpp:requests_processing 1\n", "<html>", "vllm:num_requests_waiting 1\n"} {
		_, err = parseLoad([]byte(other))
		require.ErrorIs(t, err, ErrNoMetrics, other)
	}
}

func FuzzParseLoad(f *testing.F) {
	f.Add([]byte(presentMetrics))
	f.Add([]byte(olderMetrics))
	f.Add([]byte("# TYPE vllm:num_requests_running histogram\nvllm:num_requests_running{le=\"1\"} 3 4\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := parseLoad(text)
		if err != nil {
			require.Zero(t, l)
			return
		}
		for _, v := range []float64{l.Running, l.Waiting, l.CacheUsage, l.PrefixQueries, l.PrefixHits} {
			require.GreaterOrEqual(t, v, 0.0)
			require.False(t, math.IsNaN(v))
		}
		require.LessOrEqual(t, l.CacheUsage, 1.0)
	})
}

// server answers by path: a status, or a text with status 200.
func server(t *testing.T, paths map[string]any, asked *atomic.Int32) *Server {
	t.Helper()
	return fake(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch is := paths[r.URL.Path].(type) {
		case int:
			w.WriteHeader(is)
		case string:
			_, _ = io.WriteString(w, is)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}

func TestLoad(t *testing.T) {
	var asked atomic.Int32
	got, err := server(t, map[string]any{"/metrics": presentMetrics}, &asked).Load(t.Context())
	require.NoError(t, err)
	require.InDelta(t, 7, got.Running, 0)
}

func TestServerWithoutMetricsIsAskedOnce(t *testing.T) {
	for _, is := range []any{nil, 401, 403, "llamacpp:requests_processing 1\n"} {
		var asked atomic.Int32
		s := server(t, map[string]any{"/metrics": is, "/health": 200}, &asked)
		for range 3 {
			_, err := s.Load(t.Context())
			require.ErrorIs(t, err, ErrNoMetrics)
		}
		require.Equal(t, int32(1), asked.Load())
		require.NoError(t, s.Healthy(t.Context()))
		_, err := s.Load(t.Context())
		require.ErrorIs(t, err, ErrNoMetrics)
		require.Equal(t, int32(3), asked.Load(), "what came back may be another server")
	}
}

func TestFailingMetricsAreAskedAgain(t *testing.T) {
	for is, want := range map[any]Kind{503: Failing, "vllm:num_requests_running x\n": Malformed} {
		var asked atomic.Int32
		s := server(t, map[string]any{"/metrics": is}, &asked)
		for n := range 2 {
			_, err := s.Load(t.Context())
			require.Equal(t, want, failure(t, err).Kind)
			require.Equal(t, int32(n+1), asked.Load())
		}
	}
}

func TestHealthy(t *testing.T) {
	for name, c := range map[string]struct {
		paths map[string]any
		asked int32
		kind  Kind // Forbidden: it is healthy
	}{
		"vLLM":              {map[string]any{"/health": 200}, 1, Forbidden},
		"vLLM, engine dead": {map[string]any{"/health": 503, "/v1/models": 200}, 1, Failing},
		"Ollama":            {map[string]any{"/v1/models": `{"data":[]}`}, 2, Forbidden},
		"gateway":           {map[string]any{"/health": 401, "/v1/models": 401}, 2, Forbidden},
		"elsewhere":         {map[string]any{"/health": 302, "/v1/models": 200}, 2, Forbidden},
		"models fail":       {map[string]any{"/v1/models": 502}, 2, Failing},
		"busy":              {map[string]any{"/v1/models": 429}, 2, Overloaded},
		"neither":           {nil, 2, Forbidden},
	} {
		var asked atomic.Int32
		err := server(t, c.paths, &asked).Healthy(t.Context())
		require.Equal(t, c.asked, asked.Load(), name)
		if c.kind == Forbidden {
			require.NoError(t, err, name)
		} else {
			require.Equal(t, c.kind, failure(t, err).Kind, name)
		}
	}
	require.Equal(t, Lost, failure(t, raw(t, reset).Healthy(t.Context())).Kind)
}
