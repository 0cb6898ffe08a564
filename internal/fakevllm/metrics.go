package fakevllm

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// metrics writes what a scraper of vLLM reads, in the text format of Prometheus.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	st := s.Stats()
	s.mu.Lock()
	base := s.base
	s.mu.Unlock()
	labels := `{engine="0",model_name="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s.opts.Model) + `"`
	var b []byte
	write := func(name, kind, help string, value float64) {
		b = fmt.Appendf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
		b = fmt.Appendf(b, "%s%s} %s\n", name, labels, strconv.FormatFloat(value, 'g', -1, 64))
	}
	cache := "vllm:"
	usage := "vllm:kv_cache_usage_perc"
	if s.opts.OldMetrics {
		cache, usage = "vllm:gpu_", "vllm:gpu_cache_usage_perc"
	}
	write("vllm:num_requests_running", "gauge", "Number of requests in model execution batches.", float64(st.Running))
	write("vllm:num_requests_waiting", "gauge", "Number of requests waiting to be processed.", float64(st.Waiting))
	write(usage, "gauge", "KV-cache usage. 1 means 100 percent usage.", st.CacheUsage)
	write(cache+"prefix_cache_queries_total", "counter", "Prefix cache queries, in terms of number of queried tokens.",
		float64(st.PrefixQueries-base.PrefixQueries))
	write(cache+"prefix_cache_hits_total", "counter", "Prefix cache hits, in terms of number of cached tokens.",
		float64(st.PrefixHits-base.PrefixHits))
	write("vllm:prompt_tokens_total", "counter", "Number of prefill tokens processed.",
		float64(st.PromptTokens-base.PromptTokens))
	write("vllm:generation_tokens_total", "counter", "Number of generation tokens processed.",
		float64(st.OutputTokens-base.OutputTokens))
	const success = "vllm:request_success_total"
	b = fmt.Appendf(b, "# HELP %s Count of successfully processed requests.\n# TYPE %s counter\n", success, success)
	for _, reason := range []struct {
		name  string
		count uint64
	}{
		{"stop", st.Stopped - base.Stopped}, {"length", st.Cut - base.Cut}, {"abort", st.Aborted - base.Aborted},
		{"error", 0},
	} {
		b = fmt.Appendf(b, "%s%s,finished_reason=\"%s\"} %d\n", success, labels, reason.name, reason.count)
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) // a scraper that has gone needs none
}
