package gateway

import (
	"fmt"
	"slices"

	"github.com/myriad-sim/myriad/internal/bench"
)

// none stands for what was not measured.
const none = "–"

func cell(values []float64) string {
	if len(values) == 0 {
		return none
	}
	return bench.Cell(values)
}

// Tables lays out what was measured; what was not is left out.
func (r *Report) Tables() []bench.Table {
	all := slices.Concat(r.batchTable(), r.singleTable(), r.plainTable(), r.slowTable(), r.holdTable(), r.latencyTable(), r.affinityTable())
	for i := range all {
		if r.Quick {
			all[i].Notes = append(all[i].Notes, "Measured with --quick: times and numbers are smaller than said here, and the figures mean little.")
		}
	}
	return all
}

// row is a line of a table of rates.
type row struct {
	name, beside string // beside: the case it is divided by
}

// table makes a table with a line for each row that was measured; without one there is none.
func table(t bench.Table, rows [][]string) []bench.Table {
	if len(rows) == 0 {
		return nil
	}
	t.Rows = rows
	return []bench.Table{t}
}

// cores is the time of all processes for a completion, of each repeat.
func cores(samples []bench.Figures) []float64 {
	var out []float64
	for _, s := range samples {
		out = append(out, s[ClientCPU]+s[BrokerCPU]+s[ProxyCPU]+s[ServerCPU])
	}
	return out
}

// rates are lines of rates, with the ratio to another case, and the time of cores that a completion takes with the same.
func (r *Report) rates(part string, rows []row) [][]string {
	var out [][]string
	for _, line := range rows {
		s, beside := r.samples(part, line.name), r.samples(part, line.beside)
		if len(s) == 0 {
			continue
		}
		rate := of(s, Rate)
		cells := []string{
			line.name, cell(of(s, BatchSize)), cell(rate), cell(ratio(rate, of(beside, Rate))),
			cell(scaled(cores(s), 1e6)), cell(ratio(cores(beside), cores(s))),
		}
		for _, f := range []bench.Figure{ClientCPU, BrokerCPU, ProxyCPU, ServerCPU} {
			cells = append(cells, cell(scaled(of(s, f), 1e6)))
		}
		out = append(out, cells)
	}
	return out
}

var (
	rateHead = []string{"who asks", "a request", "completions/s", "÷ direct", "cores, µs", "÷ direct", "client, µs", "broker, µs", "gateway, µs", "server, µs"}
	rateNote = "A request: conversations in one, as the server saw it. µs: time of a core for a completion, of all processes and of each; the client is who asks, a direct client or what stands for an agent host. " +
		"The second ratio is that of rates if cores were the only limit and nobody else used them: the direct client's time over this one's."
)

func (r *Report) batchTable() []bench.Table {
	return table(bench.Table{
		Title: "Batch endpoint, a server without latency",
		Head:  rateHead,
		Notes: []string{fmt.Sprintf("Direct client and gateway have %s conversations in flight, in batches of %d.", bench.Grouped(batchPlaces), batchCalls), rateNote},
	}, r.rates(batchPart, []row{{directName, ""}, {ownName, directName}, {gatewayName, directName}, {adaptiveName, directName}}))
}

func (r *Report) singleTable() []bench.Table {
	var rows []row
	for _, n := range singlePlaces {
		rows = append(rows, row{at(directName, n), ""}, row{at(ownName, n), at(directName, n)}, row{at(gatewayName, n), at(directName, n)})
	}
	rows = append(rows, row{adaptiveName, at(directName, singlePlaces[len(singlePlaces)-1])})
	return table(bench.Table{
		Title: "Single calls, a server without latency", Head: rateHead,
		Notes: []string{fmt.Sprintf("The last line is beside the direct client with %d in flight.", singlePlaces[len(singlePlaces)-1])},
	}, r.rates(singlePart, rows))
}

// ways are lines of the plain design, and how much faster the gateway is.
func (r *Report) ways(part string, names []string, batches, singles []float64) [][]string {
	var out [][]string
	for _, name := range names {
		if s := r.samples(part, name); len(s) > 0 {
			rate := of(s, Rate)
			out = append(out, []string{name, cell(rate), cell(ratio(batches, rate)), cell(ratio(singles, rate))})
		}
	}
	return out
}

var wayHead = []string{"way", "completions/s", "gateway, batches ÷ this", "gateway, single calls ÷ this"}

func (r *Report) plainTable() []bench.Table {
	names := []string{inHandlerName}
	for _, n := range singlePlaces {
		names = append(names, at(goroutinesName, n))
	}
	return table(bench.Table{
		Title: "A NATS request for each call, a server without latency", Head: wayHead,
		Notes: []string{"In the handler: as nats.go's services are made, one call at a time. The gateway's rates are those of the tables above, single calls with 256 in flight."},
	}, r.ways(plainPart, names, of(r.samples(batchPart, gatewayName), Rate), of(r.samples(singlePart, at(gatewayName, 256)), Rate)))
}

func (r *Report) slowTable() []bench.Table {
	batches, singles := at(gatewayBatches, slowPlaces), at(gatewaySingles, slowPlaces)
	names := []string{
		inHandlerName, at(goroutinesName, singlePlaces[0]), at(goroutinesName, slowPlaces), singles, batches,
		gatewaySingles + ", limits found by itself", gatewayBatches + ", limits found by itself",
	}
	return table(bench.Table{
		Title: "All ways, a server that takes 50 ms and 2 ms a token, about 60 tokens", Head: wayHead,
		Notes: []string{fmt.Sprintf("The gateway's rates that others are divided into are those with %s in flight.", bench.Grouped(slowPlaces))},
	}, r.ways(slowPart, names, of(r.samples(slowPart, batches), Rate), of(r.samples(slowPart, singles), Rate)))
}

func (r *Report) holdTable() []bench.Table {
	var rows [][]string
	for _, name := range []string{holdBatches, holdSingles} {
		s := r.samples(holdPart, name)
		if len(s) == 0 {
			continue
		}
		cells := []string{name}
		for _, f := range []bench.Figure{InFlight, InFlightPeak, Sent, Answered, Lost, Twice} {
			cells = append(cells, cell(of(s, f)))
		}
		for _, f := range []bench.Figure{ProxyStart, ProxyPeak, ProxyEnd} {
			cells = append(cells, cell(scaled(of(s, f), 1.0/(1<<20))))
		}
		rows = append(rows, cells)
	}
	return table(bench.Table{
		Title: "Calls in flight at slow servers",
		Head:  []string{"to the servers", "in flight", "peak", "sent", "answered", "lost", "twice", "gateway at start, MiB", "peak, MiB", "end, MiB"},
		Notes: []string{"Two servers, each call takes 20 s, for a minute; a batch has 512 calls at most. In flight: at both servers, the median of looks each fifth of a second.", "A single call needs a connection, and a process may have only so many files open (ulimit -n)."},
	}, rows)
}

func (r *Report) latencyTable() []bench.Table {
	var rows [][]string
	for _, takes := range latencyTakes {
		for _, way := range []string{paced, bursts} {
			d, g := r.samples(latencyPart, latencyName(directName, way, takes)), r.samples(latencyPart, latencyName(gatewayName, way, takes))
			if len(d) == 0 || len(g) == 0 {
				continue
			}
			cells := []string{way, takes.String(), cell(of(d, InFlight)), cell(of(g, InFlight))}
			for _, f := range []bench.Figure{P50, P99} {
				without, through := of(d, f), of(g, f)
				cells = append(cells, cell(scaled(without, 1e3)), cell(scaled(through, 1e3)), cell(scaled(minus(through, without), 1e3)))
			}
			rows = append(rows, cells)
		}
	}
	return table(bench.Table{
		Title: "Time of a call, ms",
		Head:  []string{"calls come", "each takes", "in flight, direct", "gateway", "p50 direct", "p50 gateway", "added", "p99 direct", "p99 gateway", "added"},
		Notes: []string{"Single calls, sent at a steady rate at which 1,000 are in flight, many in a request: 1,024 together; through the gateway from the publishing of a request to the result of the call."},
	}, rows)
}

func (r *Report) affinityTable() []bench.Table {
	var rows [][]string
	for _, way := range []string{asBatches, asSingles, asMixed} {
		with, without := r.samples(affinityPart, affinityName(way, true)), r.samples(affinityPart, affinityName(way, false))
		if len(with) > 0 && len(without) > 0 {
			rows = append(rows, []string{way, cell(of(with, HitShare)), cell(of(without, HitShare)), cell(of(with, Even)), cell(of(without, Even))})
		}
	}
	return table(bench.Table{
		Title: "Tokens of prompts found in prefix caches",
		Head:  []string{"calls come", "affinity", "round robin", "busier server, affinity", "round robin"},
		Notes: []string{fmt.Sprintf("Two servers, %d groups of %d agents, each group with a system prompt of more than 600 tokens; a server's cache has room for about %d of them. %d rounds. Busier server: its share of the calls.", groups, groupAgents, cachedPart, groupRounds)},
	}, rows)
}
