package gateway

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/myriad-sim/myriad/internal/bench"
)

// measurement is one thing that is measured.
type measurement struct {
	part, name string
	once       bool // whatever the repeats: it takes minutes, and is no rate
	measure    func(ctx context.Context) (bench.Figures, error)
}

// Parts of the benchmark.
const (
	batchPart    = "batch"
	singlePart   = "single"
	plainPart    = "plain"
	slowPart     = "slow"
	holdPart     = "hold"
	latencyPart  = "latency"
	affinityPart = "affinity"
)

// Parts describes the parts, for help: name and what it measures.
func Parts() [][2]string {
	return [][2]string{
		{batchPart, "completions a second of servers with a batch endpoint, beside a direct client"},
		{singlePart, "the same of servers without one"},
		{plainPart, "a NATS request for each call, to the same servers"},
		{slowPart, "all of them on a server that takes 50 ms and 2 ms a token"},
		{holdPart, "25,000 calls in flight for a minute"},
		{latencyPart, "what is added to the time of a call"},
		{affinityPart, "how often servers find prompts in their prefix caches"},
	}
}

// plan lists the measurements of one repeat.
func plan(l *lab, only []string) ([]measurement, error) {
	for _, name := range only {
		if !slices.ContainsFunc(Parts(), func(p [2]string) bool { return p[0] == name }) {
			return nil, fmt.Errorf("%w: there is no part %q", bench.ErrOption, name)
		}
	}
	all := slices.Concat(l.batch(), l.single(), l.plain(), l.slow(), l.hold(), l.latency(), l.affinity())
	if len(only) == 0 {
		return all, nil
	}
	return slices.DeleteFunc(all, func(m measurement) bool { return !slices.Contains(only, m.part) }), nil
}

// times are how long a rate is measured.
func (l *lab) times(in Load) Load {
	in.Warm, in.For = 2*time.Second, 4*time.Second
	if l.quick {
		in.Warm, in.For = 100*time.Millisecond, 300*time.Millisecond
		in.InFlight = min(in.InFlight, 2*hostRequest)
	}
	return in
}

// rate is a measurement of a rate.
func (l *lab) rate(part, name string, s setup, in Load) measurement {
	return measurement{part: part, name: name, measure: func(ctx context.Context) (bench.Figures, error) {
		return l.on(ctx, s, func(b *bed) (bench.Figures, error) { return b.load(ctx, l.times(in)) })
	}}
}

// What a host has open at a time, and puts into a request: the defaults of an agenthost.
const (
	hostCalls   = 32 * 1024
	hostRequest = 1024
)

// through is a load through the gateway with a number of calls in flight at each server; 0: the gateway finds it.
func through(places int) Load {
	return Load{Kind: byGateway, InFlight: hostCalls, Request: hostRequest, Places: places}
}

// Calls in flight of the part batch, and how many of them are a batch: a quarter, which the gateway chooses.
const (
	batchPlaces = 1024
	batchCalls  = batchPlaces / 4
)

func (l *lab) batch() []measurement {
	return []measurement{
		l.rate(batchPart, directName, setup{servers: 1}, Load{Kind: byHTTP, InFlight: batchPlaces, Request: batchCalls}),
		l.rate(batchPart, ownName, setup{servers: 1}, Load{Kind: byOwnClient, InFlight: batchPlaces, Request: batchCalls}),
		l.rate(batchPart, gatewayName, setup{servers: 1, proxy: true, profile: l.profile(batchPart)}, through(batchPlaces)),
		l.rate(batchPart, adaptiveName, setup{servers: 1, proxy: true}, through(0)),
	}
}

// Names of cases that several parts have.
const (
	directName   = "direct client"
	ownName      = "llmproxy's own client, direct"
	gatewayName  = "gateway"
	adaptiveName = "gateway, limits found by itself"
)

// Calls in flight of the parts single and plain.
var singlePlaces = []int{64, 256}

func at(name string, places int) string { return fmt.Sprintf("%s, %d in flight", name, places) }

var noBatch = []string{"--no-batch"}

func (l *lab) single() []measurement {
	var out []measurement
	for _, n := range singlePlaces {
		out = append(out,
			l.rate(singlePart, at(directName, n), setup{servers: 1, flags: noBatch}, Load{Kind: byHTTP, InFlight: n}),
			l.rate(singlePart, at(ownName, n), setup{servers: 1, flags: noBatch}, Load{Kind: byOwnClient, InFlight: n}),
			l.rate(singlePart, at(gatewayName, n), setup{servers: 1, flags: noBatch, proxy: true, profile: l.profile(singlePart + strconv.Itoa(n))}, through(n)))
	}
	return append(out, l.rate(singlePart, adaptiveName, setup{servers: 1, flags: noBatch, proxy: true}, through(0)))
}

// profile is the file for the profile of a measurement.
func (l *lab) profile(name string) string {
	if !l.profiles {
		return ""
	}
	return l.dir + "/llmproxy-" + name + ".pprof"
}

const (
	inHandlerName   = "a NATS request a call, in the handler"
	goroutinesName  = "a NATS request a call, a goroutine each"
	gatewaySingles  = "gateway, single calls"
	gatewayBatches  = "gateway, batches"
	slowPlaces      = 1024
	slowMaxSeqs     = "4096"
	slowPrefill     = 50 * time.Millisecond
	slowPerToken    = "2ms"
	slowCacheBlocks = "1000000"
)

// requests is a load of the plain design. In the handler one call is in flight, whatever is asked.
func (l *lab) requests(part, name string, flags []string, places int, handler bool) measurement {
	answers := &Load{Kind: asResponder}
	if handler {
		places = handlerCalls
	} else {
		answers.Places = places
	}
	return l.rate(part, name, setup{servers: 1, flags: flags, responder: answers}, Load{Kind: byRequests, InFlight: places, Reasoned: part == slowPart})
}

// handlerCalls is how many calls there are for a handler that takes one at a time.
const handlerCalls = 8

func (l *lab) plain() []measurement {
	out := []measurement{l.requests(plainPart, inHandlerName, nil, 0, true)}
	for _, n := range singlePlaces {
		out = append(out, l.requests(plainPart, at(goroutinesName, n), nil, n, false))
	}
	return out
}

// slow compares all ways on a server that takes its time: 50 ms for a prompt and 2 ms for each of some 60 tokens.
func (l *lab) slow() []measurement {
	prefill := slowPrefill / time.Duration(questionTokens())
	flags := []string{"--prefill", prefill.String(), "--per-token", slowPerToken, "--style", "reasoned", "--max-num-seqs", slowMaxSeqs, "--cache-blocks", slowCacheBlocks}
	single := append(slices.Clone(flags), noBatch...)
	gateway := func(name string, flags []string, places int) measurement {
		in := through(places)
		in.Reasoned = true
		return l.rate(slowPart, name, setup{servers: 1, flags: flags, proxy: true}, in)
	}
	return []measurement{
		l.requests(slowPart, inHandlerName, flags, 0, true),
		l.requests(slowPart, at(goroutinesName, singlePlaces[0]), flags, singlePlaces[0], false),
		l.requests(slowPart, at(goroutinesName, slowPlaces), flags, slowPlaces, false),
		gateway(at(gatewaySingles, slowPlaces), single, slowPlaces),
		gateway(at(gatewayBatches, slowPlaces), flags, slowPlaces),
		gateway(gatewaySingles+", limits found by itself", single, 0),
		gateway(gatewayBatches+", limits found by itself", flags, 0),
	}
}

// files is how many files a process may have open.
func files() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(limit.Max, 1<<20)) //nolint:gosec // limited
}
