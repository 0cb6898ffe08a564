package bench

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// part is one of the things a benchmark measures.
type part struct {
	name    string
	about   string
	measure func(*lab, context.Context, job) (Figures, error)
	jobs    func(o Options) []job // what is measured once a repeat
	full    bool                  // only with Full, or when it is named
}

// job is one measurement.
type job struct {
	part          *part
	agents, hosts int // hosts: 0 where there are none
}

// parts are all there are, in the order they are measured at each size.
var parts = []*part{
	{name: "goroutines", about: "bare goroutines that sleep as long as a model call", measure: (*lab).goroutines, jobs: eachSize},
	{name: "asyncio", about: "the same in Python, with asyncio.gather", measure: (*lab).asyncio, jobs: eachSize},
	{name: "run", about: "a round of myriad run, everything in one process", measure: (*lab).oneRound, jobs: eachSize},
	{name: "tcp", about: "the same round with a broker and five services in six processes, over TCP", measure: (*lab).tcp, jobs: eachSizeOneHost},
	{name: "zero", about: "rounds of a model that answers at once", measure: (*lab).zero, jobs: eachSize},
	{name: "broker", about: "messages of the bare broker", measure: (*lab).broker, jobs: once},
	{name: "log", about: "records of the bare log, on disk", measure: (*lab).log, jobs: once},
	{name: "levelk", about: "five rounds of players that reason, the whole command with all results", measure: (*lab).levelk, jobs: largest},
	{name: "scaleout", about: "1, 2 and 4 hosts with few calls in flight each", measure: (*lab).scaleOut, jobs: hostCounts, full: true},
}

// levelkAgents is the largest size of the part levelk.
const levelkAgents = 1_000_000

func eachSize(o Options) []job {
	var out []job
	for _, n := range o.Sizes {
		out = append(out, job{agents: n})
	}
	return out
}

func eachSizeOneHost(o Options) []job {
	out := eachSize(o)
	for i := range out {
		out[i].hosts = 1
	}
	return out
}

func once(Options) []job { return []job{{}} }

func largest(o Options) []job { return []job{{agents: min(slices.Max(o.Sizes), levelkAgents)}} }

// hostCounts are measurements with the same agents on more hosts, and with more hosts that have as many agents each; the
// last is both.
func hostCounts(Options) []job {
	return []job{
		{agents: 4 * scaleAgents, hosts: 1}, {agents: 4 * scaleAgents, hosts: 2},
		{agents: scaleAgents, hosts: 1}, {agents: 2 * scaleAgents, hosts: 2}, {agents: 4 * scaleAgents, hosts: 4},
	}
}

// Parts describes the parts, for help: name and what it measures.
func Parts() [][2]string {
	var out [][2]string
	for _, p := range parts {
		out = append(out, [2]string{p.name, p.about})
	}
	return out
}

// plan lists the measurements of one repeat: what is compared stands side by side, at each size.
func plan(o Options) ([]job, error) {
	if len(o.Sizes) == 0 || slices.Min(o.Sizes) < 1 {
		return nil, fmt.Errorf("%w: sizes must be 1 or more", ErrOption)
	}
	o.Sizes = slices.Compact(slices.Sorted(slices.Values(o.Sizes)))
	for _, name := range o.Only {
		if !slices.ContainsFunc(parts, func(p *part) bool { return p.name == name }) {
			return nil, fmt.Errorf("%w: there is no part %q", ErrOption, name)
		}
	}
	var all []job
	for _, p := range parts {
		if len(o.Only) > 0 && !slices.Contains(o.Only, p.name) || len(o.Only) == 0 && p.full && !o.Full {
			continue
		}
		for _, j := range p.jobs(o) {
			j.part = p
			all = append(all, j)
		}
	}
	rank := func(j job) int { // sizes first, then what is measured once
		if at := slices.Index(o.Sizes, j.agents); j.part.name != "levelk" && j.part.name != "scaleout" && at >= 0 {
			return at
		}
		return len(o.Sizes)
	}
	slices.SortStableFunc(all, func(a, b job) int { return rank(a) - rank(b) })
	return all, nil
}

// ParseSize reads a number of agents: 200, 10k, 1M.
func ParseSize(text string) (int, error) {
	digits, unit := text, 1
	switch {
	case strings.HasSuffix(text, "k"):
		digits, unit = text[:len(text)-1], 1_000
	case strings.HasSuffix(text, "M"):
		digits, unit = text[:len(text)-1], 1_000_000
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > 1_000_000_000/unit {
		return 0, fmt.Errorf("%w: size %q: want a number of agents such as 200, 10k or 1M", ErrOption, text)
	}
	return n * unit, nil
}
