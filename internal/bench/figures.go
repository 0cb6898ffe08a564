package bench

import (
	"math"
	"slices"
)

// Figure names a number that a measurement gives.
type Figure string

// Figures. A measurement gives those that apply to it.
const (
	Seconds     Figure = "seconds"             // the round, opened to closed; of baselines first started to last ended
	Ready       Figure = "ready_seconds"       // run created to first round opened: placing and loading all agents
	Wall        Figure = "wall_seconds"        // the whole command
	CPU         Figure = "cpu_seconds"         // of all processes, user and system
	Peak        Figure = "peak_bytes"          // resident memory of a process at its peak, summed over all processes
	Rounds      Figure = "rounds"              // how many were played
	RoundRate   Figure = "rounds_per_second"   // first round opened to the end of the run
	AgentRate   Figure = "agents_per_second"   // answers a second, in the same time
	MessageRate Figure = "messages_per_second" // of the bare broker or log
	ByteRate    Figure = "bytes_per_second"    // as MessageRate
)

// Figures are the numbers of one measurement.
type Figures map[Figure]float64

// Spread is what repeated measurements of one figure gave.
type Spread struct{ Median, Min, Max float64 }

// spread summarises values; there must be at least one.
func spread(values []float64) Spread {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return Spread{Median: median, Min: sorted[0], Max: sorted[len(sorted)-1]}
}

// series are the values of one figure over the repeats of a measurement, in their order.
type series []float64

// of is the series of a figure; empty where a repeat lacks it.
func of(samples []Figures, f Figure) series {
	var out series
	for _, s := range samples {
		v, ok := s[f]
		if !ok {
			return nil
		}
		out = append(out, v)
	}
	return out
}

// each applies a function to every value.
func (s series) each(f func(float64) float64) series {
	out := make(series, 0, len(s))
	for _, v := range s {
		out = append(out, f(v))
	}
	return out
}

// by divides value by value, so that what slows the machine for a while slows both sides of a ratio. Repeats that only
// one side has are left out.
func (s series) by(other series) series {
	var out series
	for i := range min(len(s), len(other)) {
		if r := s[i] / other[i]; !math.IsNaN(r) && !math.IsInf(r, 0) {
			out = append(out, r)
		}
	}
	return out
}
