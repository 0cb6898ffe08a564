package gateway

import (
	"math"

	"github.com/myriad-sim/myriad/internal/bench"
)

// Figures. A measurement gives those that apply to it. CPU is seconds of a core for each completion.
const (
	Rate         bench.Figure = "completions_per_second"
	Sent         bench.Figure = "calls_sent"
	Answered     bench.Figure = "calls_answered"
	Lost         bench.Figure = "calls_lost"
	Twice        bench.Figure = "calls_answered_twice"
	P50          bench.Figure = "p50_seconds"
	P99          bench.Figure = "p99_seconds"
	BatchSize    bench.Figure = "conversations_per_request"  // mean, as the servers saw it
	InFlight     bench.Figure = "in_flight_median"           // at all servers together, of looks while calls were sent
	InFlightPeak bench.Figure = "in_flight_peak"             // the most that a look saw
	HitShare     bench.Figure = "prefix_hit_share"           // tokens of prompts that were cached, of those looked up
	Even         bench.Figure = "share_of_busier_server"     // of the conversations
	ProxyStart   bench.Figure = "proxy_resident_start_bytes" // before the first call
	ProxyPeak    bench.Figure = "proxy_resident_peak_bytes"  // the most that a look saw
	ProxyEnd     bench.Figure = "proxy_resident_end_bytes"   // after the last call
	ClientCPU    bench.Figure = "client_cpu_seconds"         // who asks
	BrokerCPU    bench.Figure = "broker_cpu_seconds"
	ProxyCPU     bench.Figure = "proxy_cpu_seconds" // or the responder of the plain design
	ServerCPU    bench.Figure = "server_cpu_seconds"
)

// of are the values of a figure over the repeats; none if a repeat lacks it.
func of(samples []bench.Figures, f bench.Figure) []float64 {
	var out []float64
	for _, s := range samples {
		v, ok := s[f]
		if !ok {
			return nil
		}
		out = append(out, v)
	}
	return out
}

// with combines two series repeat by repeat, so that what slows the machine for a while slows both sides.
func with(a, b []float64, f func(a, b float64) float64) []float64 {
	var out []float64
	for i := range min(len(a), len(b)) {
		if v := f(a[i], b[i]); !math.IsNaN(v) && !math.IsInf(v, 0) {
			out = append(out, v)
		}
	}
	return out
}

func ratio(a, b []float64) []float64 { return with(a, b, func(a, b float64) float64 { return a / b }) }
func minus(a, b []float64) []float64 { return with(a, b, func(a, b float64) float64 { return a - b }) }

func scaled(list []float64, by float64) []float64 {
	return with(list, list, func(v, _ float64) float64 { return v * by })
}
