package bench

import (
	"fmt"
	"slices"
	"strconv"
)

// Tables lays out what was measured, one subject a table; what was not measured is left out, with the reason where
// something stood in the way.
func (r *Report) Tables() []Table {
	return slices.Concat(r.roundTable(), r.memoryTable(), r.growthTable(), r.costTable(), r.limitTable(), r.levelkTable(), r.scaleTables())
}

// figure is a figure of a part at any size, as a column needs it.
func (r *Report) figure(part string, f Figure) func(int) series {
	return func(agents int) series { return of(r.samples(part, agents, hostsOf(part)), f) }
}

// hostsOf is how many hosts a part has at each size.
func hostsOf(part string) int {
	if part == "tcp" {
		return 1
	}
	return 0
}

// per divides one column by another.
func per(a, b func(int) series) func(int) series {
	return func(n int) series { return a(n).by(b(n)) }
}

// perAgent divides a column by the number of agents, in a unit.
func perAgent(a func(int) series, less, unit float64) func(int) series {
	return func(n int) series {
		return a(n).each(func(v float64) float64 { return (v - less) / float64(n) / unit })
	}
}

// sizes are the numbers of agents of the parts that are measured at each size, ascending.
func (r *Report) sizes() []int {
	var out []int
	for _, p := range []string{"goroutines", "asyncio", "run", "tcp", "zero"} {
		for _, was := range r.Results {
			if was.Part == p {
				out = append(out, was.Agents)
			}
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(out)))
}

// skipped says what was not measured of some parts, and why.
func (r *Report) skipped(parts ...string) []string {
	var out []string
	for _, was := range r.Results {
		if slices.Contains(parts, was.Part) && was.Skipped != "" {
			out = append(out, fmt.Sprintf("Not measured: %s with %s agents: %s.", was.Part, grouped(was.Agents), was.Skipped))
		}
	}
	return out
}

func (r *Report) roundTable() []Table {
	goroutines, asyncio := r.figure("goroutines", Seconds), r.figure("asyncio", Seconds)
	here, tcp := r.figure("run", Seconds), r.figure("tcp", Seconds)
	return bySize(fmt.Sprintf("One round, each model call takes %s s: seconds", strconv.FormatFloat(r.Latency, 'g', -1, 64)), r.sizes(), []column{
		{head: "goroutines", of: goroutines}, {head: "asyncio", of: asyncio},
		{head: "myriad run", of: here}, {head: "÷ goroutines", of: per(here, goroutines)}, {head: "÷ asyncio", of: per(here, asyncio)},
		{head: "myriad, TCP", of: tcp}, {head: "÷ goroutines", of: per(tcp, goroutines)}, {head: "÷ asyncio", of: per(tcp, asyncio)},
	}, r.skipped("goroutines", "asyncio", "run", "tcp")...)
}

func (r *Report) memoryTable() []Table {
	bytes := func(part string) func(int) series { return perAgent(r.figure(part, Peak), 0, 1) }
	total := func(n int) series {
		return r.figure("run", Peak)(n).each(func(v float64) float64 { return v / (1 << 20) })
	}
	return bySize("Start-up and memory", r.sizes(), []column{
		{head: "ready, s", of: r.figure("run", Ready)}, {head: "ready, TCP, s", of: r.figure("tcp", Ready)}, {head: "all, s", of: r.figure("run", Wall)}, {head: "peak, MiB", of: total},
		{head: "bytes each", of: bytes("run")}, {head: "TCP, bytes", of: bytes("tcp")}, {head: "goroutine, bytes", of: bytes("goroutines")}, {head: "asyncio, bytes", of: bytes("asyncio")},
	}, "Ready: all agents placed and loaded, from the run's creation to the opening of its first round. All: the whole command, results and report written.",
		"Resident memory at its peak, as the kernel counts it, of whole processes, with the program itself, the broker and the writing of results; over TCP of six processes.",
		"A process cannot be seen below the memory of the one that started it, some 30 MiB here; only small sizes show that.")
}

func (r *Report) growthTable() []Table {
	base := r.base()
	growth := func(each func(int) series) func(int) series {
		return func(n int) series { return each(n).by(each(base)) }
	}
	beyond := func(part string) func(int) series { return perAgent(r.figure(part, Seconds), r.Latency, 1e-6) }
	own := func(n int) series {
		return r.figure("zero", AgentRate)(n).each(func(v float64) float64 { return 1e6 / v })
	}
	memory := perAgent(r.figure("run", Peak), 0, 1)
	at := "÷ at " + grouped(base)
	return bySize("How the cost of an agent grows", r.sizes(), []column{
		{head: "run, µs", of: beyond("run")}, {head: "TCP, µs", of: beyond("tcp")}, {head: "goroutines, µs", of: beyond("goroutines")}, {head: "asyncio, µs", of: beyond("asyncio")},
		{head: "zero, µs", of: own}, {head: at, of: growth(own)}, {head: "memory, bytes", of: memory}, {head: at, of: growth(memory)},
	}, "Time is what a round takes beyond the model, over the number of agents; zero is a model that answers at once, with all that lies between its rounds.")
}

// base is the size that growth is compared with: a hundred thousand, or the smallest.
func (r *Report) base() int {
	sizes := r.sizes()
	if len(sizes) == 0 || slices.Contains(sizes, 100_000) {
		return 100_000
	}
	return sizes[0]
}

func (r *Report) costTable() []Table {
	cpu := func(n int) series {
		return r.figure("zero", CPU)(n).by(r.figure("zero", Rounds)(n)).each(func(v float64) float64 { return v / float64(n) * 1e6 })
	}
	return bySize("A model that answers at once: what Myriad itself costs", r.sizes(), []column{
		{head: "rounds", of: r.figure("zero", Rounds), as: count}, {head: "rounds/s", of: r.figure("zero", RoundRate)}, {head: "agents/s", of: r.figure("zero", AgentRate)},
		{head: "CPU, µs", of: cpu},
	}, append([]string{"Rates count from the opening of the first round to the end of the run. CPU: of all cores for the whole command, an agent and round."}, r.skipped("zero")...)...)
}

func (r *Report) limitTable() []Table {
	t := Table{
		Title: "The limits: the bare broker and the bare log",
		Head:  []string{"what", "bytes each", "messages/s", "MB/s", "agents/s", "Myriad uses"},
		Notes: []string{fmt.Sprintf("A message serves a shard of %s agents. Nothing else is done with it. The last column is the fastest rate above, as a part of the limit.", grouped(shardAgents))},
	}
	best := 0.0
	for _, n := range r.sizes() {
		if s := r.figure("zero", AgentRate)(n); len(s) > 0 {
			best = max(best, spread(s).Median)
		}
	}
	for _, limit := range []struct {
		part, what string
		bytes      int
	}{{"broker", "requests through the broker", requestBytes}, {"log", "records in the log, synced", recordBytes}} {
		samples := r.samples(limit.part, 0, 0)
		agents := of(samples, AgentRate)
		if len(agents) == 0 {
			continue
		}
		used := none
		if best > 0 {
			used = short(100*best/spread(agents).Median) + " %"
		}
		t.Rows = append(t.Rows, []string{
			limit.what, grouped(limit.bytes), of(samples, MessageRate).cell(short),
			of(samples, ByteRate).each(func(v float64) float64 { return v / 1e6 }).cell(short), agents.cell(short), used,
		})
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return []Table{t}
}

func (r *Report) levelkTable() []Table {
	var sizes []int
	for _, was := range r.Results {
		if was.Part == "levelk" {
			sizes = append(sizes, was.Agents)
		}
	}
	peak := func(n int) series {
		return r.figure("levelk", Peak)(n).each(func(v float64) float64 { return v / (1 << 20) })
	}
	return bySize("Players that reason (levelk), the whole command with results in Parquet and the report", sizes, []column{
		{head: "rounds", of: r.figure("levelk", Rounds), as: count}, {head: "all, s", of: r.figure("levelk", Wall)},
		{head: "rounds alone, s", of: r.figure("levelk", Seconds)}, {head: "peak, MiB", of: peak},
	}, r.skipped("levelk")...)
}

func (r *Report) scaleTables() []Table {
	var out []Table
	for _, kind := range []struct {
		title  string
		agents func(hosts int) int
	}{
		{"More hosts, the same agents: each host has %s calls in flight", func(int) int { return 4 * scaleAgents }},
		{"More hosts, as many agents each: each host has %s calls in flight", func(hosts int) int { return hosts * scaleAgents }},
	} {
		t := Table{Title: fmt.Sprintf(kind.title, grouped(scaleInFlight)), Head: []string{"hosts", "agents", "round, s", "÷ one host"}}
		at := func(hosts int) series { return of(r.samples("scaleout", kind.agents(hosts), hosts), Seconds) }
		for _, hosts := range []int{1, 2, 4} {
			if s := at(hosts); len(s) > 0 {
				t.Rows = append(t.Rows, []string{fmt.Sprint(hosts), grouped(kind.agents(hosts)), s.cell(short), s.by(at(1)).cell(short)})
			}
		}
		if len(t.Rows) > 0 {
			out = append(out, t)
		}
	}
	return out
}
